"""Members of a group come and go every two seconds; some freeze with a batch in hand and wake when it is another's."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final
from urllib.request import ProxyHandler, build_opener

from tests.faults.processes import Process
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import Stack
from tests.support.servers import free_ports

CROWDED: Final = ("sla", "desk", "sla")
"""Three consumers of sla and two of desk, each with a relay: the suite's own and these."""
_EVERY_SECONDS: Final = 2
# Longer than the session, so that the group has given the partitions to others.
_FROZEN_SECONDS: Final = 16
_FROZEN_WITHIN_SECONDS: Final = 60
_open = build_opener(ProxyHandler({})).open


def _storm(stage: Stage) -> None:
    with _members(stage.stack) as members:
        end = time.monotonic() + stage.seconds
        while time.monotonic() < end:
            _come_or_go(stage, members)
            time.sleep(_EVERY_SECONDS)
        for each in members:
            each.kill()
        for _ in range(stage.terms.rounds):
            _zombies(stage, members)
    stage.expect("a zombie's batch is rejected", holds=stage.figures["rejected_batches"] > 0)


def _come_or_go(stage: Stage, members: list[Process]) -> None:
    member = stage.dice.choice(members)
    if not member.is_alive:
        member.launch()
    elif stage.dice.random() < 0.5:
        member.kill()
    else:
        member.end()


def _zombies(stage: Stage, members: list[Process]) -> None:
    """Let two members freeze themselves with a batch in hand, and wake them when their partitions have moved."""
    frozen = members[:2]
    for member in frozen:
        member.launch(HUIYIN_FAILPOINTS=f"consumer.fetched=stop@{stage.dice.randint(2, 4)}")
    for member in frozen:
        member.await_that(partial(_is_frozen, member), within_seconds=_FROZEN_WITHIN_SECONDS)
    time.sleep(_FROZEN_SECONDS)
    for member in frozen:
        member.resume()
    for member in frozen:
        member.await_ready()
    time.sleep(_EVERY_SECONDS)
    for member in frozen:
        rejected = stage.figures.get("rejected_batches", 0) + _rejected(member)
        stage.figures["rejected_batches"] = rejected
        member.end()


@contextmanager
def _members(stack: Stack) -> Iterator[list[Process]]:
    """Give further members of the groups, not yet started; they are gone at the end."""
    ports = free_ports(len(CROWDED))
    members = [
        Process(
            f"{service}-{instance}",
            ("run", service, "--port", str(port)),
            environment=stack.environment | {"HUIYIN_INSTANCE": str(instance), "HUIYIN_PORT": str(port)},
            folder=stack.folder,
            history=stack.history,
        )
        for instance, (service, port) in enumerate(zip(CROWDED, ports, strict=True), start=1)
    ]
    try:
        yield members
    finally:
        for each in members:
            each.resume()
            each.kill()


def _is_frozen(member: Process) -> bool:
    with open(f"/proc/{member.pid}/stat") as status:  # noqa: PTH123  # a file that is none
        return status.read().rpartition(") ")[2].startswith("T")


def _rejected(member: Process) -> int:
    """Return how many batches of a member were rolled back because the offsets had moved."""
    port = member.environment["HUIYIN_PORT"]
    with _open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if line.startswith("huiyin_lost_ownership_total")]
    return int(sum(float(line.rpartition(" ")[2]) for line in found))


F7 = Scenario(
    "F7",
    "members of a group come and go, frozen ones wake when their work is another's",
    _storm,
    short=Terms(outage_seconds=10),
    long=(Terms(outage_seconds=120, rate=20, rounds=3, rest_seconds=600),),
)
