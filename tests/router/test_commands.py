"""`huiyin model predict --jsonl`: lines of texts in, lines of labels out."""

import io
import json
from typing import Any

import pytest

from huiyin_chassis.cli import run
from huiyin_router.commands import MAX_LINE_BYTES, predicted
from huiyin_router.errors import LineUnreadable
from tests.router.feedback import BROKEN, LATE_DELIVERY

FIELDS = ["id", "nature", "type", "subtype", "subtype2", "urgency", "sentiment", "confidence", "spans"]


def line(**row: Any) -> bytes:
    """Return a row as a line of JSON."""
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def given(monkeypatch: pytest.MonkeyPatch, stdin: bytes) -> None:
    """Put bytes on stdin."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))


def test_each_line_of_text_gives_a_line_of_labels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(
        monkeypatch, line(id="a", text=LATE_DELIVERY) + b"\n" + line(id=2, text=BROKEN, rating=1, lang="zh")
    )

    code = run(["model", "predict", "--jsonl"])

    rows = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert [row["id"] for row in rows] == ["a", 2]
    assert list(rows[0]) == FIELDS
    assert (rows[0]["type"], rows[1]["type"]) == ("logistics", "product")
    span = rows[0]["spans"][0]
    assert set(span) == {"start", "end", "label"}


def test_a_line_is_answered_before_the_next_one_is_read() -> None:
    read: list[int] = []

    def lines() -> Any:
        for number in range(3):
            read.append(number)
            yield line(id=number, text=BROKEN)

    answers = predicted(lines())

    assert json.loads(next(answers))["id"] == 0
    assert read == [0]


def test_the_rating_counts_stars_of_five() -> None:
    worst, best = (
        json.loads(next(predicted([line(id=1, text="还行", rating=stars)])))["sentiment"] for stars in (1, 5)
    )

    assert (worst, best) == ("negative", "positive")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"nonsense\n", "is no JSON in UTF-8"),
        (b"\xff\xfe\n", "is no JSON in UTF-8"),
        (b"[" * 100_000, "is no JSON in UTF-8"),
        (b'{"id":1,"text":"\\ud800"}\n', "is no JSON in UTF-8"),
        (b"[]\n", "is no JSON object"),
        (line(text="no id"), "needs an id and a text"),
        (line(id="a"), "needs an id and a text"),
        (line(id="a", text=7), "needs an id and a text"),
        (line(id="a", text="x", lang=7), "lang is no text"),
        (line(id="a", text="x", rating="5"), "rating is no number from 0 to 5"),
        (line(id="a", text="x", rating=6), "rating is no number from 0 to 5"),
        (line(id="a", text="x", rating=True), "rating is no number from 0 to 5"),
        (line(id="a", text="x", stars=1), "has the unknown field 'stars'"),
        (b'{"id":1,"text":"' + b"x" * MAX_LINE_BYTES + b'"}', f"is longer than {MAX_LINE_BYTES} bytes"),
    ],
)
def test_a_bad_line_is_told_by_its_number(bad: bytes, why: str) -> None:
    answers = predicted([line(id="a", text=BROKEN), bad])
    next(answers)

    with pytest.raises(LineUnreadable) as refused:
        next(answers)

    assert str(refused.value) == f"line 2 {why}"


def test_a_bad_line_ends_the_command_with_one_line_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, b"nonsense\n")

    code = run(["model", "predict", "--jsonl"])

    assert code == 1
    assert capsys.readouterr().err == "huiyin: line 1 is no JSON in UTF-8\n"


def test_without_jsonl_the_command_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["model", "predict"])

    assert code == 2
    assert "--jsonl" in capsys.readouterr().err
