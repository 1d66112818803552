"""A process that is frozen past its session and woken: others have done its work meanwhile, and it may not do it again."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from huiyin_contracts.event import Envelope
from tests.eventbus.driver import BusDriver, until
from tests.eventbus.member import IMPATIENT, Member, hasty

CASES = 6
EACH = 30
FROZEN_SECONDS = 8
"""Past the session of six."""


@pytest.fixture
def member(bus: BusDriver, tmp_path: Path) -> Iterator[Member]:
    """Give a process that is a member of the bus's group, or a relay of its outbox; not started."""
    member = Member(bus, tmp_path)
    yield member
    member.kill()


async def publish(bus: BusDriver, numbers: range) -> None:
    await bus.publish(*[bus.probe(number, key=f"case-{number % CASES}") for number in numbers])


async def assert_each_took_effect_once_in_order(bus: BusDriver, *, count: int) -> None:
    effects = await bus.until_effects(count)
    by_case = defaultdict(list)
    for row in effects:
        by_case[row.key].append(row.sequence)
    assert sorted(row.number for row in effects) == list(range(count))
    assert all(found == list(range(1, count // CASES + 1)) for found in by_case.values())


async def test_a_consumer_that_wakes_with_a_batch_of_partitions_it_has_lost_takes_none_of_it(
    bus: BusDriver, member: Member
) -> None:
    await publish(bus, range(EACH))
    member.start("consumer", frozen_at="consumer.fetched")
    await member.until_frozen()
    await bus.consumer(kafka=hasty(bus.kafka.bootstrap))
    await publish(bus, range(EACH, 2 * EACH))
    await bus.until_effects(2 * EACH)

    member.wake()
    await publish(bus, range(2 * EACH, 3 * EACH))

    await assert_each_took_effect_once_in_order(bus, count=3 * EACH)
    assert "ownership_lost" in await member.end()


async def test_a_consumer_that_wakes_in_its_transaction_commits_it_once_or_not_at_all(
    bus: BusDriver, member: Member
) -> None:
    await publish(bus, range(EACH))
    member.start("consumer", frozen_at="consumer.after_effects")
    await member.until_frozen()
    await bus.consumer(kafka=hasty(bus.kafka.bootstrap))
    await asyncio.sleep(FROZEN_SECONDS)

    # Its transaction holds the rows of its offsets (SQLite: the whole file), so nobody could overtake it.
    assert await bus.numbers() == []
    member.wake()
    await publish(bus, range(EACH, 2 * EACH))

    await assert_each_took_effect_once_in_order(bus, count=2 * EACH)
    await member.end()


async def test_a_relay_that_wakes_between_acknowledgement_and_deletion_changes_no_effect(
    bus: BusDriver, member: Member
) -> None:
    await bus.append(*[bus.probe(number, key=f"case-{number % CASES}") for number in range(EACH)])
    member.start("relay", frozen_at="relay.after_produce")
    await member.until_frozen()
    await bus.relay(settings=IMPATIENT)
    await bus.append(*[bus.probe(number, key=f"case-{number % CASES}") for number in range(EACH, 2 * EACH)])

    if bus.database.dialect_name == "sqlite":
        # The frozen process holds the lock file: its successor stands by, nothing is published twice or too early.
        await asyncio.sleep(2)
        assert len(await bus.log()) == EACH
    else:
        # PostgreSQL ends the frozen relay's transaction; its successor publishes the same rows again.
        await until(bus.outbox_is_empty, seconds=40)
    member.wake()
    await until(bus.outbox_is_empty, seconds=40)
    await bus.consumer()

    await assert_each_took_effect_once_in_order(bus, count=2 * EACH)
    records = await bus.log()
    times = Counter(Envelope.from_headers(each.headers, each.value or b"").id for each in records)
    repeated = 0 if bus.database.dialect_name == "sqlite" else EACH
    assert sorted(times.values()) == [1] * (2 * EACH - repeated) + [2] * repeated
    await member.end()
