"""What fails is put aside by its kind: poison is buried, the transient waits with its key, floods stop the consumer."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus.consumer import Consumer, ConsumerState
from huiyin_eventbus.dead_letters import Filter, redrive_dead_letter, redrive_dead_letters
from huiyin_eventbus.errors import DeadLetterNotOpen, TransientFailure
from huiyin_eventbus.flood import FloodLimits
from huiyin_eventbus.outbox import Outgoing
from huiyin_eventbus.parking import Backoff
from huiyin_eventbus.subscriptions import Received
from tests.eventbus.driver import BusDriver, Probe, effect, quick_settings, store_effects, until

PATIENT = Backoff(base=timedelta(hours=1), cap=timedelta(hours=1))


class Refused(Exception):
    """A rule was broken; the text is a customer's and belongs in no log."""


async def obey(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
    """Store every effect, then fail as one of the events wishes."""
    await store_effects(tx, received)
    for each in received:
        if each.event.wish == "poison":
            raise Refused("a customer's words")
        if each.event.wish == "later":
            raise TransientFailure("the third party does not answer")
        if each.event.wish == "constraint":
            await tx.execute(insert(effect).values(id=1, event_id="", key="", number=0, sequence=0))
            await tx.execute(insert(effect).values(id=1, event_id="", key="", number=0, sequence=0))


class Opinions:
    """A handler whose third party comes back to life, or whose bug is mended."""

    def __init__(self) -> None:
        self.mended = False

    async def __call__(self, tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
        if self.mended:
            await store_effects(tx, received)
        else:
            await obey(tx, received)


async def is_flooded(consumer: Consumer) -> bool:
    return consumer.state is ConsumerState.FLOODED


async def test_a_poisonous_event_is_buried_and_all_others_of_its_batch_take_effect(
    every_bus: BusDriver,
) -> None:
    wishes = {17: "poison", 18: "poison", 90: "constraint"}

    await every_bus.publish(
        *[every_bus.probe(n, key=f"case-{n % 9}", wish=wishes.get(n, "")) for n in range(100)]
    )
    await every_bus.consumer(obey)
    effects = await every_bus.until_effects(97)

    assert sorted(row.number for row in effects) == sorted(set(range(100)) - wishes.keys())
    dead = await every_bus.dead()
    assert {row.error_class for row in dead} == {"Refused", "IntegrityError"}
    assert [(row.state, row.attempts) for row in dead] == [("open", 1)] * 3
    assert all("INSERT" not in row.error_text for row in dead)


async def test_a_poisonous_event_alone_does_not_hold_up_its_key(bus: BusDriver) -> None:
    await bus.publish(bus.probe(1, wish="poison"))
    await bus.consumer(obey)
    await bus.publish(bus.probe(2))
    await bus.until_effects(1)

    assert await bus.numbers() == [2]
    assert [row.key for row in await bus.dead()] == ["case"]


async def test_unreadable_records_are_buried_as_they_came(bus: BusDriver) -> None:
    good = {
        "ce_specversion": "1.0",
        "ce_id": "stranger",
        "ce_source": "/services/tests",
        "ce_type": bus.topic,
        "ce_time": "2026-11-02T09:00:00Z",
        "ce_dataschema": f"https://x/{bus.topic}/1.7",
        "ce_sequence": "1",
    }
    await bus.publish(bus.probe(0))

    await bus.send(
        (b"\xff\xfe\x00", {}),
        (None, {**good, "ce_id": "a\x00b"}),
        (b"not JSON", good),
        (b'{"case_id": "case", "number": 1}', {**good, "ce_id": "next", "ce_dataschema": "https://x/y/2.0"}),
        (b'{"case_id": "case", "number": 1, "unknown": 1}', {**good, "ce_id": "fine"}),
    )
    await bus.consumer()
    await bus.until_effects(2)

    dead = await bus.dead()
    assert await bus.numbers() == [0, 1]
    assert [row.body for row in dead] == [
        b"\xff\xfe\x00",
        None,
        b"not JSON",
        b'{"case_id": "case", "number": 1}',
    ]
    assert [row.error_class for row in dead] == ["MalformedEvent"] * 3 + ["UnknownMajorVersion"]
    assert [(row.topic, row.off) for row in dead] == [(bus.topic, offset) for offset in range(1, 5)]


async def test_a_transient_failure_parks_its_key_while_others_flow(bus: BusDriver) -> None:
    await bus.publish(
        bus.probe(1, key="stuck"),
        bus.probe(2, key="stuck", wish="later"),
        bus.probe(3, key="stuck"),
        bus.probe(4, key="free"),
    )
    await bus.consumer(obey, settings=quick_settings(backoff=PATIENT))
    await bus.until_effects(2)
    await bus.publish(bus.probe(5, key="stuck"), bus.probe(6, key="free"))
    await bus.until_effects(3)

    async def is_parked() -> bool:
        return len(await bus.parked()) == 3

    await until(is_parked)
    assert sorted(await bus.numbers()) == [1, 4, 6]
    assert [row.attempt for row in await bus.parked()] == [1, 0, 0]
    assert await bus.dead() == []


async def test_a_parked_key_goes_on_in_order_when_the_third_party_is_back(every_bus: BusDriver) -> None:
    opinions = Opinions()
    await every_bus.publish(*[every_bus.probe(n, wish="later" if n == 1 else "") for n in range(1, 6)])
    await every_bus.consumer(opinions)

    async def is_parked() -> bool:
        return len(await every_bus.parked()) == 5

    await until(is_parked)
    opinions.mended = True
    await every_bus.until_effects(5)

    assert await every_bus.numbers() == [1, 2, 3, 4, 5]
    assert await every_bus.parked() == []
    assert await every_bus.dead() == []


async def test_what_stays_transient_is_buried_after_the_last_attempt_and_its_key_goes_on(
    bus: BusDriver,
) -> None:
    await bus.publish(bus.probe(1, wish="later"), bus.probe(2))
    await bus.consumer(obey)
    await bus.until_effects(1)

    (dead,) = await bus.dead()
    assert await bus.numbers() == [2]
    assert (dead.error_class, dead.attempts) == ("TransientFailure", 4)
    assert await bus.parked() == []


async def test_a_redriven_event_takes_effect_once_and_in_its_own_group_only(bus: BusDriver) -> None:
    opinions = Opinions()
    await bus.publish(bus.probe(1, wish="poison"), bus.probe(2))
    await bus.consumer(opinions)
    await bus.until_effects(1)
    (dead,) = await bus.dead()
    opinions.mended = True

    async with bus.database.writing() as tx:
        await redrive_dead_letter(tx, dead.id, actor="ops", now=datetime.now(UTC))
    await bus.until_effects(2)

    assert await bus.numbers() == [2, 1]
    (redriven,) = await bus.dead()
    assert (redriven.state, redriven.actor) == ("redriven", "ops")
    assert len(await bus.log()) == 2
    async with bus.database.writing() as tx:
        with pytest.raises(DeadLetterNotOpen):
            await redrive_dead_letter(tx, dead.id, actor="ops", now=datetime.now(UTC))


async def test_an_event_that_dies_again_is_open_again(bus: BusDriver) -> None:
    await bus.publish(bus.probe(1, wish="poison"))
    await bus.consumer(obey)

    async def is_dead() -> bool:
        return bool([row for row in await bus.dead() if row.state == "open"])

    await until(is_dead)
    async with bus.database.writing() as tx:
        redriven = await redrive_dead_letters(tx, Filter(group=bus.group), actor="ops", now=datetime.now(UTC))
    await until(is_dead)

    (dead,) = await bus.dead()
    assert redriven == 1
    assert dead.attempts == 2
    assert dead.actor is None


async def test_a_flood_of_poison_stops_the_consumer_until_it_is_resumed(bus: BusDriver) -> None:
    limits = FloodLimits(run=3)
    opinions = Opinions()
    await bus.publish(*[bus.probe(n, wish="poison") for n in range(5)])
    consumer = await bus.consumer(opinions, settings=quick_settings(flood=limits))
    await until(lambda: is_flooded(consumer))
    await bus.publish(bus.probe(5))

    assert not consumer.healthy
    assert len(await bus.dead()) == 5
    assert await bus.effects() == []
    opinions.mended = True
    consumer.resume()
    async with bus.database.writing() as tx:
        await redrive_dead_letters(tx, Filter(group=bus.group), actor="ops", now=datetime.now(UTC))
    effects = await bus.until_effects(6)
    assert sorted(row.number for row in effects) == list(range(6))


async def test_the_log_tells_what_was_put_aside_without_a_word_of_it(bus: BusDriver) -> None:
    with structlog.testing.capture_logs() as lines:
        await bus.publish(Outgoing(bus.probe(1, wish="poison"), event_id="bad"))
        await bus.consumer(obey)

        async def is_dead() -> bool:
            return bool(await bus.dead())

        await until(is_dead)
        await bus.close()

    (line,) = [each for each in lines if each["event"] == "event_put_aside"]
    assert (line["event_id"], line["error"], line["fate"]) == ("bad", "Refused", "poison")
    assert "customer's words" not in str(lines)


async def test_a_repeated_constraint_error_is_looked_at_twice_before_it_is_poison(bus: BusDriver) -> None:
    calls: list[int] = []

    async def races(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
        calls.append(len(received))
        if len(calls) == 1:
            await tx.execute(text("INSERT INTO effect (id) VALUES (1)"))
        await store_effects(tx, received)

    await bus.publish(bus.probe(1))
    await bus.consumer(races)
    await bus.until_effects(1)

    assert calls == [1, 1]
    assert await bus.dead() == []
