"""`huiyin demo` as a user runs it: from an empty folder to the summary."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.simulator.processes import environment, huiyin, started

FIELDS = [
    "posted", "accepted", "duplicates", "refused", "tickets", "attached", "triage", "thanked", "not_feedback",
    "dead", "routed", "on_time", "breached", "seconds",
]  # fmt: skip
# Few enough to be quick, enough for every department habit to show.
ROWS = "60"


@pytest.mark.timeout(240)
def test_a_demonstration_ends_with_its_figures_verified_and_nothing_running(tmp_path: Path) -> None:
    data = tmp_path / "data"

    done = huiyin("demo", "--once", "--json", "--port", "0", "--limit", ROWS, folder=data, timeout=200)

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    outcomes = [figures[name] for name in ("tickets", "attached", "triage", "thanked", "not_feedback")]
    assert list(figures) == FIELDS
    assert figures["accepted"] + figures["duplicates"] == figures["posted"] == 60
    assert sum(outcomes) == figures["accepted"]
    assert sum(figures["routed"].values()) == figures["tickets"]
    assert figures["on_time"] > 0
    assert figures["breached"] > 0
    assert figures["on_time"] + figures["breached"] <= figures["tickets"]
    assert (figures["dead"], figures["refused"]) == (0, 0)
    assert "Verified: " in done.stderr
    assert not (data / "demo" / "broker.port").exists(), "the suite was stopped"
    assert [each.name for each in data.iterdir()] == ["demo"], (
        "nothing is written beside the demo's own folder"
    )


@pytest.mark.timeout(240)
def test_it_stays_up_after_the_summary_and_its_example_calls_work(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "huiyin_chassis", "demo", "--port", "0", "--limit", "20"]
    told = ""
    with started(command, env=environment(tmp_path / "data"), folder=tmp_path) as demo:
        assert demo.stdout is not None
        while "Ctrl-C" not in told:
            line = demo.stdout.readline()
            assert line, (tmp_path / "stderr.log").read_text()
            told += line
        calls = re.findall(r"^  (curl .+)$", told, re.MULTILINE)
        answers = [
            json.loads(subprocess.run(call, shell=True, capture_output=True, check=True).stdout)  # noqa: S602
            for call in calls
        ]
        second = huiyin("demo", "--once", "--port", "0", folder=tmp_path / "data")
        demo.send_signal(signal.SIGINT)
        code = demo.wait(timeout=40)

    queue, timeline, posted = answers
    assert code == 0
    assert {ticket["department"] for ticket in queue["items"]} <= {queue["items"][0]["department"]}
    assert timeline["items"]
    assert posted["duplicate"] is False
    assert "Customer service 客服部" in told
    assert (second.returncode, second.stderr.count("\n")) == (1, 1)
    assert "another demo runs" in second.stderr


def test_a_stop_in_the_middle_stops_the_suite_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "huiyin_chassis", "demo", "--once", "--port", "0"]
    log = tmp_path / "stderr.log"
    with started(command, env=environment(tmp_path / "data"), folder=tmp_path) as demo:
        url = None
        while url is None:
            assert demo.poll() is None, log.read_text()
            url = re.search(r"http://\S+", log.read_text())
        demo.send_signal(signal.SIGTERM)
        code = demo.wait(timeout=60)

    assert code == 130
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{url[0]}/livez")


def test_a_folder_that_no_demo_made_is_refused_and_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "data" / "demo"
    precious.mkdir(parents=True)
    (precious / "desk.db").write_text("real data")

    done = huiyin("demo", "--once", folder=tmp_path / "data")

    assert (done.returncode, done.stdout) == (1, "")
    assert "was not made by a demo" in done.stderr
    assert [each.name for each in precious.iterdir()] == ["desk.db"]


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = huiyin("demo", "--once", "--port", str(port), folder=tmp_path / "data")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(f"cannot listen on 127.0.0.1:{port}: the port is in use")
