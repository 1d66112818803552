"""The clocks of one case, recomputed: the rules of the sla service, written again in as few lines as they take.

A target is missed when no qualifying step is stamped at or before its deadline, whenever it was heard of.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, takewhile
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Document = Mapping[str, Any]
DAY = timedelta(days=1)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Facts(NamedTuple):
    """What is known of a case: number, time and word of each fact of a kind, in the order of the numbers."""

    received_at: datetime | None
    outcomes: list[tuple[int, datetime, str]]
    routings: list[tuple[int, datetime, str]]
    steps: list[tuple[int, datetime, str]]


class Told(NamedTuple):
    """What a clock must say."""

    state: str
    due_at: datetime
    met_at: datetime | None


def clocks(
    facts: Facts, policies: Document, calendar: Document, now: datetime
) -> dict[tuple[str, int], Told]:
    """Return each clock of a case by target and cycle."""
    found = {}
    if facts.received_at:
        decided = [at for _, at, outcome in facts.outcomes if outcome not in ("triage", "other")]
        met = min([*decided, *(at for _, at, _ in facts.routings)], default=None)
        due = _due(policies["classification"], facts.received_at, [], calendar)
        found["classification", 1] = _told(due, met, None, None, now)
    openings = [*facts.routings[:1], *(step for step in facts.steps if step[2] == "reopened")]
    last = facts.outcomes[-1] if facts.outcomes else None
    gone = last[1] if last and last[2] in ("attached", "thanked", "not_feedback") else None
    for cycle, (number, opened_at, kind) in enumerate(openings if facts.routings else [], start=1):
        ends = [(n, at) for n, at, step in facts.steps if step == "reopened" and (cycle == 1 or n > number)]
        own = [s for s in facts.steps if (cycle == 1 or s[0] > number) and (not ends or s[0] < ends[0][0])]
        closes = next((i for i, s in enumerate(own) if s[2] in ("archived", "merged")), len(own))
        over = gone if gone and gone >= opened_at else None
        steps = [s for s in own[: closes + 1] if over is None or s[1] <= over]
        closed = min(
            [at for _, at, step in steps if step in ("archived", "merged")]
            + ([over] if over else [])
            + ([ends[0][1]] if ends else []),
            default=None,
        )
        before = [policy for _, at, policy in facts.routings if at <= opened_at]
        policy = kind if cycle == 1 else (before or [each[2] for each in facts.routings])[-1]
        for target, ways in (("response", ("answered", "resolved")), ("resolution", ("resolved",))):
            met = min((at for _, at, step in steps if step in ways), default=None)
            holds, held = _holds(steps, opened_at, closed) if target == "resolution" else ([], None)
            due = _due(policies[policy][target], opened_at, holds, calendar)
            found[target, cycle] = _told(due, met, closed, held, now)
    return found


def _told(
    due: datetime, met: datetime | None, closed: datetime | None, held: datetime | None, now: datetime
) -> Told:
    if met or closed:
        word = "met" if met else "cancelled"
        return Told(word if (met or closed or due) <= due else "breached", due, met)
    if held and held <= due:
        return Told("paused", due, None)
    return Told("breached" if due < now else "running", due, None)


def _holds(
    steps: list[tuple[int, datetime, str]], opened_at: datetime, closed: datetime | None
) -> tuple[list[tuple[datetime, datetime]], datetime | None]:
    holds, held = [], None
    for _, at, step in steps:
        if step == "paused" and held is None:
            held = max(at, opened_at)
        elif step in ("resumed", "resolved"):
            if held is not None:
                holds.append((held, max(at, held)))
            held = None
            if step == "resolved":
                return holds, None
    if held is not None and closed is not None:
        return [*holds, (held, max(closed, held))], None
    return holds, held


def _due(span: str, start: datetime, holds: list[tuple[datetime, datetime]], calendar: Document) -> datetime:
    days = re.fullmatch(r"(\d+) working days?", span)
    if days:
        after = (_local(start, calendar) + n * DAY for n in count(1))
        opened = (hours for day in after if (hours := _open(day, calendar)))
        due = [next(opened) for _ in range(int(days[1]))][-1][-1][1]
    else:
        due = start + _length(span)
    for begins, ends in holds:
        if begins > due:
            break
        due = _later(due, _worked(begins, ends, calendar), calendar) if days else due + (ends - begins)
    return due


def _length(span: str) -> timedelta:
    parts = dict[str, str]((unit, n) for n, unit in re.findall(r"([\d.]+)([WDHMS])", span))
    names = {"W": "weeks", "D": "days", "H": "hours", "M": "minutes", "S": "seconds"}
    return timedelta(**{names[unit]: float(n) for unit, n in parts.items()})


def _local(at: datetime, calendar: Document) -> date:
    return at.astimezone(ZoneInfo(calendar["zone"])).date()


def _open(day: date, calendar: Document) -> list[tuple[datetime, datetime]]:
    """Return the opening hours of a day; none on a day off."""
    week = calendar["week"][_WEEKDAYS[day.weekday()]]
    hours = week or (calendar["makeup_hours"] if day.isoformat() in calendar["work"] else [])
    midnight = datetime.combine(day, time.min, tzinfo=ZoneInfo(calendar["zone"]))
    return [
        tuple((midnight + _offset(side)).astimezone(UTC) for side in each.split("-"))  # type: ignore[misc]  # a pair
        for each in ([] if day.isoformat() in calendar["off"] else hours)
    ]


def _offset(clock: str) -> timedelta:
    hours, minutes = clock.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _intervals(start: datetime, calendar: Document) -> Iterator[tuple[datetime, datetime]]:
    for n in count():
        for opens, closes in _open(_local(start, calendar) + n * DAY, calendar):
            if closes > start:
                yield max(opens, start), closes


def _worked(start: datetime, end: datetime, calendar: Document) -> timedelta:
    before_end = takewhile(lambda each: each[0] < end, _intervals(start, calendar))
    return sum((min(closes, end) - opens for opens, closes in before_end), timedelta())


def _later(start: datetime, left: timedelta, calendar: Document) -> datetime:
    for opens, closes in _intervals(start, calendar) if left else ():
        if left <= closes - opens:
            return opens + left
        left -= closes - opens
    return start
