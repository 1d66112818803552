"""`huiyin sla`: deadlines on the command line, without a database."""

import json as json_format
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from huiyin_chassis.console import AsJson, note, print_json, print_line
from huiyin_chassis.settings import load
from huiyin_sla.domain.calendars import WorkCalendar
from huiyin_sla.domain.deadlines import Deadline, deadline
from huiyin_sla.domain.policies import Policies
from huiyin_sla.errors import CalendarMalformed, CalendarNotFound, TimeUnreadable
from huiyin_sla.settings import SlaSettings


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verbs = typer.Typer(help="Deadlines: when a promise falls due, and why.", no_args_is_help=True)
    app.add_typer(verbs, name="sla")

    @verbs.callback()
    def sla() -> None:
        """Deadlines: when a promise falls due, and why."""

    @verbs.command()
    def due(
        *,
        policy: Annotated[str, typer.Option(help="ordinary, complex or urgent")],
        start: Annotated[str, typer.Option(help="such as 2026-09-30T16:00:00+08:00")],
        target: Annotated[str, typer.Option(help="response or resolution")] = "resolution",
        calendar: Annotated[str, typer.Option(help="cn, or the path of a calendar document")] = "cn",
        json: AsJson = False,
    ) -> None:
        """Tell when a case is due that starts at a time, and the days that are counted."""
        policies = Policies.from_dict(load(SlaSettings).policies_document() or {})
        days = _calendar(calendar)
        found = deadline(policies.named(policy), target, start=_instant(start), calendar=days)
        if json:
            print_json(_document(found, policy=policy, target=target, start=_instant(start)))
        else:
            _print(found)


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise TimeUnreadable(text) from None


def _calendar(name: str) -> WorkCalendar:
    if name == "cn":
        # Imported late: the libraries behind it take a third of a second.
        from huiyin_sla.domain.china import china_calendar  # noqa: PLC0415

        return china_calendar()
    try:
        document = json_format.loads(Path(name).read_text(encoding="utf-8"))
    except OSError:
        raise CalendarNotFound(name) from None
    except (ValueError, RecursionError):
        raise CalendarMalformed("", "is no valid JSON") from None
    if not isinstance(document, dict):
        raise CalendarMalformed("", "must be an object")
    return WorkCalendar.from_dict(document)


def _document(found: Deadline, *, policy: str, target: str, start: datetime) -> dict[str, Any]:
    return {
        "policy": policy,
        "target": target,
        "start": start,
        "due_at": found.due_at,
        "calendar_version": found.calendar_version,
        "explanation": found.explanation,
        "warnings": found.warnings,
    }


def _print(found: Deadline) -> None:
    for line in found.explanation[: len(found.explanation) - len(found.warnings)]:
        print_line(line)
    for warning in found.warnings:
        note(f"warning: {warning}")
