"""The whole chain (T9): accepted, routed, clocked, on the desk, rolled up.

A burst is posted at c=32, and the clock and the CPU run until every outbox is empty and every group has read all its
topics to the ends. Once with all services in one process (`huiyin up`), where the figure is feedbacks per second of CPU,
database and broker included, in turns with a bare chain, its limit; once with every service in a process of its own, which
shows who uses how much. In a process the first thread is the event loop; in the others SQLite commits. What SQLite costs
inside our processes is found out by one more burst with a stopwatch on every connection. The generator is left out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from statistics import median
from time import monotonic
from typing import Final

from bench.costs import Spent
from bench.figures import Figure, Triple
from bench.installations import SERVICES, Installation, Stack
from bench.load import Load
from bench.run import Bench, Sample, ratio, told, triple
from bench.stores import await_settled

_FEEDBACKS: Final = 6000
_CONNECTIONS: Final = 32
_HOUR: Final = 3600.0
_PARTS: Final = ("ours", "database", "broker")
_SQLITE_NOTE: Final = " (SQLite and the embedded broker run inside our process: see its stages)"


def measure(bench: Bench) -> list[Figure]:
    """Return T9 and its breakdown for every stack."""
    found = [figure for stack in bench.stacks for figure in (*_together(bench, stack), *_apart(bench, stack))]
    return [*found, _inside_sqlite(bench)]


def _together(bench: Bench, stack: Stack) -> Iterator[Figure]:
    with bench.installed(stack) as installed, bench.installed(stack) as beside:
        suite, bare = installed.start("up"), beside.start_bare_chain()
        for each in (installed, beside):
            each.bootstrap = each.bootstrap or broker_of(each)
        burst = partial(run_chain, bench, installed, url=suite.told, processes={"suite": suite.pid})
        turns = {
            "suite": partial(burst, preset="feedback"),
            "limit": partial(
                run_chain, bench, beside, preset="feedback", url=bare.told, processes={"bare": bare.pid}
            ),
            "shipped": partial(burst, preset="shipped"),
        }
        pids = [suite.pid, bare.pid, *installed.server_pids(), *beside.server_pids()]
        found = bench.take_turns(turns, pids=pids)
    size = bench.count(_FEEDBACKS)
    yield _rate(found["suite"], stack, called="synthetic complaints", size=size)
    yield _rate(found["shipped"], stack, called="the shipped sample", size=size)
    yield Figure(
        number="T9",
        what="feedbacks per CPU second, synthetic complaints, against a bare chain: the same events, deliveries and rows on the same libraries",
        stack=stack.value,
        value=ratio(found["suite"], found["limit"], "per_cpu_second"),
        rate=triple(found["suite"], "per_cpu_second"),
        unit="×",
        bar="T9 share",
        reference="bare chain, feedbacks per CPU second",
        reference_value=triple(found["limit"], "per_cpu_second"),
        details={"ours": told(found["suite"]), "reference": told(found["limit"])},
    )
    share = {part: _share(found["suite"], part) for part in _PARTS}
    yield Figure(
        number="T9",
        what=f"of that CPU: {', '.join(f'{name} {value:.0%}' for name, value in share.items())}{_SQLITE_NOTE if stack is Stack.SMALL else ''}",
        stack=stack.value,
        value=triple(found["suite"], "cpu_us"),
        unit=" µs",
    )


def _rate(samples: Sequence[Sample], stack: Stack, *, called: str, size: int) -> Figure:
    return Figure(
        number="T9",
        what=f"feedbacks per CPU second through all services in one process, {called}, bursts of {size}",
        stack=stack.value,
        value=triple(samples, "per_cpu_second"),
        unit="/s",
        bar="T9",
        reference="by the clock, until the last effect, /s",
        reference_value=triple(samples, "per_second"),
        details=told(samples),
    )


def _inside_sqlite(bench: Bench) -> Figure:
    """Return what share of the suite's CPU is spent inside SQLite, from a burst with a stopwatch on its connections."""
    with bench.installed(Stack.SMALL) as installed:
        path = installed.folder / "sqlite.json"
        with installed.start_timed_suite(path) as suite:
            installed.bootstrap = broker_of(installed)
            sample = run_chain(
                bench, installed, preset="feedback", url=suite.told, processes={"suite": suite.pid}
            )
        spent = json.loads(path.read_text(encoding="utf-8"))
    each = {name: 1e6 * seconds / sample["items"] for name, seconds in sorted(spent.items())}
    told_of = ", ".join(f"{name} {cost:.0f}" for name, cost in each.items())
    return Figure(
        number="stage",
        what=f"CPU per feedback inside SQLite, one process, by database: {told_of}",
        stack=Stack.SMALL.value,
        value=Triple.of([sum(each.values())]),
        unit=" µs",
        reference="of all, with the stopwatch, µs",
        reference_value=Triple.of([sample["cpu_us"]]),
        details=each,
    )


def _apart(bench: Bench, stack: Stack) -> Iterator[Figure]:
    with bench.installed(stack) as installed:
        installed.start_broker()
        children = {name: installed.start("run", name) for name in SERVICES}
        processes = {name: child.pid for name, child in children.items()}
        url = children["intake"].told
        turn = partial(run_chain, bench, installed, preset="feedback", url=url, processes=processes)
        pids = [*processes.values(), *installed.server_pids()]
        samples = bench.take_turns({"services": turn}, pids=pids)["services"]
    whole = median([sample["cpu_us"] for sample in samples])
    for name in SERVICES:
        parts = {part: triple(samples, f"{name}_{part}_us") for part in ("loop", "threads", "database")}
        yield Figure(
            number="stage",
            what=f"{name}, CPU per feedback in a process of its own: {', '.join(f'{part} {cost}' for part, cost in parts.items())}",
            stack=stack.value,
            value=Triple.of([sum(each[f"{name}_{part}_us"] for part in parts) for each in samples]),
            unit=" µs",
        )
    yield Figure(
        number="stage",
        what="broker, CPU per feedback",
        stack=stack.value,
        value=triple(samples, "broker_us"),
        unit=" µs",
    )
    shares = ", ".join(f"{part} {_share(samples, part):.0%}" for part in _PARTS)
    yield Figure(
        number="stage",
        what=f"all of it: {shares}",
        stack=stack.value,
        value=triple(samples, "cpu_us"),
        unit=" µs",
        reference="feedbacks per CPU second",
        reference_value=Triple.of([1e6 / whole]),
        details=told(samples),
    )


def run_chain(
    bench: Bench,
    installed: Installation,
    *,
    preset: str,
    url: str,
    processes: Mapping[str, int],
    feedbacks: int = _FEEDBACKS,
) -> Sample:
    """Post a burst, wait until all its effects are there, and return what it cost, in CPU µs per feedback."""
    before, began = Spent.now(installed, processes), monotonic()
    load = Load(
        url=f"{url}/v1/feedback",
        headers=[installed.header],
        preset=preset,
        connections=_CONNECTIONS,
        warmup_seconds=0.0,
        seconds=_HOUR,
        limit=bench.count(feedbacks),
    )
    posted = bench.load(load)
    seconds = await_settled(installed.stores, SERVICES, bootstrap=installed.bootstrap) - began
    costs = Spent.now(installed, processes).since(before, items=posted["items"])
    return {
        **costs,
        "items": posted["items"],
        "per_cpu_second": 1e6 / costs["cpu_us"],
        "per_second": posted["items"] / seconds,
        "accepted_per_second": posted["items_per_second"],
        "accepted_p99_ms": posted["p99_ms"],
    }


def broker_of(installed: Installation) -> str:
    """Return the address of the broker embedded in a running suite."""
    port = (installed.folder / "data" / "broker.port").read_text().strip()
    return f"127.0.0.1:{port}"


def _share(samples: Sequence[Sample], part: str) -> float:
    return float(median([sample[f"{part}_us"] / sample["cpu_us"] for sample in samples]))
