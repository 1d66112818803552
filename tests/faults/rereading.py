"""What today's readers make of the whole log of an older suite, with databases that are empty.

`snapshots/suite-1.0.jsonl` is all that a suite of 1.0 had in its log after a dozen feedbacks and what became of them;
`snapshots/suite-1.0.answers.json` is what its own analytics and desk made of that log when they read it anew (see
`recording`). Analytics owns nothing else. The desk owns its people's work, which no reader has from the log: its tickets
stand as they came in, with their clocks.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tests.faults.caller import Caller
from tests.faults.counter.databases import Databases, instant
from tests.faults.counter.effects import READERS
from tests.faults.snapshot import SNAPSHOTS, Old, publish, read_records
from tests.faults.stack import ADMIN_KEY, Stack, eventually

_SPLITS: Final = ("day", "department")
_READ_WITHIN_SECONDS: Final = 120
_DAY: Final = timedelta(days=1)
# When a reader has dealt with an event is its own affair, and so is the number of changes it took.
_OWN: Final = frozenset({"created_at", "updated_at", "version"})

Answers = Mapping[str, Any]


@dataclass(frozen=True)
class Recorded:
    """A whole log, and what the readers of its time answered of it."""

    log: Sequence[Old]
    answers: Answers


def recorded(version: str) -> Recorded:
    """Return what was recorded of a version."""
    answers = (SNAPSHOTS / f"suite-{version}.answers.json").read_text(encoding="utf-8")
    return Recorded(read_records(SNAPSHOTS / f"suite-{version}.jsonl"), json.loads(answers))


def read_anew(stack: Stack, log: Sequence[Old]) -> Answers:
    """Publish a log to a stack on which nothing but analytics runs yet, start the desk, and return what both answer.

    One after the other, because a desk that reads of a customer's reply announces it again.
    """
    publish(stack.bootstrap, log)
    figures = figures_told(stack, log)
    stack.processes["desk"].start()
    _await_read(stack, "desk", log)
    return figures | _tickets(stack)


def figures_told(stack: Stack, log: Sequence[Old]) -> dict[str, Any]:
    """Return all figures of analytics over the days of a log once it has read that: in all, by day and by department."""
    _await_read(stack, "analytics", log)
    told = {}
    with Caller(stack.address("analytics"), ADMIN_KEY) as caller:
        for metric in _got(caller, "/v1/metrics")["items"]:
            for by in _SPLITS:
                answer = _got(caller, f"/v1/metrics/{metric['name']}?{_days(log)}&by={by}")
                told[f"{metric['name']} by {by}"] = {name: answer[name] for name in ("rows", "total")}
    return told


def known_parts(told: Any, recorded_part: Any) -> Any:
    """Return an answer without the fields and figures that it did not have when it was recorded: answers only grow."""
    if isinstance(told, dict) and isinstance(recorded_part, dict):
        return {name: known_parts(told.get(name), part) for name, part in recorded_part.items()}
    if isinstance(told, list) and isinstance(recorded_part, list) and len(told) == len(recorded_part):
        return [known_parts(*pair) for pair in zip(told, recorded_part, strict=True)]
    return told


def _await_read(stack: Stack, service: str, log: Iterable[Old]) -> None:
    wanted = {each.headers["ce_id"] for each in log if service in READERS[each.topic]}

    def has_read() -> bool:
        taken = {str(row[0]) for row in stack.rows(service, "SELECT event_id FROM inbox")}
        return wanted <= taken and not stack.rows(service, "SELECT event_id FROM retry")

    eventually(has_read, within_seconds=_READ_WITHIN_SECONDS)


def _days(log: Iterable[Old]) -> str:
    """Return the days of a log as a question's range, whichever zone they are told in."""
    times = [datetime.fromisoformat(each.headers["ce_time"]) for each in log]
    return f"from={(min(times) - _DAY).date()}&to={(max(times) + 2 * _DAY).date()}"


def _tickets(stack: Stack) -> dict[str, Any]:
    clocks = _clocks(stack)
    with Caller(stack.address("desk"), ADMIN_KEY) as caller:
        ids = [item["id"] for item in _items(caller, "/v1/tickets?limit=100")]
        return {
            f"ticket {each}": {
                "ticket": _without_own(_got(caller, f"/v1/tickets/{each}")),
                "clocks": sorted(clocks[each]),
                "timeline": sorted(
                    _items(caller, f"/v1/tickets/{each}/timeline?limit=100"),
                    key=lambda entry: json.dumps(entry, sort_keys=True),
                ),
            }
            for each in sorted(ids)
        }


def _clocks(stack: Stack) -> Mapping[str, list[list[Any]]]:
    """Return the clocks of each ticket as the desk has them, which it shows to nobody."""
    query = "SELECT ticket_id, target, cycle, state, due_at FROM ticket_clock"
    found = defaultdict[str, list[list[Any]]](list)
    for ticket_id, *clock, due_at in Databases(stack.connections()).rows("desk", query):
        found[ticket_id].append([*clock, instant(due_at).isoformat()])
    return found


def _without_own(view: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in view.items() if name not in _OWN}


def _items(caller: Caller, path: str) -> Iterator[dict[str, Any]]:
    page = _got(caller, path)
    assert page["next"] is None, f"{path} has more than one page"
    yield from page["items"]


def _got(caller: Caller, path: str) -> dict[str, Any]:
    answer = caller.get(path)
    assert answer.status == 200, f"{path}: {answer}"
    body: dict[str, Any] = answer.body
    return body
