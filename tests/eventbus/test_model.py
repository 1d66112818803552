"""Random lives of a bus, with crashes anywhere, against an oracle that cannot fail."""

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.eventbus.model import PARTITIONS, Held, Oracle, Sample
from tests.eventbus.modelled_bus import Cut, CutShort, ModelledBus, Records

Result = TypeVar("Result")
CASES = st.sampled_from(["a", "b", "c", "d", "e"])
SAMPLES = st.lists(st.tuples(CASES, st.integers(0, 5).map(lambda die: die == 0)), min_size=1, max_size=4)
PARTS = st.sampled_from([(0, 1, 2), (0, 1), (1, 2), (0,)])
MEMBERS = st.integers(0, 1)
CUTS: st.SearchStrategy[Cut] = st.sampled_from(["nowhere", "nowhere", "nowhere", "before", "midway", "after"])
ENDS = st.sampled_from(["commit", "rollback", "in doubt"])


class Member:
    """A consumer: what it believes to hold, and the batch in its hands with what it believed when it fetched that."""

    def __init__(self) -> None:
        self.held: dict[int, Held] = {}
        self.batch: Records = {}
        self.fetched_as: dict[int, Held] = {}


class BusMachine(RuleBasedStateMachine):
    """Does to a real bus and to the oracle the same things, and compares all that can be seen after each."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory(prefix="huiyin-model-")
        self._bus = ModelledBus(Path(self._folder.name))
        self._oracle = Oracle()
        self._members = [Member(), Member()]
        self._next_number = 0

    @initialize()
    def open(self) -> None:
        self._run(self._bus.open())

    @rule(wanted=SAMPLES, fails=st.sampled_from([False, False, False, True]))
    def append(self, wanted: list[tuple[str, bool]], fails: bool) -> None:  # noqa: FBT001  # drawn by Hypothesis
        samples = [Sample(self._next_number + n, key, is_poison) for n, (key, is_poison) in enumerate(wanted)]
        self._next_number += len(samples)
        with suppress(CutShort):
            self._run(self._bus.append(samples, fails=fails))
            self._oracle.append(samples)

    @rule(wanted=SAMPLES, cut=CUTS, acknowledged=st.integers(0, 5))
    def publish(self, wanted: list[tuple[str, bool]], cut: Cut, acknowledged: int) -> None:
        """Publish what waits, with more than that: a relay seldom finds nothing."""
        self.append(wanted, fails=False)
        waiting = len(self._oracle.state.outbox)
        acknowledged = min(acknowledged, waiting)
        before = self._log_size()
        try:
            self._run(self._bus.publish(cut=cut, acknowledged=acknowledged))
        except CutShort:
            came = self._log_size() - before
            at_least = {"before": 0, "midway": acknowledged, "after": waiting}[cut]
            assert at_least <= came <= (0 if cut == "before" else waiting)
            self._oracle.publish(came)
        else:
            self._oracle.publish(waiting)
            self._oracle.clear_outbox()

    @rule(who=MEMBERS, partitions=PARTS)
    def join(self, who: int, partitions: tuple[int, ...]) -> None:
        """Give partitions to a member; whoever had them is not told and becomes a zombie for them."""
        self._members[who].held = self._run(self._bus.own(partitions))
        assert self._members[who].held == self._oracle.own(partitions)

    @rule(who=MEMBERS, limit=st.integers(1, 4))
    def fetch(self, who: int, limit: int) -> None:
        member = self._members[who]
        if not member.held:
            self.join(who, tuple(range(PARTITIONS)))
        member.batch = self._run(self._bus.fetch(member.held, limit=limit))
        member.fetched_as = {place.partition: member.held[place.partition] for place in member.batch}

    @precondition(lambda self: any(member.batch for member in self._members))
    @rule(who=MEMBERS, end=ENDS)
    def take(self, who: int, end: str) -> None:
        """Take a batch; one whose commit failed is taken again later, one whose commit is in doubt at once, in vain."""
        holders = [member for member in self._members if member.batch]
        member = holders[who % len(holders)]
        for _ in range(2 if end == "in doubt" else 1):
            try:
                is_taken = self._run(
                    self._bus.take(member.batch, held=member.fetched_as, fails=end == "rollback")
                )
            except CutShort:
                return
            assert is_taken == self._oracle.owns(member.fetched_as)
            if is_taken:
                self._oracle.take(self._logged(member.batch))
        self._settle(member)

    @rule(partition=st.integers(0, PARTITIONS - 1), back=st.integers(0, 3))
    def rewind(self, partition: int, back: int) -> None:
        if partition in self._oracle.state.positions:
            to = max(self._oracle.state.positions[partition].next_offset - back, 0)
            self._run(self._bus.rewind(partition, to=to))
            self._oracle.rewind(partition, to=to)

    @rule(what=st.sampled_from(["broker", "service"]))
    def crash(self, what: str) -> None:
        self._run(self._bus.crash_broker() if what == "broker" else self._bus.crash_service())

    @invariant()
    def the_bus_is_what_the_oracle_says(self) -> None:
        seen = self._run(self._bus.state())
        assert seen == self._oracle.state
        assert self._oracle.is_in_order(seen.effects)

    def teardown(self) -> None:
        try:
            self._come_to_rest()
        finally:
            self._run(self._bus.close())
            self._runner.close()
            self._folder.cleanup()

    def _come_to_rest(self) -> None:
        """Publish and read everything; then each event must have taken effect once, or lie dead once."""
        self.publish([("a", False)], cut="nowhere", acknowledged=0)
        self._members = [Member()]
        self.fetch(0, limit=10_000)
        if self._members[0].batch:
            self.take(0, end="commit")
        effects, dead = self._oracle.promised()
        seen = self._run(self._bus.state())
        assert sorted(seen.effects) == sorted(effects)
        assert seen.dead == dead

    def _settle(self, member: Member) -> None:
        """Let a member know where its partitions stand, as far as it may still own them."""
        for number in member.fetched_as:
            held, stored = member.held.get(number), self._oracle.state.positions[number]
            if held and held.epoch == stored.epoch:
                member.held[number] = stored
        member.batch = {}

    def _logged(self, batch: Records) -> dict[int, list[int]]:
        log = self._oracle.state.log
        return {
            place.partition: log[place.partition][records[0].offset : records[-1].offset + 1]
            for place, records in batch.items()
        }

    def _log_size(self) -> int:
        return sum(map(len, self._run(self._bus.state()).log.values()))

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(work)


# Without shrinking: a failure shows its thirty steps at once, where a shorter one would take minutes.
QUICK = settings(
    phases=[Phase.reuse, Phase.generate],
    max_examples=40,
    stateful_step_count=30,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_any_life_of_a_bus_is_that_of_one_that_cannot_fail() -> None:
    run_state_machine_as_test(BusMachine, settings=QUICK)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_lives_of_a_bus_are_those_of_one_that_cannot_fail() -> None:
    long = settings(QUICK, derandomize=False, phases=list(Phase), max_examples=1000, stateful_step_count=100)
    run_state_machine_as_test(BusMachine, settings=long)
