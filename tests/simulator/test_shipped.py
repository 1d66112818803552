import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import combinations, pairwise
from zlib import crc32

import pytest

from huiyin_simulator.rows import Row
from huiyin_simulator.shipped import as_post, kind_of, shipped_feedback

TYPES = {
    "defect": "product",
    "performance": "product",
    "demand": "product",
    "attitude": "service",
    "process": "service",
    "after_sales": "service",
    "interface": "experience",
    "usability": "experience",
    "price": "experience",
    "delivery": "logistics",
    "overall": "general",
}
POST_FIELDS = {
    *(
        "channel",
        "kind",
        "external_id",
        "occurred_at",
        "text",
        "subject",
        "lang",
        "product",
        "item",
        "order_id",
    ),
    *("store", "customer_source", "account", "author", "rating", "nps", "tags", "attachments", "extra"),
}
PRIVATE = re.compile(
    r"(?<!\d)1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)"  # Chinese mobile numbers
    r"|(?<!\d)\d{17}[\dXx](?!\d)"  # Chinese identity numbers
    r"|(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)"  # US social security numbers
    r"|(?<!\d)(?:\d[ -]?){13,19}(?!\d)"  # bank cards
    r"|[\w.+-]+@[\w-]+\.\w{2,}"  # e-mail addresses
    r"|https?://"
)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return shipped_feedback(1)


@pytest.fixture(scope="module")
def scenarios(rows: list[Row]) -> list[Row]:
    return [row for row in rows if (row.source or "").startswith("scenarios/")]


@pytest.fixture(scope="module")
def first_rows(scenarios: list[Row]) -> list[Row]:
    return [row for row in scenarios if not (row.resend_of or row.follow_up_of or row.redelivery)]


def origin_of(row: Row) -> str:
    return (row.source or "").split("/")[0]


def letters_of(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).lower()
    return "".join(character for character in folded if character.isalnum()) or text


def test_every_origin_is_shipped_in_its_announced_size(rows: list[Row]) -> None:
    sizes = Counter(map(origin_of, rows))

    assert sizes == {"scenarios": 624, "asap": 225, "cfpb": 200, "banking77": 250}


def test_the_shipped_files_stay_small() -> None:
    folder = files("huiyin_simulator") / "feedback"

    assert sum(len(file.read_bytes()) for file in folder.iterdir()) < 600_000


def test_licences_of_the_shipped_texts_stand_beside_them() -> None:
    notice = (files("huiyin_simulator") / "feedback" / "NOTICE").read_text(encoding="utf-8")

    assert all(name in notice for name in ("asap.jsonl.gz", "banking77.jsonl.gz", "cfpb.jsonl.gz", "PolyAI"))


def test_scenarios_are_many_in_both_languages(first_rows: list[Row]) -> None:
    by_language = Counter(row.lang for row in first_rows)

    assert by_language["zh"] >= 350
    assert by_language["en"] >= 120


def test_labels_are_values_of_the_guideline(first_rows: list[Row]) -> None:
    for row in first_rows:
        assert row.labels is not None, row.external_id
        assert TYPES[row.labels.subtype] == row.labels.type
        assert row.labels.nature in {"complaint", "suggestion", "praise", "inquiry", "other"}
        assert row.labels.urgency in {"normal", "urgent", "complaint"}
        assert row.labels.sentiment in {"negative", "neutral", "positive"}


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("subtype", sorted(TYPES))
def test_every_subtype_has_complaint_praise_and_suggestion_in_each_language(
    first_rows: list[Row], subtype: str, lang: str
) -> None:
    labels = [row.labels for row in first_rows if row.lang == lang and row.labels is not None]

    natures = {label.nature for label in labels if label.subtype == subtype}

    assert natures >= {"complaint", "praise", "suggestion"}


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("urgency", ["normal", "urgent", "complaint"])
def test_every_urgency_occurs_for_the_subtypes_that_know_it(
    first_rows: list[Row], urgency: str, lang: str
) -> None:
    labels = [row.labels for row in first_rows if row.lang == lang and row.labels is not None]

    subtypes = {label.subtype for label in labels if label.urgency == urgency}

    assert subtypes >= {"defect", "process", "after_sales", "delivery"}


def test_only_complaints_are_urgent_or_disputes(first_rows: list[Row]) -> None:
    labels = [row.labels for row in first_rows if row.labels is not None]

    assert {label.nature for label in labels if label.urgency != "normal"} == {"complaint"}


def test_no_text_is_shipped_twice_except_where_planted(rows: list[Row]) -> None:
    texts = Counter(
        letters_of(row.text) for row in rows if row.text and not (row.resend_of or row.redelivery)
    )

    assert [text for text, count in texts.items() if count > 1] == []


def test_no_two_authors_tell_nearly_the_same_story(rows: list[Row]) -> None:
    # Texts alike share one of the five shingles that sort first by a checksum; only those are compared.
    sharing: defaultdict[str, list[tuple[str, set[str]]]] = defaultdict(list)
    for row in rows:
        if len(row.text) > 20 and not (row.resend_of or row.redelivery):
            shingles = shingles_of(row.text)
            for shingle in sorted(shingles, key=lambda shingle: crc32(shingle.encode()))[:5]:
                sharing[shingle].append((row.external_id, shingles))

    alike = {
        (one, other)
        for stories in sharing.values()
        for (one, left), (other, right) in combinations(stories, 2)
        if len(left & right) > 0.5 * len(left | right)
    }

    assert alike == set()


def shingles_of(text: str) -> set[str]:
    letters = letters_of(text)
    return {letters[start : start + 4] for start in range(max(1, len(letters) - 3))}


def test_an_empty_text_comes_with_a_rating(rows: list[Row]) -> None:
    empty = [row for row in rows if not row.text]

    assert empty
    assert all(row.rating is not None for row in empty)


def test_no_text_holds_private_numbers_or_addresses(rows: list[Row]) -> None:
    found = [(row.external_id, match[0]) for row in rows if (match := PRIVATE.search(row.text))]

    assert found == []


@pytest.mark.parametrize(
    "text",
    ["打 13800001234 找我", "身份证11010519491231002X", "ssn 123-45-6789", "x.y@example.com", "https://a.b"],
)
def test_the_search_for_private_patterns_can_find_them(text: str) -> None:
    assert PRIVATE.search(text)


def test_redelivered_rows_repeat_an_earlier_one_in_every_field(rows: list[Row]) -> None:
    seen: dict[str, Row] = {}
    repeated = 0
    for row in rows:
        if row.redelivery:
            assert replace(row, redelivery=False) == seen[row.external_id]
            repeated += 1
        else:
            assert row.external_id not in seen
            seen[row.external_id] = row

    assert repeated >= 12


def test_resent_rows_are_near_copies_by_the_same_author(rows: list[Row]) -> None:
    by_id = {row.external_id: row for row in rows if not row.redelivery}
    resent = [row for row in rows if row.resend_of]

    for row in resent:
        first = by_id[row.resend_of or ""]
        assert (row.author, row.channel) == (first.author, first.channel)
        assert row.text != first.text
        assert overlap(row.text, first.text) > 0.6
        assert timedelta(0) < row.received_at - first.received_at < timedelta(hours=72)
    assert len(resent) >= 12


def overlap(one: str, other: str) -> float:
    pairs, others = ({*pairwise(letters_of(text))} for text in (one, other))
    return len(pairs & others) / len(pairs | others)


def test_follow_ups_continue_a_message_or_comment_within_ten_minutes(rows: list[Row]) -> None:
    by_id = {row.external_id: row for row in rows if not row.redelivery}
    follow_ups = [row for row in rows if row.follow_up_of]

    for row in follow_ups:
        first = by_id[row.follow_up_of or ""]
        assert kind_of(row.channel) in {"message", "comment"}
        assert (row.author, row.channel) == (first.author, first.channel)
        assert timedelta(0) < row.received_at - first.received_at <= timedelta(minutes=10)
    assert len(follow_ups) >= 12


@pytest.mark.parametrize("seed", range(5))
def test_no_unplanned_messages_of_one_author_fall_together(seed: int) -> None:
    last: dict[tuple[str, str], Row] = {}
    for row in shipped_feedback(seed):
        if kind_of(row.channel) not in {"message", "comment"} or row.follow_up_of or row.redelivery:
            continue
        before = last.get((row.author, row.channel))
        assert before is None or row.resend_of == before.external_id
        last[(row.author, row.channel)] = row


def test_the_same_seed_gives_the_same_rows() -> None:
    assert shipped_feedback(7) == shipped_feedback(7)


def test_another_seed_gives_the_same_rows_in_another_order(rows: list[Row]) -> None:
    other = shipped_feedback(2)

    assert [row.external_id for row in other] != [row.external_id for row in rows]
    assert Counter(row.external_id for row in other) == Counter(row.external_id for row in rows)


@pytest.mark.parametrize("limit", [0, 1, 60, 5000])
def test_a_limit_keeps_at_most_so_many_rows(limit: int) -> None:
    assert len(shipped_feedback(3, limit)) == min(limit, 1299)


def test_a_limited_set_is_drawn_from_all_origins() -> None:
    limited = shipped_feedback(3, 60)

    assert set(map(origin_of, limited)) == {"scenarios", "asap", "cfpb", "banking77"}


def test_rows_arrive_in_order_within_the_week_before_the_end() -> None:
    ends_at = datetime(2027, 3, 5, 9, 30, tzinfo=UTC)

    firsts = [row for row in shipped_feedback(4, ends_at=ends_at) if not row.redelivery]

    times = [row.received_at for row in firsts]
    assert times == sorted(times)
    assert ends_at - timedelta(days=8) <= times[0] <= times[-1] <= ends_at


def test_posts_hold_only_fields_of_the_interface(rows: list[Row]) -> None:
    fields: set[str] = set().union(*map(as_post, rows))

    assert fields <= POST_FIELDS
    assert fields >= {"channel", "kind", "external_id", "occurred_at", "text", "author", "rating", "store"}


def test_posts_leave_out_what_is_absent(rows: list[Row]) -> None:
    assert all(value is not None for row in rows for value in as_post(row).values())


def test_origins_come_through_many_channels(rows: list[Row]) -> None:
    channels = {row.channel for row in rows}

    assert channels == {
        *("hotline", "wechat", "app_form", "ecommerce_review", "survey"),
        *("store_book", "website_form", "weibo", "twitter", "chat"),
    }
