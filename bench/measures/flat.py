"""Whether a feedback costs more when ten times as many are stored.

Two installations are given the same feedbacks through the chain; then the stored rows of one are copied until there are ten
times as many in every service. Bursts go to both in turns, and the figure is the ratio of the whole chain's CPU per
feedback (`huiyin up`).
"""

import asyncio
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from bench.figures import Figure
from bench.growth import grow
from bench.installations import SERVICES, Installation, Stack
from bench.measures.chain import broker_of, run_chain
from bench.run import Bench, ratio, told, triple
from bench.stores import await_settled

_FEW: Final = 4000
_TIMES: Final = 10
_BURST: Final = 1500
_WARM_UP: Final = 300


def measure(bench: Bench) -> list[Figure]:
    """Return the figure for every stack."""
    return [_on(bench, stack) for stack in bench.stacks]


def _on(bench: Bench, stack: Stack) -> Figure:
    with ExitStack() as held:
        turns, pids, stored = {}, [], {}
        for name, times in (("few", 1), ("many", _TIMES)):
            installed = held.enter_context(bench.installed(stack))
            stored[name] = _store(bench, installed, times=times)
            turns[name], started = _burst(bench, installed)
            pids += started
        found = bench.take_turns(turns, pids=pids)
    few, many = found["few"], found["many"]
    return Figure(
        number="flat",
        what=(
            f"CPU per feedback through the chain with {stored['many']} stored, against {stored['few']}; "
            f"bursts of {bench.count(_BURST)}"
        ),
        stack=stack.value,
        value=ratio(many, few, "cpu_us"),
        unit="×",
        bar="flat",
        reference=f"with {stored['few']} stored, µs",
        reference_value=triple(few, "cpu_us"),
        details={"few": told(few), "many": told(many)},
    )


def _store(bench: Bench, installed: Installation, *, times: int) -> int:
    """Let feedbacks go through the chain, stop it, and make what is stored that many times as much."""
    with installed.start("up") as suite:
        installed.bootstrap = installed.bootstrap or broker_of(installed)
        bench.post_batches(installed, suite.told, feedbacks=_FEW)
        await_settled(installed.stores, SERVICES, bootstrap=installed.bootstrap)
    return asyncio.run(grow(installed, times=times))


def _burst(bench: Bench, installed: Installation) -> tuple[Any, list[int]]:
    """Start the suite on what is stored, warm, and return its turn and the processes that work in it."""
    suite = installed.start("up")
    if installed.stack is Stack.SMALL:
        installed.bootstrap = broker_of(installed)
    chain = partial(
        run_chain, bench, installed, preset="feedback", url=suite.told, processes={"suite": suite.pid}
    )
    chain(feedbacks=_WARM_UP)
    return partial(chain, feedbacks=_BURST), [suite.pid, *installed.server_pids()]
