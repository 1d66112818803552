"""The figures of a run count what they say."""

from pathlib import Path

from tests.faults.counter.log import Record
from tests.faults.figures import answer_times, percentile, reordered
from tests.faults.history import History, accepted, lines


def test_an_event_after_a_later_one_of_its_key_is_reordered() -> None:
    log = [_record("a", 1), _record("a", 3), _record("b", 1), _record("a", 2)]

    assert reordered(log) == 1


def test_an_event_delivered_again_is_not_reordered() -> None:
    log = [_record("a", 1), _record("a", 2), _record("a", 1)]

    assert reordered(log) == 0


def test_a_record_that_tells_no_sequence_is_not_reordered() -> None:
    log = [_record("a", 1), Record("t", 0, 1, b"a", (("ce_sequence", b"\xff"),), b""), _record("a", 2)]

    assert reordered(log) == 0


def test_percentiles_are_values_that_occurred() -> None:
    numbers = [float(number) for number in range(1, 101)]

    assert (percentile(numbers, 50), percentile(numbers, 99), percentile([], 50)) == (50, 99, None)


def test_answers_are_sorted_into_accepted_and_not(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    for number, status, error in ((1, 202, None), (2, 503, None), (3, None, "TimeoutError"), (4, 422, None)):
        history.write("post", number=number, status=status, error=error, seconds=0.01, id=f"id-{number}")
    history.close()

    assert accepted(history.path) == {1: {"id-1"}}
    assert answer_times(lines(history.path, "post")) == {
        "accept_p50_ms": 10,
        "accept_p99_ms": 10,
        "not_accepted": {"503": 1, "TimeoutError": 1},
    }


def test_a_feedback_that_was_given_two_ids_shows(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    for given in ("one", "two"):
        history.write("post", number=7, status=202, id=given)
    history.close()

    assert accepted(history.path) == {7: {"one", "two"}}


def _record(key: str, sequence: int) -> Record:
    headers = (("ce_id", f"{key}-{sequence}".encode()), ("ce_sequence", str(sequence).encode()))
    return Record("t", 0, 0, key.encode(), headers, b"")
