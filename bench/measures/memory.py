"""Memory (T15): the proportional set size of all services in one process, and of one service alone, at rest and after work."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from bench.accounting import pss_mib
from bench.figures import Figure
from bench.installations import SERVICES, Stack
from bench.measures.chain import broker_of
from bench.peers import django_helpdesk
from bench.run import Bench, Sample, told, triple
from bench.stores import await_settled

_FEEDBACKS: Final = 20_000
_REST_SECONDS: Final = 4.0


def measure(bench: Bench) -> list[Figure]:
    """Return T15 for every stack."""
    return [figure for stack in bench.stacks for figure in _on(bench, stack)]


def _on(bench: Bench, stack: Stack) -> Iterator[Figure]:
    samples = [_at_rest(bench, stack) for _ in range(bench.rounds)]
    worked = [_after_work(bench, stack)]
    peer = _peer(bench) if stack is Stack.LARGE else []
    yield Figure(
        number="T15",
        what="memory of `huiyin up` at rest",
        stack=stack.value,
        value=triple(samples, "rest"),
        unit=" MiB",
        bar="T15 suite",
        reference="django-helpdesk at rest, MiB" if peer else "",
        reference_value=triple(peer, "rest") if peer else None,
        details=told(samples),
    )
    yield Figure(
        number="T15",
        what=f"memory of `huiyin up` after {bench.count(_FEEDBACKS)} feedbacks",
        stack=stack.value,
        value=triple(worked, "worked"),
        unit=" MiB",
    )
    yield Figure(
        number="T15",
        what="memory of `huiyin run intake` at rest",
        stack=stack.value,
        value=triple(samples, "service"),
        unit=" MiB",
        bar="T15 service",
    )


def _at_rest(bench: Bench, stack: Stack) -> Sample:
    with bench.installed(stack) as installed:
        with installed.start("up") as suite:
            time.sleep(bench.seconds(_REST_SECONDS))
            rest = pss_mib([suite.pid])
        installed.start_broker()
        intake = installed.start("run", "intake")
        time.sleep(bench.seconds(_REST_SECONDS))
        return {"rest": rest, "service": pss_mib([intake.pid])}


def _after_work(bench: Bench, stack: Stack) -> Sample:
    with bench.installed(stack) as installed:
        suite = installed.start("up")
        installed.bootstrap = installed.bootstrap or broker_of(installed)
        bench.post_batches(installed, suite.told, feedbacks=_FEEDBACKS)
        await_settled(installed.stores, SERVICES, bootstrap=installed.bootstrap)
        time.sleep(bench.seconds(1.0))
        return {"worked": pss_mib([suite.pid])}


def _peer(bench: Bench) -> list[Sample]:
    try:
        with ExitStack() as held:
            peer = held.enter_context(django_helpdesk.running(bench))
            time.sleep(bench.seconds(_REST_SECONDS))
            return [{"rest": pss_mib([peer.server.pid])}]
    except django_helpdesk.PeerUnavailable as unavailable:
        bench.notes.append(f"django-helpdesk: {unavailable}")
        return []
