"""From the 202 to a `ticket.routed` that a consumer of the log can read (T8).

Requests come at even times (open loop) to `huiyin up`: a few per second, then a fifth and a half of what the whole chain
can do, which a burst finds out first. A consumer without a group reads `ticket.routed` beside it and takes the time.
"""

import asyncio
import json
from collections.abc import Iterator
from time import perf_counter
from typing import Any, Final

import uvloop
from aiokafka import AIOKafkaConsumer

from bench.figures import Figure
from bench.installations import Installation, Stack
from bench.load import Generator, Load
from bench.measures.chain import broker_of, run_chain
from bench.run import Bench, Sample, told, triple

_SECONDS: Final = 6.0
_BURST: Final = 3000
_IDLE_PER_SECOND: Final = 10.0
_TOPIC: Final = "ticket.routed"
_STRAGGLERS_SECONDS: Final = 5.0
_SHARES: Final = {"idle": 0.0, "at a fifth of the most": 0.2, "at half of the most": 0.5}


def measure(bench: Bench) -> list[Figure]:
    """Return T8 for every stack."""
    return [figure for stack in bench.stacks for figure in _on(bench, stack)]


def _on(bench: Bench, stack: Stack) -> Iterator[Figure]:
    with bench.installed(stack) as installed:
        suite = installed.start("up")
        installed.bootstrap = installed.bootstrap or broker_of(installed)
        burst = run_chain(
            bench,
            installed,
            preset="feedback",
            url=suite.told,
            processes={"suite": suite.pid},
            feedbacks=_BURST,
        )
        most = burst["per_second"]
        turns = {
            name: _turn(bench, installed, suite.told, per_second=max(_IDLE_PER_SECOND, share * most))
            for name, share in _SHARES.items()
        }
        found = bench.take_turns(turns, pids=[suite.pid, *installed.server_pids()])
    for name, samples in found.items():
        for column, bar in (("p50_ms", "T8 p50"), ("p99_ms", "T8 p99")):
            yield Figure(
                number="T8",
                what=f"202 to a readable ticket.routed, {column[:3]}, {name}",
                stack=stack.value,
                value=triple(samples, column),
                unit=" ms",
                bar=bar if "fifth" in name else None,
                reference=f"offered, /s ({most:.0f} is the most)",
                reference_value=triple(samples, "offered"),
                details=told(samples),
            )


def _turn(bench: Bench, installed: Installation, url: str, *, per_second: float) -> Any:
    load = Load(
        url=f"{url}/v1/feedback",
        headers=[installed.header],
        connections=64,
        seconds=bench.seconds(_SECONDS),
        warmup_seconds=1.0,
        per_second=per_second,
    )

    def turn() -> Sample:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_follow(load, installed.bootstrap))

    return turn


async def _follow(load: Load, bootstrap: str) -> Sample:
    """Post, and return how long each feedback took from its 202 to its `ticket.routed`."""
    accepted: dict[str, float] = {}
    routed: dict[str, float] = {}

    def told_of(_status: int, body: bytes, now: float) -> None:
        if now >= generator.tally.counted_from:
            accepted[json.loads(body)["id"]] = now

    generator = Generator(load, told_of)
    consumer = AIOKafkaConsumer(_TOPIC, bootstrap_servers=bootstrap, fetch_max_wait_ms=500)
    await consumer.start()
    try:
        await consumer.seek_to_end()
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_read(consumer, routed))
            await generator.run()
            await _await_stragglers(accepted, routed)
            reading.cancel()
    finally:
        await consumer.stop()
    delays = sorted(max(0.0, at - accepted[case]) for case, at in routed.items() if case in accepted)
    return {
        "p50_ms": 1000 * delays[len(delays) // 2],
        "p99_ms": 1000 * delays[min(len(delays) - 1, int(0.99 * len(delays)))],
        "routed": len(delays),
        "accepted": len(accepted),
        "offered": load.per_second,
    }


async def _read(consumer: AIOKafkaConsumer, routed: dict[str, float]) -> None:
    while True:
        records = await consumer.getmany(timeout_ms=500)
        now = perf_counter()
        for partition in records.values():
            for record in partition:
                routed.setdefault((record.key or b"").decode(), now)


async def _await_stragglers(accepted: dict[str, float], routed: dict[str, float]) -> None:
    """Wait until all that was accepted is routed, or for as long as what is left could be on its way."""
    ends = perf_counter() + _STRAGGLERS_SECONDS
    while perf_counter() < ends and not accepted.keys() <= routed.keys():  # noqa: ASYNC110 - the log tells nobody
        await asyncio.sleep(0.05)
