"""`huiyin seed` as a user runs it."""

import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.simulator.answering import Answer, Asked, accepted, answering
from tests.simulator.processes import ADMIN_KEY, RunningSuite, huiyin
from tests.support.servers import free_ports


def rows(prefix: str, count: int) -> list[dict[str, Any]]:
    texts = (
        "快递三天没动，客服电话也打不通",
        "屏幕碎了要求退货",
        "东西很好，谢谢",
        "How do I change my address?",
    )
    return [
        {
            "external_id": f"{prefix}-{number}",
            "channel": "chat",
            "received_at": f"2026-11-20T10:{number % 60:02}:00+08:00",
            "author": f"{prefix}-u{number}",
            "lang": "zh",
            "product": None,
            "rating": None,
            "text": texts[number % len(texts)],
            "source": "test",
            "source_label": None,
            "resend_of": None,
            "redelivery": False,
        }
        for number in range(count)
    ]


def written(path: Path, *values: object) -> Path:
    path.write_text(
        "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values), encoding="utf-8"
    )
    return path


def seed(file: Path, *arguments: str, url: str, lang: str = "C.UTF-8") -> "subprocess.CompletedProcess[str]":
    key = ("--url", url, "--key", ADMIN_KEY)
    return huiyin("seed", str(file), *key, *arguments, folder=file.parent / "none", LANG=lang)


def test_every_new_row_has_its_outcome_and_the_figures_add_up(suite: RunningSuite, tmp_path: Path) -> None:
    made = rows("wait", 60)
    file = tmp_path / "rows.jsonl.gz"
    with gzip.open(file, "wt", encoding="utf-8") as stream:
        stream.writelines(f"{json.dumps(row)}\n" for row in [*made, made[7]])

    done = seed(file, "--wait", "--json", url=suite.url)

    figures = json.loads(done.stdout)
    outcomes = [figures[name] for name in ("tickets", "attached", "triage", "thanked", "not_feedback")]
    assert (done.returncode, done.stderr) == (0, "")
    assert (figures["posted"], figures["accepted"], figures["duplicates"]) == (61, 60, 1)
    assert sum(outcomes) == 60
    assert sum(figures["routed"].values()) == figures["tickets"] > 0
    assert (figures["dead"], figures["refused"]) == (0, 0)


def test_posting_again_changes_nothing(suite: RunningSuite, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", *rows("again", 20))

    first = json.loads(seed(file, "--json", url=suite.url).stdout)
    second = json.loads(seed(file, "--wait", "--json", url=suite.url).stdout)

    assert (first["accepted"], first["tickets"]) == (20, None)
    assert (second["accepted"], second["duplicates"], second["tickets"]) == (0, 20, 0)


def test_rows_arrive_with_their_time_author_and_kind(suite: RunningSuite, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", {**rows("fields", 1)[0], "rating": 4})

    seed(file, url=suite.url)

    asked = {"channel": "chat", "external_id": "fields-0"}
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    (found,) = httpx2.get(f"{suite.url}/v1/feedback", params=asked, headers=headers).json()["items"]
    assert (found["kind"], found["author"]["id"]) == ("message", "fields-u0")
    assert found["occurred_at"] == "2026-11-20T02:00:00Z"
    assert (found["rating"]["value"], found["rating"]["max"]) == (4, 5)


def test_a_bad_line_is_told_and_what_stands_before_it_is_posted(suite: RunningSuite, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", *rows("bad", 3), {"external_id": "x"}, *rows("after", 1))

    done = seed(file, "--json", url=suite.url)

    assert done.returncode == 1
    assert done.stderr.startswith("huiyin: line 4: ")
    assert json.loads(done.stdout)["accepted"] == 3


def test_a_row_that_intake_refuses_is_told_and_does_not_stop_the_others(
    suite: RunningSuite, tmp_path: Path
) -> None:
    made = rows("refused", 3)
    made[1]["channel"] = "Not A Slug"
    file = written(tmp_path / "rows.jsonl", *made)

    done = seed(file, "--wait", "--json", url=suite.url)

    figures = json.loads(done.stdout)
    assert done.returncode == 1
    assert (figures["accepted"], figures["refused"]) == (2, 1)
    assert done.stderr.startswith("row 2 refused: #/channel ")


def test_a_limit_posts_the_first_rows_only(suite: RunningSuite, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", *rows("limit", 9))

    done = seed(file, "--limit", "4", url=suite.url, lang="zh_CN.UTF-8")

    assert done.stdout.splitlines()[0].endswith("新 4 条，重复 0 条，拒收 0 条")


def test_a_refused_key_is_one_line(suite: RunningSuite, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", *rows("key", 1))

    done = huiyin("seed", str(file), "--url", suite.url, "--key", "wrong", folder=tmp_path / "none")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "huiyin: /v1/feedback/batch does not know the key\n"


def test_without_a_key_nothing_is_posted(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", *rows("nokey", 1))

    done = huiyin("seed", str(file), folder=tmp_path / "none")

    assert done.returncode == 2
    assert "HUIYIN_ADMIN_KEY" in done.stderr


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    (free,) = free_ports(1)

    done = seed(tmp_path / "absent.jsonl", url=f"http://127.0.0.1:{free}")

    assert done.returncode == 1
    assert "absent.jsonl cannot be read: No such file" in done.stderr


@pytest.mark.parametrize("trouble", [Answer(status=503, headers={"Retry-After": "1"}), Answer(cut=True)])
def test_a_suite_in_trouble_is_waited_for(trouble: Answer, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", *rows("retry", 3))
    known: set[str] = set()
    troubles = [trouble, trouble]

    def answer(asked: Asked) -> Answer:
        return troubles.pop() if troubles else accepted(asked, known=known)

    with answering(answer) as server:
        done = seed(file, "--json", url=server.url)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["accepted"] == 3
    assert len(server.asked) == 3
