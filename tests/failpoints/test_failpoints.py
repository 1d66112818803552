"""Failpoints: off they do nothing, armed they act once at their turn, and every label stands in the code."""

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from huiyin_failpoints import LABELS, FailpointHit, FailpointUnknown, armed_by, reach
from tests.support.servers import PROJECT

LOOP = "from huiyin_failpoints import reach\nfor n in range(5): reach('relay.after_produce'); print(n, flush=True)"


def _run(failpoints: str, code: str = LOOP) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"HUIYIN_FAILPOINTS": failpoints},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_place_that_is_not_armed_does_nothing() -> None:
    reach("relay.after_produce")


def test_kill_ends_the_process_at_its_turn() -> None:
    done = _run("relay.after_produce=kill@3")

    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["0", "1"]


def test_an_error_is_raised_once() -> None:
    armed = armed_by("broker.before_commit=error@2")["broker.before_commit"]

    armed.reached()
    with pytest.raises(FailpointHit):
        armed.reached()
    armed.reached()


def test_stop_freezes_the_process_until_it_is_continued() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOOP],
        env={"HUIYIN_FAILPOINTS": "relay.after_produce=stop"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        end = time.monotonic() + 20
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate(timeout=20)

    assert output.split() == ["0", "1", "2", "3", "4"]
    assert time.monotonic() < end


def test_several_places_can_be_armed_at_once() -> None:
    armed = armed_by("relay.mid_batch=kill, broker.mid_fetch=stop@7")

    assert {label: each.turn for label, each in armed.items()} == {
        "relay.mid_batch": 1,
        "broker.mid_fetch": 7,
    }


@pytest.mark.parametrize(
    "words", ["nowhere=kill", "relay.mid_batch", "relay.mid_batch=melt", "relay.mid_batch=kill@x"]
)
def test_words_that_mean_nothing_are_refused_and_say_what_would(words: str) -> None:
    with pytest.raises(FailpointUnknown, match=r"labels: database\.before_commit"):
        armed_by(words)


def test_a_process_with_an_unknown_failpoint_does_not_start() -> None:
    done = _run("nowhere=kill")

    assert done.returncode != 0
    assert "FailpointUnknown" in done.stderr


def test_every_label_stands_in_the_code_once_and_every_place_has_a_label() -> None:
    sources = [path for folder in ("libs", "services") for path in (PROJECT / folder).rglob("*.py")]

    reached = Counter(label for path in sources for label in _labels_in(path))

    assert reached == Counter(dict.fromkeys(LABELS, 1))


def _labels_in(path: Path) -> list[str]:
    if path.is_relative_to(PROJECT / "libs" / "failpoints"):
        return []
    return re.findall(r'\breach\("([a-z_.]+)"\)', path.read_text(encoding="utf-8"))
