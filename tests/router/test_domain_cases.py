"""Which ticket a feedback joins, and how pressing a ticket is."""

from datetime import timedelta

import pytest

from huiyin_contracts.feedback import Labels
from huiyin_contracts.vocabulary import AttachReason, Nature, Sentiment, Urgency
from huiyin_router.domain.cases import Earlier, Said, find_home, priority_of
from tests.router.feedback import BROKEN, LATE_DELIVERY, NOON, RUDE


def said(text: str = LATE_DELIVERY, *, after: timedelta = timedelta(), kind: str = "message") -> Said:
    """Return something said some time after noon."""
    return Said(text=text, kind=kind, occurred_at=NOON + after)


def earlier(words: Said, *, ticket_id: str = "t-1", **changes: bool) -> Earlier:
    """Return an earlier feedback of an open ticket."""
    return Earlier(said=words, ticket_id=ticket_id, department="logistics", **{"is_open": True, **changes})


def test_without_anything_earlier_it_is_a_case_of_its_own() -> None:
    assert find_home(said(), []) is None


@pytest.mark.parametrize("minutes", [-10, 0, 10])
def test_a_message_within_ten_minutes_either_way_is_a_follow_up(minutes: int) -> None:
    home = find_home(said(BROKEN, after=timedelta(minutes=minutes)), [earlier(said())])

    assert home is not None
    assert (home.earlier.ticket_id, home.reason, home.similarity) == ("t-1", AttachReason.FOLLOW_UP, None)


@pytest.mark.parametrize("seconds", [-601, 601])
def test_beyond_ten_minutes_it_is_none(seconds: int) -> None:
    assert find_home(said(BROKEN, after=timedelta(seconds=seconds)), [earlier(said())]) is None


def test_a_review_follows_nothing_up() -> None:
    assert find_home(said(BROKEN, kind="review"), [earlier(said())]) is None


def test_the_nearest_ticket_is_followed_up() -> None:
    near = earlier(said(RUDE, after=timedelta(minutes=5)), ticket_id="near")

    home = find_home(said(BROKEN, after=timedelta(minutes=6)), [earlier(said()), near])

    assert home is not None
    assert home.earlier.ticket_id == "near"


def test_the_same_text_goes_before_a_nearer_follow_up() -> None:
    near = earlier(said(RUDE, after=timedelta(minutes=5)), ticket_id="near")

    home = find_home(said(after=timedelta(minutes=6)), [earlier(said()), near])

    assert home is not None
    assert (home.earlier.ticket_id, home.reason, home.similarity) == ("t-1", AttachReason.RESENT, 1.0)


@pytest.mark.parametrize(
    ("is_open", "hours", "is_home"), [(True, 1000, True), (False, 72, True), (False, 73, False)]
)
def test_the_same_text_joins_an_open_ticket_always_and_a_closed_one_for_72_hours(
    *, is_open: bool, hours: int, is_home: bool
) -> None:
    home = find_home(
        said(kind="review", after=timedelta(hours=hours)), [earlier(said(kind="review"), is_open=is_open)]
    )

    assert (home is not None) is is_home


def test_two_feedbacks_without_words_are_not_the_same_text() -> None:
    assert find_home(said("", kind="review"), [earlier(said("", kind="review"))]) is None


@pytest.mark.parametrize(
    ("nature", "urgency", "is_complex", "tier", "place"),
    [
        ("complaint", "urgent", False, None, 1),
        ("complaint", "complaint", True, None, 2),
        ("suggestion", "normal", True, None, 3),
        ("complaint", "normal", False, None, 5),
        ("suggestion", "normal", False, None, 6),
        ("complaint", "urgent", True, "vip", 0),
        ("inquiry", "normal", False, "VIP", 5),
        ("inquiry", "normal", False, "gold", 6),
    ],
)
def test_the_most_pressing_stands_first(
    *, nature: str, urgency: str, is_complex: bool, tier: str | None, place: int
) -> None:
    labels = Labels(
        nature=Nature(nature),
        type="product",
        subtype="defect",
        urgency=Urgency(urgency),
        sentiment=Sentiment.NEGATIVE,
        complex=is_complex,
    )

    assert priority_of(labels, tier=tier, told=None) == place
    assert priority_of(labels, tier=tier, told=9) == 9
