"""Dead letters: found, shown without a customer's words, redriven or discarded, each by one operator only."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from huiyin_chassis.db import Database
from huiyin_eventbus.dead_letters import (
    DeadLetter,
    Filter,
    bury,
    discard_dead_letter,
    list_dead_letters,
    mask,
    redrive_dead_letter,
    redrive_dead_letters,
    show_dead_letter,
)
from huiyin_eventbus.deliveries import Delivery, RawRecord
from huiyin_eventbus.errors import DeadLetterNotFound, DeadLetterNotOpen
from huiyin_eventbus.tables import dead_letter, retry

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def delivery(event_id: str, *, topic: str = "ticket.routed", body: bytes | None = b"{}") -> Delivery:
    record = RawRecord(topic, 3, 17, b"case-1", [("ce_id", event_id.encode()), ("odd", b"\xff")], body)
    return Delivery(record, event_id, "case-1", None, None)


async def buried(database: Database, *deliveries: Delivery, group: str = "desk") -> list[DeadLetter]:
    """Bury deliveries and return all dead letters."""
    async with database.writing() as tx:
        await bury(tx, group, [(each, ValueError("why"), 1) for each in deliveries], now=NOW)
        return await list_dead_letters(tx)


async def test_a_dead_letter_keeps_where_it_was_and_why_it_died(database: Database) -> None:
    (found,) = await buried(database, delivery("a"))

    assert (found.group, found.event_id, found.key) == ("desk", "a", "case-1")
    assert (found.topic, found.partition, found.offset) == ("ticket.routed", 3, 17)
    assert (found.error_class, found.error_text, found.attempts) == ("ValueError", "why", 1)
    assert (found.first_at, found.last_at, found.state) == (NOW, NOW, "open")


async def test_they_are_listed_page_by_page_and_by_what_they_have_in_common(database: Database) -> None:
    await buried(database, *[delivery(f"a-{n}") for n in range(5)])
    await buried(database, delivery("b", topic="sla.breached"), group="analytics")

    async with database.reading() as tx:
        first = await list_dead_letters(tx, limit=4)
        second = await list_dead_letters(tx, after=first[-1].id, limit=4)
        by_group = await list_dead_letters(tx, Filter(group="analytics"))
        by_topic = await list_dead_letters(tx, Filter(topic="ticket.routed", state="open"))
        by_error = await list_dead_letters(tx, Filter(error_class="KeyError"))

    assert [each.event_id for each in first + second] == ["a-0", "a-1", "a-2", "a-3", "a-4", "b"]
    assert [each.event_id for each in by_group] == ["b"]
    assert (len(by_topic), len(by_error)) == (5, 0)


async def test_it_is_shown_without_a_customers_words(database: Database) -> None:
    body = '{"text": "物流太慢", "phone": "13800000000", "id": "case-1"}'.encode()
    (letter,) = await buried(database, delivery("a", body=body))

    async with database.reading() as tx:
        shown = await show_dead_letter(tx, letter.id)

    assert shown.data == {"text": "<4 characters>", "phone": "<11 characters>", "id": "case-1"}
    assert shown.headers == {"ce_id": "a", "odd": "\ufffd"}


async def test_what_is_not_json_is_shown_by_its_size(database: Database) -> None:
    bodies = [b"\xff\x00", b"{", b"", None]
    letters = await buried(database, *[delivery(f"a-{n}", body=body) for n, body in enumerate(bodies)])

    async with database.reading() as tx:
        shown = [(await show_dead_letter(tx, letter.id)).data for letter in letters]

    assert shown == [{"bytes_that_are_not_json": 2}, {"bytes_that_are_not_json": 1}, None, None]


@pytest.mark.parametrize(
    "text", ["王先生", "a b", "me@example.org", "13800000000", "+8613800000000", "x" * 65, "a\nb"]
)
def test_what_could_be_a_customers_is_masked(text: str) -> None:
    assert mask({"list": [text]}) == {"list": [f"<{len(text)} characters>"]}


@pytest.mark.parametrize(
    "value", ["case-1", "2026-11-02T09:00:00Z", "customer-service", "", 3, None, True, 4.5]
)
def test_what_names_things_is_not(value: object) -> None:
    assert mask(value) == value


async def test_a_redrive_queues_the_event_for_its_own_group(database: Database) -> None:
    (letter,) = await buried(database, delivery("a", body=b"\xff"))

    async with database.writing() as tx:
        await redrive_dead_letter(tx, letter.id, actor="ops", now=LATER)
        (queued,) = (await tx.execute(select(retry))).all()
        (kept,) = await list_dead_letters(tx)

    assert (queued.grp, queued.key, queued.event_id, queued.body) == ("desk", "case-1", "a", b"\xff")
    assert (queued.attempt, queued.next_at) == (0, LATER)
    assert (kept.state, kept.actor, kept.last_at) == ("redriven", "ops", LATER)


async def test_a_filter_redrives_what_is_open_and_fits(database: Database) -> None:
    letters = await buried(database, *[delivery(f"a-{n}") for n in range(6)])
    await buried(database, delivery("b", topic="sla.breached"))
    async with database.writing() as tx:
        await discard_dead_letter(tx, letters[0].id, reason="a test", actor="ops", now=LATER)

    async with database.writing() as tx:
        wanted = Filter(topic="ticket.routed")
        first = await redrive_dead_letters(tx, wanted, actor="ops", now=LATER, limit=3)
        rest = await redrive_dead_letters(tx, wanted, actor="ops", now=LATER)
        queued = (await tx.execute(select(retry.c.event_id).order_by(retry.c.seq))).scalars().all()

    assert (first, rest) == (3, 2)
    assert queued == ["a-1", "a-2", "a-3", "a-4", "a-5"]


async def test_a_discarded_one_keeps_who_and_why_and_is_not_redriven(database: Database) -> None:
    (letter,) = await buried(database, delivery("a"))

    async with database.writing() as tx:
        await discard_dead_letter(tx, letter.id, reason="test order", actor="ops", now=LATER)
        (kept,) = await list_dead_letters(tx)

    assert (kept.state, kept.actor, kept.reason) == ("discarded", "ops", "test order")
    async with database.writing() as tx:
        with pytest.raises(DeadLetterNotOpen) as refused:
            await redrive_dead_letter(tx, letter.id, actor="ops", now=LATER)
    assert refused.value.state == "discarded"


async def test_one_that_dies_again_is_open_again_with_all_its_attempts(database: Database) -> None:
    (letter,) = await buried(database, delivery("a"))
    async with database.writing() as tx:
        await tx.execute(update(dead_letter).values(state="redriven", actor="ops"))

    (again,) = await buried(database, delivery("a"))

    assert (again.id, again.state, again.attempts, again.actor) == (letter.id, "open", 2, None)


async def test_an_unknown_one_is_not_found(database: Database) -> None:
    async with database.writing() as tx:
        with pytest.raises(DeadLetterNotFound):
            await show_dead_letter(tx, 7)
        with pytest.raises(DeadLetterNotFound):
            await redrive_dead_letter(tx, 7, actor="ops", now=NOW)
        with pytest.raises(DeadLetterNotFound):
            await discard_dead_letter(tx, 7, reason="", actor="ops", now=NOW)
