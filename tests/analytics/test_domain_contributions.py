"""What a case adds to the rollup."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from huiyin_analytics.domain.cells import Cell, Contribution, Tally
from huiyin_analytics.domain.contributions import contribution_of, increments_apart
from huiyin_analytics.domain.facts import tellings
from huiyin_analytics.domain.ledger import Ledger, news
from huiyin_contracts.feedback import Rating
from huiyin_contracts.registry import parse_event
from huiyin_contracts.vocabulary import ClockState, Outcome, Step, Target
from tests.analytics.stories import LABELS, NOON, ZONE, Story, handled, labels, many_stories, published
from tests.analytics.test_domain_ledger import ledgers_of

BERLIN = ZoneInfo("Europe/Berlin")


def counted(*stories: Story, zone: str = ZONE) -> Contribution:
    """Return what the first story's case adds."""
    log = published(stories)
    return contribution_of(ledgers_of(log)[stories[0].case_id], ZoneInfo(zone))


def n_of(contribution: Contribution, measure: str, **dimensions: object) -> int:
    """Return how many of a measure there are, narrowed by dimensions."""
    return sum(tally.n for tally in _found(contribution, measure, dimensions))


def total_of(contribution: Contribution, measure: str, **dimensions: object) -> int:
    return sum(tally.total for tally in _found(contribution, measure, dimensions))


def _found(contribution: Contribution, measure: str, dimensions: dict[str, object]) -> list[Tally]:
    return [
        tally
        for cell, tally in contribution.items()
        if cell.measure == measure and all(getattr(cell, name) == value for name, value in dimensions.items())
    ]


def test_a_handled_ticket_counts_once_in_every_measure_of_its_way() -> None:
    case = counted(handled())

    measures = {cell.measure: tally.n for cell, tally in case.items()}
    assert measures == dict.fromkeys(
        [
            "received", "outcome", "classification_time", "routed", "closed", "answered", "response_time",
            "resolved", "resolution_time", "reviewed", "archived", "met",
        ],
        1,
    )  # fmt: skip


def test_volumes_fall_on_the_local_date_of_occurrence_and_work_on_its_own() -> None:
    late_evening = datetime(2026, 11, 20, 15, 59, 50, tzinfo=UTC)  # 23:59:50 in Shanghai

    case = counted(handled(occurred_at=late_evening))

    assert n_of(case, "received", day="2026-11-20") == 1
    assert n_of(case, "outcome", day="2026-11-20") == 1
    assert n_of(case, "routed", day="2026-11-20") == 1
    assert n_of(case, "answered", day="2026-11-21") == 1


def test_days_are_those_of_the_zone_also_where_summer_time_ends() -> None:
    night = datetime(2026, 10, 25, 22, 30, tzinfo=UTC)  # 23:30 in Berlin, whose clocks went back that morning

    case = counted(Story("f-1", occurred_at=night).received(), zone="Europe/Berlin")

    assert n_of(case, "received", day="2026-10-25") == 1
    summer = night - timedelta(days=1)  # 00:30 of the 25th
    case = counted(Story("f-1", occurred_at=summer).received(), zone="Europe/Berlin")
    assert n_of(case, "received", day="2026-10-25") == 1


@pytest.mark.parametrize(("year", "zone"), [(1, "America/New_York"), (9999, "Asia/Shanghai")])
def test_the_ends_of_the_calendar_are_days_too(year: int, zone: str) -> None:
    edge = datetime(1, 1, 1, tzinfo=UTC) if year == 1 else datetime(9999, 12, 31, 23, tzinfo=UTC)
    story = Story("f-1").received(occurred_at=edge, received_at=NOON)

    assert n_of(counted(story, zone=zone), "received", day=f"{edge:%Y-%m-%d}".zfill(10)) == 1


def test_a_correction_moves_what_was_counted_to_the_new_labels() -> None:
    story = Story("f-1").received().classified(Outcome.TRIAGE)
    story.classified(Outcome.NOT_FEEDBACK, labels=labels(type="service", urgency="urgent"))

    case = counted(story)

    assert n_of(case, "outcome") == n_of(case, "outcome", variant="not_feedback", type="service") == 1
    assert n_of(case, "received", urgency="urgent") == 1


def test_triage_does_not_end_the_time_of_classification() -> None:
    story = Story("f-1").received().classified(Outcome.TRIAGE, after=2).classified(Outcome.THANKED, after=61)

    assert total_of(counted(story), "classification_time") == 60_000


def test_a_rerouted_ticket_counts_once_where_it_stands_and_each_rerouting_where_it_went() -> None:
    story = Story("f-1").received().classified().routed("product").routed("logistics", after=60)

    case = counted(story)

    assert n_of(case, "routed") == n_of(case, "routed", department="logistics") == 1
    assert n_of(case, "rerouted", department="logistics") == 1


def test_work_counts_at_the_department_that_did_it() -> None:
    story = Story("f-1").received().classified().routed("product").step(Step.ANSWERED, after=30)
    story.routed("logistics", after=60)

    assert n_of(counted(story), "answered", department="product") == 1


def test_each_cycle_has_a_duration_of_its_own() -> None:
    """A reopened case shows the ten minutes of its second cycle, not the five days since it began."""
    five_days = 5 * 86_400
    story = Story("f-1").received().classified().routed(after=0).step(Step.RESOLVED, after=100)
    story.step(Step.REVIEWED, after=five_days, satisfied=False).step(Step.REOPENED, after=five_days)
    story.step(Step.RESOLVED, after=five_days + 600)

    case = counted(story)

    assert n_of(case, "resolution_time") == 2
    assert total_of(case, "resolution_time", day="2026-11-25") == 600_000


def test_a_resolution_counts_as_an_answer_in_the_response_time_alone() -> None:
    case = counted(Story("f-1").received().classified().routed(after=0).step(Step.RESOLVED, after=50))

    assert total_of(case, "response_time") == 50_000
    assert n_of(case, "answered") == 0


def test_a_reopened_ticket_is_not_closed() -> None:
    story = handled()
    assert n_of(counted(story), "closed") == 1

    story.step(Step.REOPENED, after=20_000)

    assert n_of(counted(story), "closed") == 0
    assert n_of(counted(story), "archived") == 1


def test_a_merged_ticket_is_merged_and_not_closed() -> None:
    case = counted(Story("f-1").received().classified().routed().step(Step.MERGED, after=60))

    assert (n_of(case, "merged"), n_of(case, "closed")) == (1, 0)


def test_reviews_tell_satisfied_from_unsatisfied() -> None:
    story = Story("f-1").routed().step(Step.RESOLVED, after=10).reviewed(satisfied=False, after=20)
    story.step(Step.RESOLVED, after=30).reviewed(satisfied=True, after=40)

    case = counted(story)

    assert n_of(case, "reviewed", variant="unsatisfied") == 1
    assert n_of(case, "reviewed", variant="satisfied") == 1
    assert n_of(case, "reopened") == 1


def test_a_breach_counts_on_its_deadline_unless_it_was_taken_back() -> None:
    day = 86_400
    story = Story("f-1").received().routed().breached(Target.RESPONSE, due=day)
    assert n_of(counted(story), "breached", variant="response", day="2026-11-21", department="product") == 1

    story.retracted(Target.RESPONSE, due=day, met=day - 5)

    assert n_of(counted(story), "breached") == 0


def test_a_breach_told_again_for_a_moved_deadline_counts_there() -> None:
    story = Story("f-1").routed().breached(Target.RESOLUTION, due=60)
    story.retracted(Target.RESOLUTION, due=60, met=50).breached(Target.RESOLUTION, due=90_000)

    case = counted(story)

    assert n_of(case, "breached") == n_of(case, "breached", day="2026-11-21") == 1


def test_breaches_of_different_cycles_and_targets_each_count() -> None:
    story = Story("f-1").routed().breached(Target.RESPONSE, due=60).breached(Target.RESOLUTION, due=60)
    story.step(Step.REOPENED, after=70).breached(Target.RESPONSE, due=80)

    case = counted(story)

    assert n_of(case, "breached", variant="response") == 2
    assert n_of(case, "breached", variant="resolution") == 1


def test_a_clock_counts_as_met_by_the_last_that_was_told_of_it() -> None:
    story = Story("f-1").routed()
    story.scheduled(Target.RESPONSE, ClockState.MET, due=100, met=50)
    assert n_of(counted(story), "met", variant="response") == 1

    story.scheduled(Target.RESPONSE, ClockState.BREACHED, due=40, met=50)

    assert n_of(counted(story), "met") == 0


def test_the_clock_of_classification_belongs_to_no_department() -> None:
    story = Story("f-1").received().routed().breached(Target.CLASSIFICATION, due=3600)

    assert n_of(counted(story), "breached", department="") == 1


@pytest.mark.parametrize(("value", "maximum", "percent"), [(4, 5, 80), (7, 10, 70), (3, 5, 60), (0, 5, 0)])
def test_ratings_count_in_percents_of_their_scale(value: float, maximum: float, percent: int) -> None:
    case = counted(Story("f-1").received(rating=Rating(value=value, max=maximum)))

    assert n_of(case, "rating", bucket=percent) == 1
    assert total_of(case, "rating") == percent


def test_an_attached_feedback_counts_by_itself_and_not_as_a_ticket() -> None:
    case = counted(Story("f-2").received().attached("f-1"))

    assert n_of(case, "outcome", variant="attached", department="product") == 1
    assert n_of(case, "attached", variant="follow_up", day="2026-11-20") == 1
    assert n_of(case, "routed") == 0


def test_steps_heard_before_the_routing_wait_for_it_with_their_durations() -> None:
    story = Story("f-1").step(Step.RESOLVED, after=100)
    assert n_of(counted(story), "resolution_time") == 0

    story.routed(after=0)

    assert total_of(counted(story), "resolution_time") == 100_000


def test_what_is_not_known_yet_counts_as_unknown() -> None:
    case = counted(Story("f-1").received())

    assert list(case) == [Cell("received", "2026-11-20", "", 0, "wechat", "", "", "", "", "", "")]


def test_the_labels_of_the_routing_hold_until_the_classification_is_heard() -> None:
    case = counted(Story("f-1").routed())

    assert n_of(case, "routed", type=LABELS.type, channel="wechat") == 1


@pytest.mark.parametrize("seed", range(5))
def test_what_is_added_and_taken_away_turns_one_contribution_into_the_next(seed: int) -> None:
    """Also in any order: what moves a case to another place, or takes back a breach, may come first or last."""
    told = [
        telling
        for envelope in published(many_stories(20, seed=seed))
        for telling in tellings(parse_event(envelope), event_id=envelope.id, sequence=envelope.sequence)
    ]
    # Fact by fact, not event by event: each kind of fact then also comes after each other.
    random.Random(seed).shuffle(told)
    ledgers: dict[str, Ledger] = {}
    for case_id, fact in told:
        before = ledgers.get(case_id, {})
        entered = news(before, [fact])
        ledgers[case_id] = {**before, **entered}

        sums = {cell: list(tally) for cell, tally in contribution_of(before, BERLIN).items()}
        for sign, increments in zip((-1, 1), increments_apart(before, entered, BERLIN), strict=True):
            for cell, total in increments:
                entry = sums.setdefault(cell, [0, 0])
                entry[0] += sign
                entry[1] += sign * total

        left = {cell: tuple(entry) for cell, entry in sums.items() if any(entry)}
        assert left == contribution_of(ledgers[case_id], BERLIN)
