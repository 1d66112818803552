"""From a post to its event: nothing that a post may say is lost or refused on the way, and words are told from times."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from huiyin_contracts.feedback import FeedbackReceived
from huiyin_intake.schemas import FeedbackIn
from huiyin_intake.usecases import submission_of
from tests.intake.test_api import post
from tests.support.service import ServiceDriver, pointers

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PUT_THERE_BY_US = {"feedback_id", "received_at", "account"}


def texts(longest: int, *, shortest: int = 1) -> st.SearchStrategy[str]:
    characters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
    return st.text(characters, min_size=shortest, max_size=min(longest, 30)) | st.just("壶" * longest)


AUTHORS = st.fixed_dictionaries(
    {"id": texts(128)},
    optional={"name": texts(200), "phone": texts(40), "email": texts(254), "tier": texts(40)},
)
RATINGS = st.fixed_dictionaries({"value": st.floats(0, 5), "max": st.floats(5, 1000)})
ATTACHMENTS = st.fixed_dictionaries(
    {"url": st.just("https://files.example/1.jpg")},
    optional={"name": texts(200), "media_type": texts(200), "size_bytes": st.integers(0, 2**62)},
)
POSTS = st.fixed_dictionaries(
    {
        "channel": st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,63}\Z"),
        "kind": st.sampled_from(["message", "review", "opinion_book"]),
        "external_id": texts(256),
        "occurred_at": st.datetimes(datetime(2000, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
            datetime.isoformat
        ),
        "text": texts(200).filter(str.strip),
    },
    optional={
        "subject": texts(1000),
        "lang": st.just("zh-CN"),
        "product": texts(200),
        "account": texts(200) | st.none(),
        "author": AUTHORS,
        "rating": RATINGS,
        "nps": st.integers(0, 10),
        "tags": st.lists(texts(100), max_size=3),
        "attachments": st.lists(ATTACHMENTS, max_size=2),
        "extra": st.dictionaries(
            texts(20), st.none() | st.integers() | texts(20) | st.lists(texts(5)), max_size=3
        ),
    },
)


@given(POSTS)
def test_whatever_may_be_posted_becomes_an_event_that_says_the_same(said: dict[str, Any]) -> None:
    taken = FeedbackIn.model_validate(said)

    submission = submission_of(taken, posted_by="key-1", now=NOW)

    assert submission.event.model_dump_json().encode() == submission.content
    assert FeedbackReceived.model_validate_json(submission.content) == FeedbackReceived.model_validate(
        taken.model_dump() | {name: getattr(submission.event, name) for name in PUT_THERE_BY_US}
    )


@pytest.mark.parametrize(
    ("changes", "conflicts"),
    [
        ({"occurred_at": "2026-11-22T09:00:00Z"}, 0),
        ({"text": '外卖",,"text":晚了'}, 1),
        ({"kind": "review"}, 1),
        ({"nps": 3}, 1),
        ({"extra": {"text": ',"text":'}}, 1),
    ],
)
async def test_other_content_under_the_same_key_is_a_conflict_and_another_time_is_none(
    intake: ServiceDriver, changes: dict[str, Any], conflicts: int
) -> None:
    await intake.client.post("/v1/feedback", json=post())

    with capture_logs() as logs:
        again = await intake.client.post("/v1/feedback", json=post(**changes))

    assert again.json()["duplicate"] is True
    assert [line["event"] for line in logs].count("feedback_conflict") == conflicts


async def test_an_author_id_longer_than_events_carry_is_refused(intake: ServiceDriver) -> None:
    longest = await intake.client.post("/v1/feedback", json=post(author={"id": "c" * 128}))
    too_long = await intake.client.post("/v1/feedback", json=post(author={"id": "c" * 129}))

    assert longest.status_code == 202
    assert too_long.status_code == 422
    assert pointers(too_long) == ["#/author/id"]
