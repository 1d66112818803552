"""Events of the clocks: deadlines promised, warned of, missed and taken back."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from huiyin_contracts.event import Contract, Event
from huiyin_contracts.vocabulary import ClockState, Identifier, Slug, Target


class _ClockEvent(Event):
    """What every clock event says: which clock of which case."""

    PUBLISHER: ClassVar[str] = "sla"
    KEY: ClassVar[str] = "ticket_id"

    ticket_id: Identifier
    """The case id: for the classification clock there may be no ticket yet, the feedback's id then."""
    target: Target
    cycle: int = 1
    policy: Slug
    department: Slug | None = None
    due_at: AwareDatetime


class SlaScheduled(_ClockEvent):
    """One clock was started or changed, as told before `sla.scheduled.v2`; nothing publishes it any more."""

    TYPE: ClassVar[str] = "sla.scheduled"

    state: ClockState
    started_at: AwareDatetime
    met_at: AwareDatetime | None = None
    calendar: Slug
    calendar_version: str
    scheduled_at: AwareDatetime


class ScheduledClock(Contract):
    """One clock as it stands: its promise, its state and its terms."""

    target: Target
    cycle: int = 1
    policy: Slug
    due_at: AwareDatetime
    state: ClockState
    started_at: AwareDatetime
    met_at: AwareDatetime | None = None
    calendar: Slug
    calendar_version: str


class SlaScheduledV2(Event):
    """Clocks of a case were started or changed: new due time, pause, resumption, met or cancelled."""

    TYPE: ClassVar[str] = "sla.scheduled.v2"
    PUBLISHER: ClassVar[str] = "sla"
    KEY: ClassVar[str] = "ticket_id"

    ticket_id: Identifier
    """The case id: for the classification clock there may be no ticket yet, the feedback's id then."""
    department: Slug | None = None
    scheduled_at: AwareDatetime
    clocks: Annotated[tuple[ScheduledClock, ...], Field(min_length=1)]
    """Those that changed together, each as a whole; a later word on a clock than any `sla.scheduled`. That a classification clock starts is not told."""


class SlaWarned(_ClockEvent):
    """A share of a clock's time has passed without the work being done; once per clock and share."""

    TYPE: ClassVar[str] = "sla.warned"

    percent: int
    warned_at: AwareDatetime


class SlaBreached(_ClockEvent):
    """A deadline passed without a qualifying event in time; once per clock, id is deterministic."""

    TYPE: ClassVar[str] = "sla.breached"

    breach_id: Identifier
    """uuid5 of ticket, target and cycle."""
    breached_at: AwareDatetime
    """The deadline itself: the time of the fact, not of its discovery."""
    detected_at: AwareDatetime


class SlaRetracted(_ClockEvent):
    """A breach is taken back: work stamped before the deadline arrived after it."""

    TYPE: ClassVar[str] = "sla.retracted"

    breach_id: Identifier
    met_at: AwareDatetime | None = None
    """When the work was done; none where a late merge or hold took the deadline away."""
    retracted_at: AwareDatetime
    reason: str
