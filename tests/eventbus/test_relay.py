"""The relay: what is committed is published, in order, and nothing else."""

from tests.eventbus.driver import BusDriver


async def test_what_is_appended_is_published_and_handled(bus: BusDriver) -> None:
    await bus.publish(*[bus.probe(n, key=f"case-{n % 7}") for n in range(50)])

    await bus.consumer()
    effects = await bus.until_effects(50)

    assert sorted(row.number for row in effects) == list(range(50))
