import json
import shlex
from collections import Counter
from typing import Any

import pytest

from huiyin_simulator.board import Board, Posted
from huiyin_simulator.deadlines import Deadlines
from huiyin_simulator.figures import posted_figures, settled_figures
from huiyin_simulator.live import board_table, progress_line
from huiyin_simulator.messages import CHINESE, ENGLISH, Messages
from huiyin_simulator.outcomes import Outcomes
from huiyin_simulator.summary import (
    DepartmentFigures,
    Summary,
    department_rows,
    headline,
    invitation,
    issue_rows,
    verdict,
)

FIELDS = [
    "posted", "accepted", "duplicates", "refused", "tickets", "attached", "triage", "thanked", "not_feedback",
    "dead", "routed", "on_time", "breached", "seconds",
]  # fmt: skip
POSTED = Posted(rows=10, accepted=8, duplicates=1, refused=1)
OUTCOMES = Outcomes(
    counts=Counter(ticket=5, attached=1, triage=1, thanked=1),
    routed=Counter({"logistics": 2, "product": 3}),
    issues=Counter({("logistics", "delivery"): 4, ("product", "defect"): 2}),
)
NAMES = {"zh-CN": "物流部", "en": "Logistics"}
DEPARTMENTS = (
    DepartmentFigures("logistics", NAMES, tickets=2, answered=2, archived=1, on_time=1, breached=1),
    DepartmentFigures("product", {}, tickets=3, answered=3, archived=3, on_time=3, breached=0),
)


def summary(*checks: dict[str, Any], dead: int = 0) -> Summary:
    deadlines = Deadlines(on_time=frozenset("abcd"), breached=frozenset("e"))
    figures = settled_figures(POSTED, OUTCOMES, deadlines, dead=dead, seconds=61.23)
    report = {"ok": all(check["ok"] is not False for check in checks), "checks": checks}
    return Summary(figures, DEPARTMENTS, OUTCOMES.issues, report)


def test_the_document_has_the_promised_fields_in_their_order() -> None:
    document = summary().figures.document()

    assert list(document) == FIELDS
    assert document["routed"] == {"product": 3, "logistics": 2}
    assert (document["on_time"], document["breached"], document["seconds"]) == (4, 1, 61.2)
    assert json.loads(json.dumps(document)) == document


def test_what_nobody_waited_for_is_unknown_and_not_nought() -> None:
    document = posted_figures(POSTED, seconds=1).document()

    assert list(document) == FIELDS
    assert (document["accepted"], document["tickets"], document["breached"]) == (8, None, None)


def test_the_headline_tells_every_outcome() -> None:
    told = "\n".join(headline(summary(), messages=ENGLISH))

    for part in ("10 pieces", "8 new", "1 repeats", "5 tickets", "1 attached", "4 tickets on time, 1 missed"):
        assert part in told
    assert "huiyin events dead list" not in told


def test_dead_letters_are_told_when_there_are_any() -> None:
    assert "huiyin events dead list" in "\n".join(headline(summary(dead=2), messages=CHINESE))


def test_the_busiest_department_stands_first() -> None:
    rows = department_rows(summary(), messages=ENGLISH)

    assert [row["department"] for row in rows] == ["product", "Logistics 物流部"]
    assert rows[1] == {
        "department": "Logistics 物流部", "tickets": 2, "answered": 2, "archived": 1, "on time": 1, "missed": 1,
    }  # fmt: skip


def test_issues_are_told_by_how_often_they_come() -> None:
    assert issue_rows(summary(), messages=ENGLISH) == [
        {"type / subtype": "logistics / delivery", "feedback": 4},
        {"type / subtype": "product / defect", "feedback": 2},
    ]


def test_the_verdict_counts_the_checks_that_were_made() -> None:
    checked = {"name": "a", "ok": True, "examples": []}
    skipped = {"name": "b", "ok": None, "examples": ["absent"]}

    assert "1 checks" in next(verdict(summary(checked, skipped), messages=ENGLISH))


def test_a_failed_check_is_told_with_examples() -> None:
    failed = {"name": "desk: lost", "ok": False, "examples": ["t1", "t2", "t3"]}

    told = list(verdict(summary(failed), messages=ENGLISH))

    assert told == ["Not verified: 1 of 1 checks failed.", "  desk: lost: t1; t2"]


def test_the_invitation_has_three_calls_that_a_shell_understands() -> None:
    lines = list(
        invitation(
            url="http://127.0.0.1:8000",
            key="secret",
            bootstrap="127.0.0.1:9092",
            department="logistics",
            ticket_id="t1",
            folder="/tmp/demo",
            messages=ENGLISH,
        )
    )
    calls = [shlex.split(line) for line in lines if line.strip().startswith("curl ")]

    assert len(calls) == 3
    assert all("Authorization: Bearer secret" in call for call in calls)
    assert json.loads(calls[2][-1])["channel"] == "website"


@pytest.mark.parametrize("messages", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_the_board_shows_each_department_and_one_line_for_all(messages: Messages) -> None:
    board = Board(total=20, posted=POSTED, outcomes=OUTCOMES, breached=1)
    board.arrived["logistics"] = 2
    board.steps["logistics", "answer"] = 1
    board.steps["logistics", "archived"] = 1
    board.steps["product", "answer"] = 2

    line = progress_line(board, messages=messages, seconds=12)
    table = board_table(board, names={"logistics": NAMES}, messages=messages, seconds=12)

    assert "10/20" in line
    assert board.done("answer") == 3
    assert [list(column.cells) for column in table.columns][1:] == [["2"], ["1"], ["1"]]
