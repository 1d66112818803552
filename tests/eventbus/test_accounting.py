"""What a consumer notices of a batch: events that are missing or came too late, and none that only came twice."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from huiyin_contracts.event import Envelope
from huiyin_contracts.people import UnitChanged
from huiyin_eventbus.accounting import account
from huiyin_eventbus.deliveries import Delivery
from huiyin_eventbus.deliveries import RawRecord as Record
from huiyin_eventbus.sequences import SequenceWatch
from huiyin_eventbus.subscriptions import Received
from huiyin_eventbus.taking import Polled, Taken

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def delivery(sequence: int, *, offset: int) -> Delivery:
    """Return a delivery of the event with a number; the same event at another offset is another delivery."""
    event = UnitChanged(unit_id="u", slug="u", kind="team", names={}, revision=sequence, changed_at=NOON)
    envelope = Envelope(
        id=f"event-{sequence}",
        source="/services/directory",
        type="unit.changed",
        time=NOON,
        dataschema="https://huiyin.dev/schemas/unit.changed/1.0",
        sequence=sequence,
    )
    record = Record("unit.changed", 0, offset, b"u", [], b"")
    received = Received(event, envelope, "unit.changed", 0, offset, "u")
    return Delivery(record, envelope.id, "u", received, None)


def irregular(
    watch: SequenceWatch, deliveries: Sequence[Delivery], *, known: Sequence[int] = ()
) -> list[int]:
    """Account for a batch of which the inbox knows some, and return the numbers that were found irregular."""
    first: dict[str, Delivery] = {}
    for each in deliveries:
        first.setdefault(each.event_id, each)
    fresh = [each for each in first.values() if each.event_id not in {f"event-{number}" for number in known}]
    with capture_logs() as logs:
        account("readers", Taken(fresh, []), polled=Polled(deliveries, {}), sequences=watch)
    return [entry["sequence"] for entry in logs if entry["event"] == "sequence_irregular"]


def test_events_in_order_are_regular() -> None:
    batch = [delivery(number, offset=number) for number in (1, 2, 3)]

    assert irregular(SequenceWatch(), batch) == []


def test_a_missing_event_is_noticed() -> None:
    assert irregular(SequenceWatch(), [delivery(1, offset=1), delivery(3, offset=2)]) == [3]


def test_a_new_event_after_a_later_one_is_noticed() -> None:
    assert irregular(SequenceWatch(), [delivery(2, offset=1), delivery(1, offset=2)]) == [1]


@pytest.mark.parametrize("batches", [[(1, 2, 1, 2, 3)], [(1, 2), (1, 2, 3)], [(1,), (1, 1, 2)]])
def test_what_a_relay_publishes_again_is_regular_in_one_batch_and_in_the_next(
    batches: list[tuple[int, ...]],
) -> None:
    watch, known = SequenceWatch(), list[int]()

    for batch in batches:
        deliveries = [delivery(number, offset=place) for place, number in enumerate(batch)]
        assert irregular(watch, deliveries, known=known) == []
        known += batch


def test_old_events_that_come_again_after_a_start_are_regular_and_hide_nothing() -> None:
    watch = SequenceWatch()
    known = (1, 2, 3, 4, 5)

    assert irregular(watch, [delivery(n, offset=n) for n in (1, 4, 2)], known=known) == []
    assert irregular(watch, [delivery(n, offset=n) for n in (6, 3, 7)], known=known) == []
    assert irregular(watch, [delivery(9, offset=9)], known=known) == [9]
