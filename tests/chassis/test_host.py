"""`huiyin up`, `run`, `migrate` and `verify` as an operator meets them: real processes on a real data folder."""

import json
import socket
import sqlite3
import stat
import time
from pathlib import Path

import httpx2
import pytest

from huiyin_chassis.datadir import ADMIN_KEY, BROKER_PORT
from tests.chassis.processes import Huiyin, Serving, one_line


@pytest.fixture
def huiyin(tmp_path: Path) -> Huiyin:
    return Huiyin(tmp_path)


def likes(serving: Serving) -> dict[str, int]:
    answer: dict[str, int] = httpx2.get(f"{serving.url}/v1/notes").json()
    return answer


def wait_for_likes(serving: Serving, *, wanted: int) -> None:
    deadline = time.monotonic() + 20
    while likes(serving)["likes"] < wanted:
        assert time.monotonic() < deadline, serving.stderr
        time.sleep(0.05)


def test_one_process_serves_takes_its_own_events_verifies_and_drains(huiyin: Huiyin) -> None:
    with huiyin.serving("up") as up:
        ready = httpx2.get(f"{up.url}/readyz")
        assert ready.status_code == 200
        assert ready.json()["checks"] == [
            "example.consumer",
            "example.database",
            "suite.disk",
        ]
        assert httpx2.get(f"{up.url}/livez").status_code == 200
        for number in range(3):
            assert httpx2.post(f"{up.url}/v1/notes/n{number}").status_code == 201
        wait_for_likes(up, wanted=3)
        running = huiyin.run("verify", "--json")
        assert "admin key" in up.stderr
        assert up.end() == 0
    stopped = huiyin.run("verify", "--json")

    for verified in (running, stopped):
        report = json.loads(verified.stdout)
        assert (verified.returncode, report["ok"]) == (0, True), report
        findings = {finding["name"]: finding for finding in report["checks"]}
        assert findings["example: liked_once"]["ok"] is True
        assert findings["example: every event taken"]["ok"] is True
        assert findings["example: needs_another"]["ok"] is None
        assert "absent.rows" in findings["example: needs_another"]["examples"][0]
    assert not (huiyin.data_dir / BROKER_PORT).exists()
    assert stat.S_IMODE((huiyin.data_dir / ADMIN_KEY).stat().st_mode) == 0o600


def test_verify_finds_an_effect_that_was_lost_and_an_event_never_taken(huiyin: Huiyin) -> None:
    with huiyin.serving("up") as up:
        for number in range(2):
            httpx2.post(f"{up.url}/v1/notes/n{number}").raise_for_status()
        wait_for_likes(up, wanted=2)
    with sqlite3.connect(huiyin.data_dir / "example.db") as database:
        database.execute("UPDATE notes SET likes = 0 WHERE id = 'n1'")
        database.execute("DELETE FROM inbox WHERE event_id = (SELECT min(event_id) FROM inbox)")
        database.execute("UPDATE consumer_offset SET next_offset = next_offset + 9 WHERE next_offset > 0")
    database.close()

    verified = huiyin.run("verify", "--json")

    findings = {finding["name"]: finding for finding in json.loads(verified.stdout)["checks"]}
    assert verified.returncode == 1
    assert findings["example: liked_once"]["examples"] == ["n1 has 0 likes"]
    assert findings["example: every event taken"]["count"] == 1
    assert findings["example: log as long as it was read"]["ok"] is False
    assert findings["example: log read to its end"]["ok"] is True


def test_poison_is_a_dead_letter_that_verify_tells_and_the_operator_settles(huiyin: Huiyin) -> None:
    with huiyin.serving("up") as up:
        httpx2.post(f"{up.url}/v1/notes/bad", params={"name": "poison"}).raise_for_status()
        httpx2.post(f"{up.url}/v1/notes/good").raise_for_status()
        wait_for_likes(up, wanted=1)

        letters = json.loads(huiyin.run("events", "dead", "list", "--json").stdout)
        shown = json.loads(huiyin.run("events", "dead", "show", letters[0]["id"], "--json").stdout)
        assert [(letter["service"], letter["topic"], letter["state"]) for letter in letters] == [
            ("example", "unit.changed", "open")
        ]
        assert shown["headers"]["ce_type"] == "unit.changed"
        assert huiyin.run("verify", "--json", "--wait", "0").returncode == 1

        discarded = huiyin.run("events", "dead", "discard", letters[0]["id"], "--reason", "a test", "--json")
        again = huiyin.run("events", "dead", "redrive", letters[0]["id"])
        assert json.loads(discarded.stdout)["state"] == "discarded"
        assert again.returncode == 1
        assert one_line(again.stderr).endswith("is discarded")


def test_a_service_alone_answers_like_the_hosted_one(huiyin: Huiyin) -> None:
    with huiyin.serving("up") as up:
        httpx2.post(f"{up.url}/v1/notes/first").raise_for_status()
        hosted = httpx2.get(f"{up.url}/openapi.json").json()["paths"]
        with huiyin.serving("run", "example", HUIYIN_INSTANCE="1") as alone:
            assert httpx2.get(f"{alone.url}/readyz").status_code == 200
            assert httpx2.get(f"{alone.url}/v1/notes").json()["count"] == 1
            assert httpx2.get(f"{alone.url}/openapi.json").json()["paths"] == hosted


def test_an_unmigrated_service_is_refused_with_the_command_that_helps(huiyin: Huiyin) -> None:
    refused = huiyin.run("run", "example", HUIYIN_KAFKA_BOOTSTRAP="127.0.0.1:1")

    assert refused.returncode == 1
    assert "huiyin migrate" in one_line(refused.stderr)


def test_migrate_says_what_it_did_and_does_it_once(huiyin: Huiyin) -> None:
    first = huiyin.run("migrate", "--json")
    second = huiyin.run("migrate")

    assert json.loads(first.stdout)["services"] == [{"name": "example", "applied": ["0001", "0002", "0003"]}]
    assert second.stdout == "example: up to date\n"


def test_a_port_in_use_is_one_line_and_leaves_nothing_running(huiyin: Huiyin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = huiyin.run("up", "--port", str(taken.getsockname()[1]))

    assert refused.returncode == 1
    assert "in use" in one_line(refused.stderr)
    assert not (huiyin.data_dir / BROKER_PORT).exists()


def test_a_data_folder_of_a_newer_version_is_one_line(huiyin: Huiyin) -> None:
    huiyin.data_dir.mkdir()
    (huiyin.data_dir / "VERSION").write_text("99\n")

    refused = huiyin.run("up")

    assert refused.returncode == 1
    assert "newer version" in one_line(refused.stderr)
    assert [path.name for path in huiyin.data_dir.iterdir()] == ["VERSION"]


def test_a_broken_setting_is_one_line_that_names_it(huiyin: Huiyin) -> None:
    refused = huiyin.run("up", HUIYIN_TIME_ZONE="Mars/Olympus")

    assert refused.returncode == 2
    assert one_line(refused.stderr).startswith("huiyin: HUIYIN_TIME_ZONE: ")


def test_a_data_folder_that_cannot_be_written_is_one_line(huiyin: Huiyin) -> None:
    refused = huiyin.run("up", HUIYIN_DATA_DIR="/proc/huiyin")

    assert refused.returncode == 1
    assert "cannot be used" in one_line(refused.stderr)


def test_verify_before_any_start_says_what_to_do_and_makes_nothing(huiyin: Huiyin) -> None:
    refused = huiyin.run("verify")

    assert refused.returncode == 1
    assert "--data-dir" in one_line(refused.stderr)
    assert str(huiyin.data_dir) in refused.stderr
    assert not huiyin.data_dir.exists()


def test_a_killed_suite_starts_again_and_loses_nothing(huiyin: Huiyin) -> None:
    with huiyin.serving("up") as first:
        for number in range(5):
            httpx2.post(f"{first.url}/v1/notes/n{number}").raise_for_status()
        first.process.kill()
    with huiyin.serving("up") as second:
        wait_for_likes(second, wanted=5)

        assert likes(second) == {"count": 5, "likes": 5}
        assert "admin key" not in second.stderr
