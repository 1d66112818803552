"""The end of a demonstration in words: what became of everything, whether it was verified, and what to try next."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from huiyin_simulator.figures import Figures
from huiyin_simulator.messages import Messages, department_name

_TOP_ISSUES: Final = 8
_FAILED_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class DepartmentFigures:
    """What became of one department's tickets; `tickets` are those it has at the end."""

    slug: str
    names: Mapping[str, str]
    tickets: int
    answered: int
    archived: int
    on_time: int
    breached: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything the end of a demonstration tells; `report` is the document of `huiyin verify`."""

    figures: Figures
    departments: tuple[DepartmentFigures, ...]
    issues: Counter[tuple[str, str]]
    report: Mapping[str, Any]
    example_ticket_id: str = ""
    """A ticket on which something has happened."""

    @property
    def is_verified(self) -> bool:
        """Tell whether the recount found nothing wrong."""
        return bool(self.report["ok"])


def headline(summary: Summary, *, messages: Messages) -> Iterator[str]:
    """Yield the first lines: all figures without the departments."""
    document = summary.figures.document()
    yield messages.headline.format(**document)
    yield "  " + messages.intake.format(**document)
    yield "  " + messages.outcomes.format(**document)
    yield "  " + messages.deadlines.format(**document)
    if summary.figures.dead:
        yield "  " + messages.dead.format(**document)


def department_rows(summary: Summary, *, messages: Messages) -> list[dict[str, Any]]:
    """Return the rows of the table of departments, the busiest first, by their headings."""
    return [
        {
            messages.department: department_name(each.slug, each.names, messages=messages),
            messages.arrived: each.tickets,
            messages.answered: each.answered,
            messages.archived: each.archived,
            messages.on_time: each.on_time,
            messages.breached: each.breached,
        }
        for each in sorted(summary.departments, key=lambda one: -one.tickets)
    ]


def issue_rows(summary: Summary, *, messages: Messages) -> list[dict[str, Any]]:
    """Return the rows of the table of issues: what most tickets and pieces in triage are about."""
    return [
        {messages.issue: f"{kind} / {subtype}", messages.count: count}
        for (kind, subtype), count in summary.issues.most_common(_TOP_ISSUES)
    ]


def verdict(summary: Summary, *, messages: Messages) -> Iterator[str]:
    """Yield what `huiyin verify` found."""
    checks = [check for check in summary.report["checks"] if check["ok"] is not None]
    failed = [check for check in checks if not check["ok"]]
    if summary.is_verified:
        yield messages.verified.format(checks=len(checks))
        return
    yield messages.not_verified.format(failed=len(failed), checks=len(checks))
    for check in failed[:_FAILED_SHOWN]:
        examples = "; ".join(map(str, check["examples"][:2]))
        yield messages.check_failed.format(name=check["name"], examples=examples)


def invitation(
    *, url: str, key: str, bootstrap: str, department: str, ticket_id: str, folder: str, messages: Messages
) -> Iterator[str]:
    """Yield how to go on with the running suite: address, key and three calls that work as they stand."""
    authorization = f"-H 'Authorization: Bearer {key}'"
    feedback = (
        '{"channel": "website", "kind": "message", "external_id": "w-1001", '
        '"occurred_at": "2026-11-22T09:30:00+08:00", '
        '"text": "快递三天没动，客服电话也打不通", "author": {"id": "u-17"}}'
    )
    yield messages.up.format(url=url)
    yield messages.key.format(key=key)
    yield messages.broker.format(bootstrap=bootstrap)
    yield messages.docs
    yield "  " + messages.try_queue
    yield f"  curl -s {authorization} '{url}/v1/tickets?department={department}&limit=3'"
    yield "  " + messages.try_timeline
    yield f"  curl -s {authorization} {url}/v1/tickets/{ticket_id}/timeline"
    yield "  " + messages.try_post
    yield (
        f"  curl -s {authorization} -H 'Content-Type: application/json' {url}/v1/feedback -d {shlex.quote(feedback)}"
    )
    yield messages.stop.format(folder=folder)
