"""The history checker finds each kind of broken word, and none where the log kept it."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.log_history import Commit, History, Place, Session, Value, load_history

A, B, C = Value("a", 0), Value("a", 1), Value("b", 0)


def log(*values: Value, partition: int = 0) -> dict[Place, Value]:
    return {Place(partition, offset): value for offset, value in enumerate(values)}


def session(reads: Mapping[int, list[tuple[int, Value]]], *, began_at: int = 0, group: str = "g") -> Session:
    return Session(group, began_at, reads)


def kinds(history: History) -> set[str]:
    return {sentence.partition(":")[0] for sentence in history.violations()}


def test_a_log_that_kept_its_word_has_no_violation() -> None:
    history = History(
        sent=[(A, Place(0, 0)), (C, Place(0, 2))],
        sessions=[
            session({0: [(0, A), (1, B)]}),
            session({0: [(1, B), (2, C)]}, began_at=9),
            session({0: [(0, A)]}, group="other"),
        ],
        commits=[Commit("g", 5, 0, 1)],
        log=log(A, B, C),
    )

    assert history.violations() == []
    assert history.redelivered() == 1


@pytest.mark.parametrize(
    ("kind", "history"),
    [
        ("lost", History(sent=[(B, Place(0, 1))], log=log(A))),
        ("lost", History(sent=[(A, Place(0, 1))], log=log(A, B))),
        ("doubled", History(log=log(A, A))),
        ("doubled", History(log={**log(A), **log(A, partition=1)})),
        ("reordered", History(log=log(B, A))),
        ("hole", History(log={Place(0, 1): A})),
        ("changed", History(sessions=[session({0: [(0, C)]})], log=log(A))),
        ("changed", History(sessions=[session({0: [(0, A), (1, B)]})], log=log(A))),
        ("skipped", History(sessions=[session({0: [(1, B)], 1: []}), session({0: [(0, A), (2, C)]})], log=log(A, B, C))),
        ("skipped", History(sessions=[session({0: [(0, A), (0, A)]})], log=log(A))),
        ("passed over", History(sessions=[session({0: [(1, B)]})], log=log(A, B))),
        (
            "forgotten commit",
            History(
                sessions=[session({0: [(0, A), (1, B)]}), session({0: [(0, A)]}, began_at=9)],
                commits=[Commit("g", 5, 0, 1)],
                log=log(A, B),
            ),
        ),
    ],
)  # fmt: skip
def test_each_broken_word_is_found_and_called_by_its_name(kind: str, history: History) -> None:
    assert kinds(history) == {kind}


def test_a_commit_that_came_later_or_of_another_group_binds_nobody() -> None:
    history = History(
        sessions=[session({0: [(0, A), (1, B)]}, began_at=3)],
        commits=[Commit("g", 5, 0, 1), Commit("other", 1, 0, 2), Commit("g", 1, 1, 2)],
        log=log(A, B),
    )

    assert history.violations() == []


def test_what_clients_wrote_is_read_up_to_the_last_whole_line(tmp_path: Path) -> None:
    (tmp_path / "p1.sent").write_text('{"at": 1, "number": 0, "partition": 2, "offset": 0}\n{"at": 2, "num')
    lines = [
        {"at": 1, "assigned": [2]},
        {"at": 2, "read": [2, 0, "p1:0"]},
        {"at": 3, "committed": {"2": 1}},
        {"at": 4, "assigned": []},
    ]
    (tmp_path / "group-one-1.read").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    history = load_history(tmp_path, log={Place(2, 0): Value("p1", 0)})

    assert history.sent == [(Value("p1", 0), Place(2, 0))]
    assert history.commits == [Commit("group-one", 3, 2, 1)]
    assert history.sessions == [
        Session("group-one", 1, {2: [(0, Value("p1", 0))]}),
        Session("group-one", 4, {}),
    ]
    assert history.violations() == []
