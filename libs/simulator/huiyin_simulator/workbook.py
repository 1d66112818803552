"""The departments' work in a demonstration: which ticket is new to them, and which call is due when.

Pure: time is an argument, in seconds of one clock, and whoever holds the book makes the calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any, Final

from huiyin_simulator.agenda import Agenda
from huiyin_simulator.departments import Step, TicketInWork, department_of, plan
from huiyin_simulator.policies import DEMO_POLICIES, Promise, promise_for

# A department that gets a ticket late, because another returned it, still takes some time over it.
_LEAST_SHARE_LEFT: Final = 0.3
_ASSIGNED_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Call:
    """One step that is due, and its place in the ticket's plan; `began_at` is when the plan began."""

    ticket_id: str
    department: str
    began_at: float
    steps: Sequence[Step]
    index: int = 0

    @property
    def step(self) -> Step:
        """Return what is to be done."""
        return self.steps[self.index]

    @property
    def due_at(self) -> float:
        """Return when."""
        return self.began_at + self.step.after_seconds


class Workbook:
    """Takes tickets from the queues, plans each, and says what is due; the same for an rng in the same state."""

    def __init__(
        self,
        rng: Random,
        *,
        people: Mapping[str, tuple[str, ...]] | None = None,
        policies: Mapping[str, Promise] = DEMO_POLICIES,
    ) -> None:
        self._rng = rng
        self._people = people or {}
        self._policies = policies
        self._versions: dict[str, int] = {}
        self._returned: set[str] = set()
        self._agenda: Agenda[Call] = Agenda()
        self._in_progress = 0

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is planned and no call is on its way."""
        return not self._agenda and not self._in_progress

    def take_in(self, item: Mapping[str, Any], *, now: float, at: datetime) -> bool:
        """Plan the work on a ticket of a queue (an item of GET /v1/tickets) and return True if it is new there.

        `at` is the same moment as `now` on the calendar: a ticket that has waited already has less time left.
        """
        ticket_id = item["id"]
        if item["version"] <= self._versions.get(ticket_id, 0):
            return False
        is_rerouted = ticket_id in self._returned
        if ticket_id in self._versions and not is_rerouted:
            # A customer's reply raises the version of a ticket that is in the plan already.
            return False
        self._versions[ticket_id] = item["version"]
        self._returned.discard(ticket_id)
        department = item["department"]
        is_assigned = self._rng.random() < _ASSIGNED_SHARE
        people = self._people.get(department, ()) if is_assigned else ()
        profile = department_of(department, people=people)
        ticket = replace(_in_work(item, policies=self._policies, at=at), is_rerouted=is_rerouted)
        self._put_down(Call(ticket_id, department, now, plan(ticket, profile, self._rng)))
        return True

    def take_due(self, now: float) -> list[Call]:
        """Return the calls to make now; each is to be followed by `record`, `skip` or `give_up`."""
        due = self._agenda.take_due(now)
        self._in_progress += len(due)
        return due

    def record(self, call: Call, *, version: int) -> None:
        """Note that a call was made and the ticket's version after it; its next step comes into the agenda."""
        self._in_progress -= 1
        self._versions[call.ticket_id] = version
        if call.step.verb == "return":
            self._returned.add(call.ticket_id)
        self._put_down(replace(call, index=call.index + 1))

    def skip(self, call: Call) -> None:
        """Go on with the step after one that the desk does not take."""
        self._in_progress -= 1
        self._put_down(replace(call, index=call.index + 1))

    def give_up(self) -> None:
        """Drop the rest of a ticket's plan after a call: somebody else has moved the ticket on."""
        self._in_progress -= 1

    def _put_down(self, call: Call) -> None:
        if call.index < len(call.steps):
            self._agenda.add(call, at=call.due_at)


def _in_work(item: Mapping[str, Any], *, policies: Mapping[str, Promise], at: datetime) -> TicketInWork:
    promise = promise_for(item["urgency"], is_complex=item["complex"], policies=policies)
    waited = max((at - datetime.fromisoformat(item["created_at"])).total_seconds(), 0)
    return TicketInWork(
        id=item["id"],
        nature=item["nature"],
        lang="zh" if _has_han(item["text"]) else "en",
        response_seconds=_left(promise.response_seconds, waited),
        resolution_seconds=_left(promise.resolution_seconds, waited),
    )


def _left(span_seconds: float, waited_seconds: float) -> float:
    return max(span_seconds - waited_seconds, span_seconds * _LEAST_SHARE_LEFT)


def _has_han(text: str) -> bool:
    return any("一" <= character <= "鿿" for character in text)
