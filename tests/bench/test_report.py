"""The README's table comes from a run's result and from nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.figures import Figure, Triple

ABOUT: dict[str, Any] = {
    "began_at": "2026-11-22T20:00+00:00",
    "minutes": 30.0,
    "rounds": 3,
    "scale": 1.0,
    "command": "python -m bench",
    "notes": ["django-helpdesk: no network"],
    "machine": {
        "processor": "Example",
        "processors": 2,
        "memory_mib": 24_000,
        "kernel": "6.1",
        "system": "Debian",
    },
    "versions": {"python": "3.11.7"},
    "commit": "abc",
}


def _figure(value: float, *, bar: str | None = "T1") -> Figure:
    return Figure(number="T1", what="accepted/s", value=Triple(value, value, value), unit="×", bar=bar)


def test_a_result_is_read_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "result.json"

    report.save(path, [_figure(0.5)], about=ABOUT)

    assert report.read(path) == ([_figure(0.5)], ABOUT)


def test_a_later_run_of_some_measures_takes_their_place_and_is_named(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.json", tmp_path / "part.json"
    first, other, last = _figure(0.1), replace(_figure(0.2), number="T9"), replace(_figure(0.3), number="T16")
    report.save(whole, [first, other, last], about={**ABOUT, "left_out": ["flat", "broker"]})
    later = [replace(other, what="later"), replace(other, what="later too")]
    report.save(part, later, about={**ABOUT, "left_out": ["accept", "broker"]})

    report.merge(whole, part)

    figures, about = report.read(whole)
    assert [figure.what for figure in figures] == ["accepted/s", "later", "later too", "accepted/s"]
    assert "- Measured in a run of its own: T9 at" in report.chapter(figures, about=about)
    assert about["left_out"] == ["broker"]


def test_a_judged_figure_shows_bar_stretch_and_verdict() -> None:
    lines = report.table([_figure(0.5)], about=ABOUT).splitlines()

    assert lines[-1] == "| T1 |  | accepted/s | ≥ 0.45× | ≥ 0.70× | 0.50 [0.50..0.50] × | bar |  |  |"


def test_an_absolute_figure_is_told_at_the_speed_of_the_reference_too() -> None:
    rate = replace(_figure(600, bar="T9"), unit="/s", bare_us=162.0)
    cost = replace(_figure(300, bar="CPU"), unit=" µs", bare_us=162.0)

    lines = report.table([rate, cost], about=ABOUT).splitlines()[-2:]

    assert "| **missed** | 900 [900..900]/s: bar |" in lines[0]
    assert "| **missed** | 200 [200..200] µs: bar |" in lines[1]


def test_a_ratio_and_a_figure_of_unknown_speed_are_not_scaled() -> None:
    ratio = replace(_figure(0.5), bare_us=162.0)
    unknown = replace(_figure(600, bar="T9"), unit="/s")

    lines = report.table([ratio, unknown], about=ABOUT).splitlines()[-2:]

    assert lines[0].endswith("| bar |  |  |")
    assert lines[1].endswith("| **missed** |  |  |")


def test_the_speed_of_the_machine_and_both_counts_of_verdicts_are_told() -> None:
    figure = replace(_figure(600, bar="T9"), unit="/s", bare_us=162.0)

    told = report.conditions([figure], about=ABOUT)

    assert "0 of 1 judged figures reach their bar as measured, 0 the stretch; scaled" in told
    assert "scaled to the reference's speed 1 and 0." in told
    assert "here it spent 162 [162..162] µs, which is 0.67 [0.67..0.67] of that speed" in told


def test_a_smoke_test_is_not_judged() -> None:
    chapter = report.chapter([_figure(0.5)], about={**ABOUT, "is_smoke_test": True})

    assert "nothing is judged" in chapter
    assert "| 0.50 [0.50..0.50] × |  |  |  |" in chapter


def test_what_was_left_out_is_told() -> None:
    chapter = report.chapter([_figure(0.5)], about={**ABOUT, "left_out": ["flat", "broker"]})

    assert "Left out: flat, broker." in chapter


def test_a_missed_bar_is_not_hidden() -> None:
    chapter = report.chapter([_figure(0.1), _figure(0.9), _figure(0.1, bar=None)], about=ABOUT)

    assert "1 of 2 judged figures reach their bar as measured, 1 the stretch" in chapter
    assert "**missed**" in chapter


def test_it_is_said_how_busy_others_were_and_how_short_a_run_was() -> None:
    details = {"ours": {"others": [0.5, 0.25]}, "others": 1.0}
    figure = Figure(number="T1", what="x", value=Triple(1, 1, 1), details=details)

    assert "work that is not the run's used 0.50 [0.25..1.00] of 2 processors." in report.chapter(
        [figure], about=ABOUT
    )
    assert "were 0.3 of what is usual" in report.chapter([figure], about={**ABOUT, "scale": 0.3})
    assert "Meanwhile" not in report.chapter([_figure(0.5)], about=ABOUT)


def test_what_could_not_be_measured_is_said() -> None:
    chapter = report.chapter([_figure(0.5)], about=ABOUT)

    assert "- Not measured: django-helpdesk: no network" in chapter


def test_a_quoted_reference_is_marked_as_quoted() -> None:
    figure = Figure(
        number="T3", what="x", value=Triple(1, 1, 1), reference="RT", quoted="quoted from elsewhere"
    )

    assert "RT: (quoted from elsewhere)" in report.table([figure], about=ABOUT)


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    readme = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"

    written = report.with_chapter(readme, "new")

    assert written == f"before\n{report.BEGIN}\n\nnew\n\n{report.END}\nafter\n"


def test_a_readme_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="lost the marks"):
        report.with_chapter("nothing here", "new")


def test_the_table_of_the_readme_is_the_newest_result() -> None:
    newest = report.newest()
    if newest is None:
        pytest.skip("no run has been recorded")
    figures, about = report.read(newest)
    text = report.README.read_text(encoding="utf-8")

    assert report.with_chapter(text, report.chapter(figures, about=about)) == text
