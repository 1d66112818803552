"""Stories of cases as the other services would tell them: events with envelopes, for many cases, from a seed."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from huiyin_contracts.event import Envelope, Event
from huiyin_contracts.feedback import FeedbackAttached, FeedbackClassified, FeedbackReceived, Labels, Rating
from huiyin_contracts.sla import (
    ScheduledClock,
    SlaBreached,
    SlaRetracted,
    SlaScheduled,
    SlaScheduledV2,
    SlaWarned,
)
from huiyin_contracts.tickets import TicketProgressed, TicketRouted
from huiyin_contracts.vocabulary import ClockState, Outcome, Step, Target, TicketStatus

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)
"""Noon of a Friday in Shanghai."""
ZONE = "Asia/Shanghai"
LABELS = Labels(
    nature="complaint", type="product", subtype="product_defect", urgency="normal", sentiment="negative"
)


def labels(**changes: Any) -> Labels:
    return Labels.model_validate({**LABELS.model_dump(), **changes})


@dataclass
class Story:
    """Tells what happened to one case; `at` is when the next thing happens."""

    case_id: str
    channel: str = "wechat"
    store: str | None = None
    occurred_at: datetime = NOON
    events: list[Event] = field(default_factory=list)
    department: str = "product"
    cycle: int = 1
    version: int = 1
    routing: int = 0
    revision: int = 0

    def received(self, **changes: Any) -> "Story":
        return self._tell(
            FeedbackReceived(
                **{
                    "feedback_id": self.case_id,
                    "channel": self.channel,
                    "kind": "message",
                    "external_id": self.case_id,
                    "occurred_at": self.occurred_at,
                    "received_at": self.occurred_at + timedelta(seconds=1),
                    "text": "壶嘴漏水",
                    "store": self.store,
                    **changes,
                }
            )
        )

    def classified(self, outcome: Outcome = Outcome.TICKET, *, after: float = 2, **changes: Any) -> "Story":
        self.revision += 1
        ticket_id = self.case_id if outcome is Outcome.TICKET else None
        return self._tell(
            FeedbackClassified(
                **{
                    "case_id": self.case_id,
                    "feedback_id": self.case_id,
                    "outcome": outcome,
                    "ticket_id": ticket_id,
                    "department": self.department if ticket_id else None,
                    "labels": LABELS,
                    "model": "rules",
                    "revision": self.revision,
                    "decided_by": "model",
                    "channel": self.channel,
                    "store": self.store,
                    "occurred_at": self.occurred_at,
                    "received_at": self.occurred_at + timedelta(seconds=1),
                    "classified_at": self.at(after),
                    **changes,
                }
            )
        )

    def attached(self, ticket_id: str, *, after: float = 2) -> "Story":
        self.classified(
            Outcome.ATTACHED, after=after, case_id=ticket_id, ticket_id=ticket_id, department=self.department
        )
        return self._tell(
            FeedbackAttached(
                ticket_id=ticket_id,
                feedback_id=self.case_id,
                reason="follow_up",
                channel=self.channel,
                kind="message",
                text="还有",
                occurred_at=self.occurred_at,
                attached_at=self.at(after),
            )
        )

    def routed(self, department: str = "product", *, after: float = 2, **changes: Any) -> "Story":
        self.routing += 1
        self.department = department
        return self._tell(
            TicketRouted(
                **{
                    "ticket_id": self.case_id,
                    "feedback_id": self.case_id,
                    "department": department,
                    "routing": self.routing,
                    "reason": "rule",
                    "labels": LABELS,
                    "priority": 5,
                    "channel": self.channel,
                    "kind": "message",
                    "text": "壶嘴漏水",
                    "store": self.store,
                    "occurred_at": self.occurred_at,
                    "received_at": self.occurred_at + timedelta(seconds=1),
                    "routed_at": self.at(after),
                    **changes,
                }
            )
        )

    def step(self, step: Step, *, after: float, **changes: Any) -> "Story":
        self.version += 1
        if step is Step.REOPENED:
            self.cycle += 1
        return self._tell(
            TicketProgressed(
                **{
                    "ticket_id": self.case_id,
                    "step": step,
                    "status": TicketStatus.OTHER,
                    "department": self.department,
                    "cycle": self.cycle,
                    "version": self.version,
                    "actor": "key",
                    "progressed_at": self.at(after),
                    **changes,
                }
            )
        )

    def reviewed(self, *, satisfied: bool, after: float) -> "Story":
        self.step(Step.REVIEWED, after=after, satisfied=satisfied)
        return self.step(Step.ARCHIVED if satisfied else Step.REOPENED, after=after)

    def scheduled(
        self, target: Target, state: ClockState, *, due: float, met: float | None = None
    ) -> "Story":
        return self._tell(
            SlaScheduledV2(
                ticket_id=self.case_id,
                department=self.department,
                scheduled_at=self.at(met or 2),
                clocks=(ScheduledClock(**self._scheduled(target, state, due=due, met=met)),),
            )
        )

    def scheduled_before(
        self, target: Target, state: ClockState, *, due: float, met: float | None = None
    ) -> "Story":
        """Tell it as the first contract did."""
        clock = self._clock(target, due) | self._scheduled(target, state, due=due, met=met)
        return self._tell(SlaScheduled(**clock, scheduled_at=self.at(met or 2)))

    def warned(self, target: Target, *, due: float, percent: int = 50) -> "Story":
        warned_at = self.at(due * percent / 100)
        return self._tell(SlaWarned(**self._clock(target, due), percent=percent, warned_at=warned_at))

    def breached(self, target: Target, *, due: float, **changes: Any) -> "Story":
        at = self.at(due)
        clock = {**self._clock(target, due), **changes}
        return self._tell(SlaBreached(**clock, breach_id="b", breached_at=at, detected_at=at))

    def retracted(self, target: Target, *, due: float, met: float) -> "Story":
        clock = self._clock(target, due)
        retracted_at = self.at(due + 10)
        return self._tell(
            SlaRetracted(
                **clock, breach_id="b", met_at=self.at(met), retracted_at=retracted_at, reason="late news"
            )
        )

    def at(self, after: float) -> datetime:
        """Return an instant so many seconds after the feedback occurred."""
        return self.occurred_at + timedelta(seconds=after)

    def _clock(self, target: Target, due: float) -> dict[str, Any]:
        return {
            "ticket_id": self.case_id,
            "target": target,
            "cycle": self.cycle,
            "policy": "ordinary",
            "department": None if target is Target.CLASSIFICATION else self.department,
            "due_at": self.at(due),
        }

    def _scheduled(
        self, target: Target, state: ClockState, *, due: float, met: float | None
    ) -> dict[str, Any]:
        return {
            "target": target,
            "cycle": self.cycle,
            "policy": "ordinary",
            "due_at": self.at(due),
            "state": state,
            "started_at": self.at(2),
            "met_at": None if met is None else self.at(met),
            "calendar": "cn",
            "calendar_version": "2026",
        }

    def _tell(self, event: Event) -> "Story":
        self.events.append(event)
        return self


def handled(case_id: str = "f-1", **changes: Any) -> Story:
    """Return a feedback that became a ticket, was answered after an hour, resolved after two and archived."""
    story = Story(case_id, **changes).received().classified().routed()
    story.scheduled_before(Target.RESPONSE, ClockState.RUNNING, due=86_402)
    story.step(Step.ACCEPTED, after=1800).step(Step.ANSWERED, after=3602)
    story.scheduled(Target.RESPONSE, ClockState.MET, due=86_402, met=3602)
    story.step(Step.RESOLVED, after=7202)
    return story.reviewed(satisfied=True, after=9000)


def many_stories(count: int, *, seed: int = 7) -> list[Story]:
    """Return stories of all kinds over some days, channels, stores and departments."""
    chance = random.Random(seed)
    return [_some_story(f"f-{number:05}", chance) for number in range(count)]


def published(stories: Iterable[Story]) -> list[Envelope]:
    """Return the events of stories as the log would hold them, case by case."""
    return list(_envelopes(event for story in stories for event in story.events))


def _some_story(case_id: str, chance: random.Random) -> Story:
    story = Story(
        case_id,
        channel=chance.choice(["wechat", "app_form", "hotline"]),
        store=chance.choice([None, "shanghai-01", "beijing-02"]),
        occurred_at=NOON + timedelta(minutes=chance.randrange(4 * 24 * 60)),
    )
    said = labels(type=chance.choice(["product", "service"]), urgency=chance.choice(["normal", "urgent"]))
    rating = Rating(value=chance.randrange(1, 6), max=5) if chance.random() < 0.3 else None
    story.received(rating=rating, nps=chance.randrange(11) if chance.random() < 0.2 else None)
    match chance.randrange(6):
        case 0:
            return story.classified(Outcome.TRIAGE, labels=said).classified(Outcome.THANKED, after=900)
        case 1:
            return story.attached("f-00000")
    story.classified(labels=said).routed(chance.choice(["product", "logistics"]), labels=said)
    if chance.random() < 0.3:
        story.routed("customer-service", after=600, labels=said).classified(labels=said, after=600)
    _work(story, chance)
    return story


def _work(story: Story, chance: random.Random) -> None:
    due = 4000.0
    while True:
        begun = chance.choice([story.scheduled, story.scheduled_before])
        begun(Target.RESPONSE, ClockState.RUNNING, due=due).warned(Target.RESPONSE, due=due)
        answered = chance.choice([due - 100, due + 100])
        story.step(Step.ANSWERED, after=answered)
        if answered > due:
            story.breached(Target.RESPONSE, due=due)
        else:
            story.scheduled(Target.RESPONSE, ClockState.MET, due=due, met=answered)
        if chance.random() < 0.3:
            story.breached(Target.RESOLUTION, due=due + 50)
            story.retracted(Target.RESOLUTION, due=due + 50, met=due + 40)
        story.step(Step.RESOLVED, after=due + 200)
        is_satisfied = chance.random() < 0.7
        story.reviewed(satisfied=is_satisfied, after=due + 300)
        if is_satisfied or chance.random() < 0.2:
            return
        due += 5000


def _envelopes(events: Iterable[Event]) -> Iterator[Envelope]:
    sequences: dict[tuple[str, str], int] = {}
    for number, event in enumerate(events, start=1):
        place = (event.TYPE, event.key)
        sequences[place] = sequences.get(place, 0) + 1
        yield Envelope(
            id=str(UUID(int=number)),
            source=f"/services/{event.PUBLISHER}",
            type=event.TYPE,
            time=NOON,
            dataschema=event.schema_url(),
            sequence=sequences[place],
            data=event.model_dump_json().encode(),
        )
