"""Accepting feedback in batches of 100 (T5): items per second against the same intake's rate of single posts.

Both go in turns to the same intake without a bus: four connections that post batches, 32 that post one at a time.
"""

from dataclasses import replace
from functools import partial
from typing import Final

from bench.accounting import cpu_seconds
from bench.figures import Figure
from bench.installations import Installation, Stack
from bench.load import Load
from bench.run import Bench, Sample, ratio, told, triple

_SECONDS: Final = 2.0
_ITEMS: Final = 100


def measure(bench: Bench) -> list[Figure]:
    """Return T5 for every stack."""
    return [_on(bench, stack) for stack in bench.stacks]


def _on(bench: Bench, stack: Stack) -> Figure:
    with bench.installed(stack, has_bus=False) as installed:
        server = installed.start_intake_alone()
        single = Load(url=f"{server.told}/v1/feedback", headers=[installed.header], connections=32)
        batch = Load(
            url=f"{server.told}/v1/feedback/batch",
            headers=[installed.header],
            preset=f"batch:{_ITEMS}",
            connections=4,
        )
        turns = {
            name: partial(_post, bench, load, pid=server.pid, installed=installed)
            for name, load in (("single", single), ("batch", batch))
        }
        found = bench.take_turns(turns, pids=[server.pid, *installed.server_pids()])
    batches = found["batch"]
    cost = f"app {triple(batches, 'app_us')}, database {triple(batches, 'database_us')} µs per item"
    return Figure(
        number="T5",
        what=f"items/s in batches of {_ITEMS} ({cost}), against single posts",
        stack=stack.value.split(",")[0],
        value=ratio(batches, found["single"], "items_per_second"),
        rate=triple(batches, "items_per_second"),
        unit="×",
        bar="T5",
        reference="own single posts at c=32, /s",
        reference_value=triple(found["single"], "items_per_second"),
        details={"ours": told(batches), "reference": told(found["single"])},
    )


def _post(bench: Bench, load: Load, *, pid: int, installed: Installation) -> Sample:
    app, database = cpu_seconds([pid]), installed.database_seconds()
    sample = bench.load(replace(load, seconds=bench.seconds(_SECONDS)))
    return {
        **sample,
        "app_us": 1e6 * (cpu_seconds([pid]) - app) / sample["items"],
        "database_us": 1e6 * (installed.database_seconds() - database) / sample["items"],
    }
