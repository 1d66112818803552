"""The planted bugs still fit the code, name tests that exist, and the trial tells a bug from none."""

import ast
from pathlib import Path

import pytest

from tests.mutants.planted_bug import Edit, EditDoesNotFit, PlantedBug, planted_bugs
from tests.mutants.trial import TrialBroken, Verdict, check_tests_pass, try_bug
from tests.mutants.verdicts import load_verdicts, rows, store_verdicts, table
from tests.support.servers import PROJECT

RULES = "tests/broker/test_producers.py"
STALE = f"{RULES}::test_an_older_epoch_is_stale"
GAP = f"{RULES}::test_a_gap_is_out_of_sequence"
NO_GAPS = Edit(
    "libs/broker/huiyin_broker/producers.py", "        raise OutOfSequence\n    return None", "        pass"
)
ISSUE = {
    "ack_before_commit",
    "offset_before_effects",
    "inbox_skipped",
    "relay_deletes_before_ack",
    "sequence_moved_before_commit",
    "no_fencing",
}

each_bug = pytest.mark.parametrize("bug", planted_bugs(), ids=lambda bug: bug.name)


def planted(edit: Edit, *tests: str) -> PlantedBug:
    return PlantedBug("for_this_test", "a bug of this test", (edit,), tests)


@each_bug
def test_a_planted_bug_fits_the_code_and_leaves_it_readable(bug: PlantedBug, tmp_path: Path) -> None:
    for path in {edit.path for edit in bug.edits}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((PROJECT / path).read_text(encoding="utf-8"), encoding="utf-8")

    bug.plant(tmp_path)

    for edit in bug.edits:
        ast.parse((tmp_path / edit.path).read_text(encoding="utf-8"))


@each_bug
def test_the_tests_of_a_planted_bug_exist(bug: PlantedBug) -> None:
    for test in bug.tests:
        file, _, name = test.partition("::")
        source = (PROJECT / file).read_text(encoding="utf-8")

        assert f"def {name.partition('[')[0]}(" in source


def test_the_bugs_that_must_be_planted_are() -> None:
    assert {bug.name for bug in planted_bugs()} >= ISSUE


@pytest.mark.parametrize("text", ["", "one\none\n"])
def test_lines_that_are_not_there_exactly_once_are_not_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "code.py").write_text(text)

    with pytest.raises(EditDoesNotFit):
        Edit("code.py", "one\n", "two\n").apply(tmp_path)

    assert (tmp_path / "code.py").read_text() == text


def test_a_trial_names_the_test_that_notices_and_leaves_the_tree_alone() -> None:
    before = (PROJECT / NO_GAPS.path).read_bytes()

    verdict = try_bug(planted(NO_GAPS, STALE, GAP))

    assert (verdict.noticed_by, verdict.missed_by) == ((GAP,), (STALE,))
    assert (PROJECT / NO_GAPS.path).read_bytes() == before


def test_a_bug_that_its_tests_do_not_notice_survives() -> None:
    assert not try_bug(planted(NO_GAPS, STALE)).is_noticed
    assert try_bug(planted(NO_GAPS, GAP)).is_noticed


def test_a_bug_that_breaks_the_import_is_not_taken_for_a_noticed_one() -> None:
    nonsense = Edit(NO_GAPS.path, "from dataclasses import", "from nowhere import")

    with pytest.raises(TrialBroken):
        try_bug(planted(nonsense, GAP))


def test_tests_that_fail_without_a_bug_prove_nothing() -> None:
    with pytest.raises(TrialBroken):
        check_tests_pass([f"{RULES}::test_that_is_not_there"])


def test_the_table_shows_survivors(tmp_path: Path) -> None:
    both = ("tests/t.py::test_x[sqlite]", "tests/t.py::test_x[postgresql]")
    verdicts = [
        Verdict(name="one_bug", title="It is wrong", noticed_by=both, missed_by=(), seconds=1.26),
        Verdict(name="other", title="Worse", noticed_by=(), missed_by=("tests/t.py::test_y",), seconds=2),
    ]

    store_verdicts(verdicts, tmp_path / "mutants.json")

    assert table(tmp_path / "mutants.json") == rows(load_verdicts(tmp_path / "mutants.json"))
    assert rows(verdicts).splitlines()[2:] == [
        "| one bug | It is wrong | `t.py::test_x` sqlite, postgresql | 1 |",
        "| other | Worse | **not by** `t.py::test_y` | 2 |",
    ]
    assert table(tmp_path / "absent.json").startswith("No planted bug was tried")
