"""Poison alone, among good events, and as a flood; each kind of it, a megabyte too."""

import time
from collections.abc import Iterator
from typing import Any

from tests.faults.caller import Caller
from tests.faults.counter.effects import READERS
from tests.faults.poison import KINDS, Poisoner
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import ADMIN_KEY, SERVICES, Stack, eventually

LIVE_TOPICS = (
    "feedback.received",
    "feedback.classified",
    "ticket.routed",
    "ticket.progressed",
    "sla.scheduled.v2",
)
FLOODED_TOPIC = "feedback.attached"
FLOOD = 40
PARTITIONS = 12


def _poison(stage: Stage) -> None:
    stack = stage.stack
    poisoner = Poisoner(stack.bootstrap, history=stack.history, dice=stage.dice)
    before = dead(stack)
    _sprinkle(stage, poisoner)
    _flood(stage, poisoner)
    stage.figures["dead"] = bury(stack, poisoner, before=before) - before
    stage.figures["poison"] = len(poisoner.written)


def _sprinkle(stage: Stage, poisoner: Poisoner) -> None:
    """Write about one poisonous event to a hundred good ones, every kind of it at least once."""
    kinds = list(KINDS)
    stage.dice.shuffle(kinds)
    rounds = max(len(kinds), int(stage.seconds * stage.terms.rate / 10))
    for number in range(rounds):
        topic, partition = stage.dice.choice(LIVE_TOPICS), stage.dice.randrange(PARTITIONS)
        poisoner.write(topic, kinds[number % len(kinds)], partition=partition)
        time.sleep(stage.seconds / rounds)
    stage.expect("no sprinkle stops a consumer", holds=not list(_flooded(stage.stack)))


def _flood(stage: Stage, poisoner: Poisoner) -> None:
    """Write nothing but poison into a partition: its readers stop, the others go on, and a resumption goes on."""
    stack, readers = stage.stack, READERS[FLOODED_TOPIC]
    poisoner.write(FLOODED_TOPIC, "not JSON", partition=stage.dice.randrange(PARTITIONS), times=FLOOD)

    def all_stopped() -> bool:
        return set(_flooded(stack)) == set(readers)

    stage.figures["seconds_to_flood_stop"] = round(eventually(all_stopped), 2)
    stage.expect("a flooded service says that it is not ready", holds=not _is_ready(stack, readers[0]))
    stage.expect("services without the flooded topic stay ready", holds=_is_ready(stack, "router"))
    began = time.monotonic()
    for service in readers:
        _resume(stack, service)
    eventually(lambda: all(_is_ready(stack, service) for service in readers))
    stage.recovered(time.monotonic() - began)


def bury(stack: Stack, poisoner: Poisoner, *, before: int) -> int:
    """Wait until all poison is put aside, give it up for a reason, and return how many dead letters there are."""
    wanted = before + sum(len(READERS[topic]) for topic, _, _ in poisoner.written)

    def all_dead() -> bool:
        for service in _flooded(stack):
            _resume(stack, service)
        return dead(stack) >= wanted

    eventually(all_dead, within_seconds=60)
    for service in SERVICES:
        caller = Caller(stack.address(service), ADMIN_KEY)
        while letters := caller.get("/v1/dead-letters?state=open&limit=200").body["items"]:
            for letter in letters:
                caller.post(f"/v1/dead-letters/{letter['id']}/discard", {"reason": "written by a test"})
        caller.close()
    return dead(stack)


def dead(stack: Stack) -> int:
    """Return how many dead letters there are, given up or not."""
    return sum(int(stack.rows(service, "SELECT count(*) FROM dead_letter")[0][0]) for service in SERVICES)


def _resume(stack: Stack, service: str) -> None:
    caller = Caller(stack.address(service), ADMIN_KEY)
    answer = caller.post(f"/v1/consumers/{service}/resume")
    assert answer.status in {204, 409}, answer
    caller.close()


def _flooded(stack: Stack) -> Iterator[str]:
    for service in SERVICES:
        if "flood" in str(_readiness(stack, service)["failing"]):
            yield service


def _is_ready(stack: Stack, service: str) -> bool:
    return bool(_readiness(stack, service)["ready"])


def _readiness(stack: Stack, service: str) -> dict[str, Any]:
    caller = Caller(stack.address(service), ADMIN_KEY)
    answer = caller.get("/readyz")
    caller.close()
    body: dict[str, Any] = answer.body
    return body


F11 = Scenario(
    "F11",
    "poison alone, 1 %, 100 %, a megabyte, invalid UTF-8, an unknown major version",
    _poison,
    short=Terms(outage_seconds=5),
    long=(Terms(outage_seconds=120, rate=40, rest_seconds=600),),
)
