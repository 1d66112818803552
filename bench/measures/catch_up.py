"""Catching up with a backlog (T10 for analytics, and every consumer alone).

Intake is fed until the log holds a backlog of `feedback.received`. Then router, sla, desk and analytics start one after
the other, each alone with the broker and the database, and take everything that waits for them; what they publish
themselves is part of it, and is the next one's backlog. The rate is told for thirds of the way. Analytics does it again in
each round on an empty database, in turns with the bare upsert of as many events.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from time import monotonic
from typing import Final

from bench.accounting import Watch, cpu_seconds, loop_seconds
from bench.figures import Figure, Triple
from bench.installations import Installation, Stack
from bench.references import upserts
from bench.run import Bench, Sample, ratio, told, triple
from bench.stores import await_published, is_settled, progress

_BACKLOG: Final = 34_000
_UPSERTS: Final = 100_000
_LOOK_SECONDS: Final = 0.2
_THIRDS: Final = 3


def measure(bench: Bench) -> list[Figure]:
    """Return T10 and the catch-up of every consumer for every stack."""
    return [figure for stack in bench.stacks for figure in _on(bench, stack)]


def _on(bench: Bench, stack: Stack) -> Iterator[Figure]:
    with bench.installed(stack) as installed:
        installed.start_broker()
        _fill_log(bench, installed)
        for name in ("router", "sla", "desk"):
            yield _figure(name, stack, catch_up(installed, name))
        turns = {
            "analytics": partial(_roll_up_anew, installed),
            "bare": partial(_bare, bench, installed),
        }
        found = bench.take_turns(turns, pids=installed.server_pids())
    ours, bare = found["analytics"], found["bare"]
    cost = ", ".join(f"{part} {triple(ours, f'{part}_us')}" for part in ("loop", "threads", "database"))
    yield Figure(
        number="T10",
        what=f"analytics, events/s from a backlog of {ours[0]['events']:.0f}, CPU µs per event {cost}",
        stack=stack.value,
        value=triple(ours, "per_second"),
        unit="/s",
        bar="T10 rate",
        reference="bare batched upsert, events/s",
        reference_value=triple(bare, "per_second"),
        details={"ours": told(ours), "reference": told(bare)},
    )
    yield Figure(
        number="T10",
        what="analytics catching up, against the bare batched upsert",
        stack=stack.value,
        value=ratio(ours, bare, "per_second"),
        rate=triple(ours, "per_second"),
        unit="×",
        bar="T10 share",
        reference="bare batched upsert, events/s",
        reference_value=triple(bare, "per_second"),
    )


@dataclass(frozen=True, slots=True)
class Point:
    """How far a consumer was at a moment, and what it had used until then, in seconds."""

    at: float
    taken: int
    loop: float
    app: float
    database: float
    broker: float


def catch_up(installed: Installation, name: str) -> dict[str, float | list[float]]:
    """Start one service, wait until it has taken all its backlog and published its own, and return rates and costs."""
    watch = Watch.begin(installed.server_pids())
    before = progress(installed.stores, name)
    with installed.start("run", name) as child:
        points = [_point(installed, name, child.pid)]
        while not (
            _stands_still(points) and is_settled(installed.stores, name, bootstrap=installed.bootstrap)
        ):
            time.sleep(_LOOK_SECONDS)
            points.append(_point(installed, name, child.pid))
    moving = [point for point in points if before < point.taken]
    last = next(point for point in moving if point.taken == moving[-1].taken)
    first = moving[0]
    events = max(1, last.taken - first.taken)
    each = 1e6 / events
    return {
        "events": float(last.taken - before),
        "per_second": events / max(last.at - first.at, 1e-9),
        "thirds": _rates([point for point in moving if point.at <= last.at]),
        "loop_us": each * (last.loop - first.loop),
        "threads_us": each * (last.app - last.loop - first.app + first.loop),
        "database_us": each * (last.database - first.database),
        "broker_us": each * (last.broker - first.broker),
        "others": watch.others(),
    }


def _figure(name: str, stack: Stack, found: dict[str, float | list[float]]) -> Figure:
    thirds = found["thirds"]
    assert isinstance(thirds, list)
    costs = {
        part: Triple.of([float(str(found[f"{part}_us"]))]).median
        for part in ("loop", "threads", "database", "broker")
    }
    shares = ", ".join(f"{part} {value:.0f}" for part, value in costs.items())
    return Figure(
        number="catch-up",
        what=f"{name}, events/s from a backlog of {found['events']:.0f} (thirds of the way), CPU µs per event: {shares}",
        stack=stack.value,
        value=Triple.of(thirds),
        unit="/s",
        details=found,
    )


def _rates(points: list[Point]) -> list[float]:
    """Return the rates of the thirds of the way, of the whole when it was too short to be looked at."""
    if len(points) < 3 * _THIRDS:
        span = max(points[-1].at - points[0].at, 1e-9)
        return [(points[-1].taken - points[0].taken) / span]
    begin, way = points[0].taken, points[-1].taken - points[0].taken
    marks = [
        next(point for point in points if point.taken >= begin + way * third / _THIRDS)
        for third in range(_THIRDS + 1)
    ]
    return [(after.taken - before.taken) / (after.at - before.at) for before, after in pairwise(marks)]


def _point(installed: Installation, name: str, pid: int) -> Point:
    return Point(
        at=monotonic(),
        taken=progress(installed.stores, name),
        loop=loop_seconds(pid),
        app=cpu_seconds([pid]),
        database=installed.database_seconds(),
        broker=installed.broker_seconds(),
    )


def _stands_still(points: list[Point]) -> bool:
    last = [point.taken for point in points[-4:]]
    return len(last) == 4 and len(set(last)) == 1 and last[0] > 0  # noqa: PLR2004


def _fill_log(bench: Bench, installed: Installation) -> None:
    """Let the directory tell of its units, then post the backlog in batches and publish it."""
    with installed.start("run", "directory"):
        await_published(installed.stores, "directory")
    with installed.start("run", "intake") as intake:
        bench.post_batches(installed, intake.told, feedbacks=_BACKLOG)
        await_published(installed.stores, "intake")


def _roll_up_anew(installed: Installation) -> Sample:
    """Let analytics take the whole log into an empty database."""
    installed.stores.forget("analytics")
    if installed.stack is Stack.LARGE:
        installed.servers.postgresql.drop_database(f"{installed.database}analytics")
        installed.huiyin("migrate", "--create")
    else:
        for path in (installed.folder / "data").glob("analytics.db*"):
            path.unlink()
        installed.huiyin("migrate")
    found = catch_up(installed, "analytics")
    return {name: value for name, value in found.items() if isinstance(value, float)}


def _bare(bench: Bench, installed: Installation) -> Sample:
    count = bench.count(_UPSERTS)
    if installed.stack is Stack.SMALL:
        folder = installed.folder / "bare"
        folder.mkdir()
        try:
            return {"per_second": upserts.sqlite_rate(folder / "bare.db", count)}
        finally:
            shutil.rmtree(folder)
    with installed.servers.postgresql.database() as url:
        return {"per_second": upserts.postgresql_rate(url.replace("+asyncpg", ""), count)}
