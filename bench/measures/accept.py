"""Accepting one feedback at a time (T1 to T4, T6, T7, CPU): POST /v1/feedback, answered 202 after the commit.

The same load goes in turns to intake on PostgreSQL and on SQLite (without a bus, as the bars were set, and with a relay
that publishes at the same time), to a bare FastAPI and a bare Starlette that store nothing, to django-helpdesk creating
tickets on the same PostgreSQL, and, without HTTP, to the databases themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Final

from bench.accounting import cpu_seconds
from bench.children import Child, free_port, python
from bench.figures import Figure, Triple
from bench.installations import Installation, Stack
from bench.load import Load
from bench.peers import django_helpdesk
from bench.references import inserts
from bench.run import Bench, Sample, Turn, ratio, told, triple
from bench.stores import await_published

LEVELS: Final = (1, 8, 32)
_SECONDS: Final = 2.0
_RT_TICKETS_PER_SECOND: Final = 25.5
_RT_QUOTED: Final = (
    "Request Tracker 5.0.3, quiet machine, 100 k tickets stored, quoted from an earlier session"
)
_SHORT: Final = {Stack.SMALL: "SQLite", Stack.LARGE: "PostgreSQL"}


def measure(bench: Bench) -> list[Figure]:
    """Return the figures of T1 to T4, T6, T7 and the CPU per accepted feedback."""
    with ExitStack() as held:
        field = _Field(bench, held)
        found = {level: bench.take_turns(field.turns(level), pids=field.pids) for level in LEVELS}
    bare_us = triple(found[LEVELS[-1]]["fastapi"], "app_us").median
    figures = [figure for stack in bench.stacks for figure in _figures(stack, found)]
    return [replace(figure, bare_us=bare_us) for figure in figures]


class _Field:
    """All contestants, started once and idle while it is not their turn."""

    def __init__(self, bench: Bench, held: ExitStack) -> None:
        self._bench = bench
        self.pids: list[int] = []
        self._turns: dict[str, Any] = {}
        for name in ("fastapi", "starlette"):
            self._add_bare(name, held)
        for stack in bench.stacks:
            self._add_intake(stack, held)
        if Stack.LARGE in bench.stacks:
            self._add_helpdesk(held)

    def turns(self, level: int) -> Mapping[str, Turn]:
        """Return the contestants' turns at a concurrency."""
        return {name: partial(turn, level) for name, turn in self._turns.items()}

    def _add_bare(self, name: str, held: ExitStack) -> None:
        port = free_port()
        server = held.enter_context(bare_server(self._bench, name, port=port))
        self.pids.append(server.pid)
        url = f"http://127.0.0.1:{port}/v1/feedback"
        self._turns[name] = lambda level: self._post(server, Load(url=url), level)

    def _add_intake(self, stack: Stack, held: ExitStack) -> None:
        name = _SHORT[stack]
        alone = held.enter_context(self._bench.installed(stack, has_bus=False))
        self._add_subject(name, alone, alone.start_intake_alone())
        whole = held.enter_context(self._bench.installed(stack))
        whole.start_broker()
        self._add_subject(f"{name} publishing", whole, whole.start("run", "intake"))
        if stack is Stack.LARGE:
            server = self._bench.servers.postgresql
            database, script = inserts.prepare_pgbench(server, self._bench.folder)
            self._turns["pgbench"] = lambda level: {
                "items_per_second": inserts.pgbench_rate(
                    server, database, script, clients=level, seconds=self._bench.seconds(_SECONDS)
                )
            }
        else:
            path = self._bench.folder / "limit.db"
            self._turns["sqlite3"] = lambda level: inserts.sqlite_rate(
                path, per_commit=level, seconds=self._bench.seconds(_SECONDS)
            )

    def _add_subject(self, name: str, installation: Installation, server: Child) -> None:
        self.pids += [server.pid, *installation.server_pids()]
        load = Load(url=f"{server.told}/v1/feedback", headers=[installation.header])
        is_publishing = bool(installation.bootstrap)

        def turn(level: int) -> Sample:
            return self._post(server, load, level, installation=installation, is_publishing=is_publishing)

        self._turns[name] = turn

    def _add_helpdesk(self, held: ExitStack) -> None:
        try:
            peer = held.enter_context(django_helpdesk.running(self._bench))
        except django_helpdesk.PeerUnavailable as unavailable:
            self._bench.notes.append(f"django-helpdesk: {unavailable}")
            return
        self.pids.append(peer.server.pid)
        load = Load(url=peer.url, headers=[peer.header], preset=f"helpdesk:{peer.queue}")
        self._turns["django-helpdesk"] = lambda level: self._post(
            peer.server, load, level, postgresql=self._bench.servers.postgresql.pid
        )

    def _post(
        self,
        server: Child,
        load: Load,
        level: int,
        *,
        installation: Installation | None = None,
        is_publishing: bool = False,
        postgresql: int | None = None,
    ) -> Sample:
        """Post for a while; the CPU is counted until what was accepted is published too."""
        database = partial(_database_seconds, installation, postgresql)
        app, db = cpu_seconds([server.pid]), database()
        broker = installation.broker_seconds() if installation else 0.0
        sample = self._bench.load(replace(load, connections=level, seconds=self._bench.seconds(_SECONDS)))
        if installation and is_publishing:
            await_published(installation.stores, "intake")
        items = sample["items"]
        return {
            **sample,
            "p99_to_p50": sample["p99_ms"] / sample["p50_ms"],
            "app_us": 1e6 * (cpu_seconds([server.pid]) - app) / items,
            "database_us": 1e6 * (database() - db) / items,
            "broker_us": 1e6 * ((installation.broker_seconds() if installation else 0.0) - broker) / items,
        }


def bare_server(bench: Bench, name: str, *, port: int) -> Child:
    """Return a bare server that answers: `fastapi` or `starlette`."""
    app = f"bench.references.bare:{name}_app"
    settings = ("--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log")
    command = python("uvicorn", app, *settings, "--log-level", "warning")
    return Child(command, folder=bench.folder, answers_at=port)


def _database_seconds(installation: Installation | None, postgresql: int | None) -> float:
    if installation is not None:
        return installation.database_seconds()
    return cpu_seconds([postgresql]) if postgresql is not None else 0.0


Found = Mapping[int, Mapping[str, Sequence[Sample]]]


def _figures(stack: Stack, found: Found) -> Iterator[Figure]:
    for level in LEVELS:
        yield _against_bare(stack, found, level)
    yield _against_bare(stack, found, LEVELS[-1], name=f"{_SHORT[stack]} publishing")
    yield _against_bare(stack, found, LEVELS[-1], reference="starlette")
    yield from _against_limit(stack, found)
    if stack is Stack.LARGE:
        yield from _against_peers(found)
    yield from _latencies(stack, found)
    yield _cpu(stack, found, _SHORT[stack])
    yield _cpu(stack, found, f"{_SHORT[stack]} publishing")


def _against_bare(
    stack: Stack, found: Found, level: int, *, name: str = "", reference: str = "fastapi"
) -> Figure:
    subject = found[level][name or _SHORT[stack]]
    bare = found[level][reference]
    number = "T1" if stack is Stack.LARGE else "T4"
    is_judged = level == LEVELS[-1] and not name and reference == "fastapi"
    beside = ", its relay publishing at the same time" if name else ""
    called = {"fastapi": "a bare FastAPI 202", "starlette": "a bare Starlette 202"}[reference]
    return Figure(
        number=number,
        what=f"accepted/s at c={level}{beside}, against {called}",
        stack=_SHORT[stack],
        value=ratio(subject, bare, "items_per_second"),
        unit="×",
        bar=number if is_judged else None,
        rate=triple(subject, "items_per_second"),
        reference=f"{called}, /s",
        reference_value=triple(bare, "items_per_second"),
        details={"ours": told(subject), "reference": told(bare)},
    )


def _against_limit(stack: Stack, found: Found) -> Iterator[Figure]:
    name = "pgbench" if stack is Stack.LARGE else "sqlite3"
    called = (
        "pgbench, two inserts per transaction"
        if stack is Stack.LARGE
        else "sqlite3 loop, c feedbacks per commit"
    )
    for level in LEVELS:
        limit, subject = found[level][name], found[level][_SHORT[stack]]
        yield Figure(
            number="T2",
            what=f"accepted/s at c={level}, against the database's own insert limit",
            stack=_SHORT[stack],
            value=ratio(subject, limit, "items_per_second"),
            rate=triple(subject, "items_per_second"),
            unit="×",
            bar="T2" if level == LEVELS[-1] and stack is Stack.LARGE else None,
            reference=f"{called}, /s",
            reference_value=triple(limit, "items_per_second"),
            details={"reference": told(limit)},
        )


def _against_peers(found: Found) -> Iterator[Figure]:
    for level in LEVELS:
        subject, peer = found[level]["PostgreSQL"], found[level].get("django-helpdesk")
        if peer:
            yield Figure(
                number="T3",
                what=f"accepted/s at c={level}, against django-helpdesk creating tickets",
                stack="PostgreSQL",
                value=ratio(subject, peer, "items_per_second"),
                rate=triple(subject, "items_per_second"),
                unit="×",
                bar="T3 django-helpdesk" if level == LEVELS[-1] else None,
                reference="django-helpdesk 2.6.1, tickets/s",
                reference_value=triple(peer, "items_per_second"),
                details={"reference": told(peer)},
            )
    subject = found[LEVELS[-1]]["PostgreSQL"]
    quoted = [{"items_per_second": _RT_TICKETS_PER_SECOND}] * len(subject)
    yield Figure(
        number="T3",
        what="accepted/s at c=32, against Request Tracker (quoted)",
        stack="PostgreSQL",
        value=ratio(subject, quoted, "items_per_second"),
        rate=triple(subject, "items_per_second"),
        unit="×",
        bar="T3 RT",
        reference="RT 5, tickets/s",
        reference_value=Triple.of([_RT_TICKETS_PER_SECOND]),
        quoted=_RT_QUOTED,
    )


def _latencies(stack: Stack, found: Found) -> Iterator[Figure]:
    name = _SHORT[stack]
    alone, crowd = found[LEVELS[0]][name], found[LEVELS[-1]][name]
    bare = found[LEVELS[-1]]["fastapi"]
    for number, what, value, bar, reference in (
        ("T6", "answer at c=1, p50", triple(alone, "p50_ms"), "T6 alone", found[1]["fastapi"]),
        ("T6", "answer at c=32, p50", triple(crowd, "p50_ms"), "T6 p50", bare),
        ("T6", "answer at c=32, p99", triple(crowd, "p99_ms"), "T6 p99", bare),
        ("T7", "p99 / p50 at c=32", triple(crowd, "p99_to_p50"), "T7", bare),
    ):
        column = "p99_to_p50" if number == "T7" else "p99_ms" if what.endswith("p99") else "p50_ms"
        yield Figure(
            number=number,
            what=what,
            stack=name,
            value=value,
            unit="×" if number == "T7" else " ms",
            bar=bar,
            reference="a bare FastAPI 202, the same",
            reference_value=triple(reference, column),
        )


def _cpu(stack: Stack, found: Found, name: str) -> Figure:
    subject, bare = found[LEVELS[-1]][name], found[LEVELS[-1]]["fastapi"]
    whole = [each["app_us"] + each["database_us"] for each in subject]
    beside = ", publishing included" if name != _SHORT[stack] else ""
    shares = (f"app {triple(subject, 'app_us')}", f"database {triple(subject, 'database_us')}")
    return Figure(
        number="CPU",
        what=f"CPU per accepted feedback at c=32{beside}: {', '.join(shares)} µs",
        stack=_SHORT[stack],
        value=Triple.of(whole),
        unit=" µs",
        bar=None if beside else "CPU",
        reference="a bare FastAPI 202, µs",
        reference_value=triple(bare, "app_us"),
        details={"ours": told(subject)},
    )
