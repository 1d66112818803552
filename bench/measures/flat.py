"""Whether a feedback costs more when ten times as many are stored.

The whole chain's CPU per feedback, with 4,000 and then with 40,000 feedbacks stored in all services (`huiyin up`).
"""

from functools import partial
from typing import Final

from bench.figures import Figure
from bench.installations import SERVICES, Stack
from bench.load import Load
from bench.measures.chain import broker_of, run_chain
from bench.run import Bench, ratio, told, triple
from bench.stores import await_settled

_FEW: Final = 4000
_MANY: Final = 40_000
_BURST: Final = 3000
_BATCH: Final = 100
_HOUR: Final = 3600.0


def measure(bench: Bench) -> list[Figure]:
    """Return the figure for every stack."""
    return [_on(bench, stack) for stack in bench.stacks]


def _on(bench: Bench, stack: Stack) -> Figure:
    with bench.installed(stack) as installed:
        suite = installed.start("up")
        installed.bootstrap = installed.bootstrap or broker_of(installed)
        pids = [suite.pid, *installed.server_pids()]
        processes = {"suite": suite.pid}
        stored = 0
        found = []
        for wanted in (_FEW, _MANY):
            load = Load(
                url=f"{suite.told}/v1/feedback/batch",
                headers=[installed.header],
                preset=f"batch:{_BATCH}",
                connections=2,
                warmup_seconds=0.0,
                seconds=_HOUR,
                limit=max(1, (bench.count(wanted) - stored) // _BATCH),
            )
            stored += bench.load(load)["items"]
            await_settled(installed.stores, SERVICES, bootstrap=installed.bootstrap)
            turn = partial(
                run_chain,
                bench,
                installed,
                preset="feedback",
                url=suite.told,
                processes=processes,
                feedbacks=_BURST,
            )
            samples = bench.take_turns({"suite": turn}, pids=pids)["suite"]
            stored += sum(sample["items"] for sample in samples)
            found.append(samples)
    few, many = found
    return Figure(
        number="flat",
        what=f"CPU per feedback through the chain with about ten times as much stored ({stored} in the end)",
        stack=stack.value,
        value=ratio(many, few, "cpu_us"),
        unit="×",
        bar="flat",
        reference=f"with {_FEW} stored, µs",
        reference_value=triple(few, "cpu_us"),
        details={"few": told(few), "many": told(many)},
    )
