"""Cold start (T16): from the command to `ready`, on a SQLite store that has been used before.

In turns with django-helpdesk: from gunicorn's start to its first HTTP answer, on PostgreSQL. Ours ends later than a first
answer: it says `ready` when databases, broker and consumers are.
"""

from contextlib import ExitStack
from functools import partial
from typing import Final

from bench.figures import Figure
from bench.installations import Installation, Stack
from bench.measures.chain import broker_of, run_chain
from bench.peers import django_helpdesk
from bench.run import Bench, Sample, ratio, told, triple

_STORED: Final = 2000


def measure(bench: Bench) -> list[Figure]:
    """Return T16."""
    with ExitStack() as held:
        installed = held.enter_context(bench.installed(Stack.SMALL))
        _use(bench, installed)
        turns = {"suite": partial(_start_suite, installed)}
        if Stack.LARGE in bench.stacks:
            try:
                site = held.enter_context(django_helpdesk.site(bench))
                turns["django-helpdesk"] = partial(_start_peer, site)
            except django_helpdesk.PeerUnavailable as unavailable:
                bench.notes.append(f"django-helpdesk: {unavailable}")
        found = bench.take_turns(turns, rounds=bench.rounds + 2)
    ours, peer = found["suite"], found.get("django-helpdesk")
    return [
        Figure(
            number="T16",
            what=f"cold start of `huiyin up` to ready ({triple(ours, 'seconds')} s), against django-helpdesk",
            stack=Stack.SMALL.value,
            value=ratio(ours, peer, "seconds") if peer else triple(ours, "seconds"),
            unit="×" if peer else " s",
            bar="T16" if peer else None,
            reference="django-helpdesk to its first answer, s" if peer else "",
            reference_value=triple(peer, "seconds") if peer else None,
            details={"ours": told(ours)},
        )
    ]


def _use(bench: Bench, installed: Installation) -> None:
    """Leave a store behind as a suite leaves it that has worked."""
    with installed.start("up") as suite:
        installed.bootstrap = broker_of(installed)
        processes = {"suite": suite.pid}
        run_chain(bench, installed, preset="feedback", url=suite.told, processes=processes, feedbacks=_STORED)


def _start_suite(installed: Installation) -> Sample:
    with installed.start("up") as suite:
        return {"seconds": suite.started_seconds}


def _start_peer(site: django_helpdesk.Site) -> Sample:
    server, _ = site.serve()
    with server:
        return {"seconds": server.started_seconds}
