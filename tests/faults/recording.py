"""`python -m tests.faults.recording 1.0`: records the whole log of the suite as it is, for later suites to read.

Done once per version, and what it has written never changes: see `rereading`. A run that anything is wrong with is not
written down.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.faults.caller import Caller
from tests.faults.counter.log import Record, read_log
from tests.faults.history import ACCEPTED
from tests.faults.load import feedback, note_post
from tests.faults.operators import Operators
from tests.faults.outboxes import held
from tests.faults.rereading import Answers, figures_told, read_anew
from tests.faults.scenario import judge
from tests.faults.snapshot import SNAPSHOTS, Old, undecided
from tests.faults.stack import ADMIN_KEY, SQLITE, Stack, eventually, running

# Among its first sixteen are follow-ups, an urgent case, praise and noise.
_SEED: Final = 17
_FEEDBACKS: Final = 16
_RESPONSE_SECONDS: Final = 12
_RESOLUTION_SECONDS: Final = 24
_SHORT: Final = {"response": f"PT{_RESPONSE_SECONDS}S", "resolution": f"PT{_RESOLUTION_SECONDS}S"}
# Still running when the log is recorded: tickets of its readers are due some day.
_LONG: Final = _SHORT | {"resolution": "PT24H"}
_POLICIES: Final = json.dumps(
    {"classification": "PT20S", "ordinary": _LONG, "urgent": _SHORT, "complex": _LONG}
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Record a version, which must not have been recorded yet."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.recording", description=__doc__)
    parser.add_argument("version", help="the version of the contracts as they are")
    version = parser.parse_args(arguments).version
    log_file, answers_file = (SNAPSHOTS / f"suite-{version}.{kind}" for kind in ("jsonl", "answers.json"))
    assert not log_file.exists(), f"{version} was recorded before"
    with tempfile.TemporaryDirectory(prefix="recording-") as folder:
        log, figures = _live(Path(folder) / "live")
        with running(_made(Path(folder) / "anew"), SQLITE, started=("analytics",)) as stack:
            answers = read_anew(stack, log)
    again = {name: answers[name] for name in figures}
    assert again == figures, "analytics does not read from its log what it had counted"
    lines = [json.dumps(asdict(each), ensure_ascii=False) for each in log]
    log_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    answers_file.write_text(_document(answers), encoding="utf-8")
    sys.stderr.write(f"{len(log)} events, {len(figures)} figures, {len(answers)} answers\n")


def _document(answers: Answers) -> str:
    """Return answers as JSON, each in a line of its own."""
    lines = (f"{json.dumps(name)}: {json.dumps(each, ensure_ascii=False)}" for name, each in answers.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _live(folder: Path) -> tuple[list[Old], dict[str, object]]:
    """Run a suite through a dozen cases; return its log, and the figures of its analytics."""
    with running(_made(folder), SQLITE, settings={"HUIYIN_SLA_POLICIES": _POLICIES}) as stack:
        _play(stack)
        stack.come_to_rest()
        invariants, violations = judge(stack)
        assert all(held is not False for held in invariants.values()), violations
        log = [_kept(record) for record in read_log(stack.bootstrap).records]
        return log, figures_told(stack, log)


def _play(stack: Stack) -> None:
    """Have feedback classified, tickets worked on and left alone, deadlines kept, missed and missed only seemingly."""
    _change_directory(stack)
    # What staff do is heard of after the deadline, so that breaches are told and taken back.
    with held(stack, "desk", "ticket.progressed"):
        ids = [_say(stack, number) for number in range(_FEEDBACKS)]
        eventually(lambda: not any(undecided(stack, ids)))
        operators = Operators(stack.address("desk"), key=ADMIN_KEY, history=stack.history, seed=_SEED)
        operators.start()
        time.sleep(_RESPONSE_SECONDS + 1)
    time.sleep(_RESOLUTION_SECONDS - _RESPONSE_SECONDS + 1)
    operators.finish()


def _change_directory(stack: Stack) -> None:
    person = {"name": "张敏", "unit": "logistics", "roles": ["department"]}
    with Caller(stack.address("directory"), ADMIN_KEY) as directory:
        answer = directory.post("/v1/people", person)
    assert answer.status == 201, answer


def _say(stack: Stack, number: int) -> str:
    body = feedback(_SEED, number)
    with Caller(stack.address("intake"), ADMIN_KEY) as intake:
        told = intake.post("/v1/feedback", body)
    assert told.status == ACCEPTED, told
    note_post(stack.history, told, number=stack.numbers.draw(), body=body)
    return str(told.body["id"])


def _kept(record: Record) -> Old:
    return Old(record.topic, record.case, record.named, (record.value or b"").decode())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
