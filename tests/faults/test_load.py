"""The load is the same for the same seed, and retries until it is answered."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.faults.history import History, lines
from tests.faults.load import Load, feedback
from tests.faults.numbers import Numbers


class Door(BaseHTTPRequestHandler):
    """Refuses the first try of every post with 503, and takes the second."""

    protocol_version = "HTTP/1.1"
    seen: set[str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = body["external_id"]
        status = 422 if "colour" in body else 202 if key in self.seen else 503
        self.seen.add(key)
        answer = json.dumps({"id": f"id-{key}", "duplicate": False}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class SlowDoor(Door):
    """Takes half a second for every answer."""

    def do_POST(self) -> None:
        time.sleep(0.5)
        super().do_POST()


class Server(ThreadingHTTPServer):
    """Has room for many callers at once."""

    request_queue_size = 200


@pytest.fixture
def door() -> Iterator[str]:
    with serving(Door) as url:
        yield url


@pytest.fixture
def slow_door() -> Iterator[str]:
    with serving(SlowDoor) as url:
        yield url


@contextmanager
def serving(door: type[Door]) -> Iterator[str]:
    Door.seen = set()
    server = Server(("127.0.0.1", 0), door)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_seed_says_the_same_every_time_and_another_says_something_else() -> None:
    def said(seed: int) -> list[Any]:
        return [feedback(seed, number)["text"] for number in range(50)]

    assert said(1) == said(1)
    assert said(1) != said(2)


def test_a_post_is_sent_again_under_its_key_until_it_is_answered(door: str, tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    load = Load(door, key="k", history=history, seed=1, rate=200, numbers=Numbers())

    load.start()
    time.sleep(0.5)
    load.finish()

    history.close()
    posts = list(lines(history.path, "post"))
    tries = {number: [line["status"] for line in posts if line["number"] == number] for number in range(10)}
    assert not load.unanswered
    assert len(posts) > 20
    assert all(statuses[:2] == [503, 202] for statuses in tries.values() if 422 not in statuses)


def test_a_load_with_many_threads_keeps_its_rate_though_answers_take_long(
    slow_door: str, tmp_path: Path
) -> None:
    history = History(tmp_path / "history.jsonl")
    many, few = (
        Load(slow_door, key="k", history=history, seed=1, rate=50, numbers=Numbers(), threads=threads)
        for threads in (100, 4)
    )

    for load in (many, few):
        load.start()
    time.sleep(1)
    begun = many.begun, few.begun
    for load in (many, few):
        load.finish()

    history.close()
    assert begun[0] >= 3 * begun[1] > 0
    assert few.most_under_way == 4
    assert 4 < many.most_under_way < 100


def test_a_load_that_nobody_answers_gives_up_in_time(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    load = Load("http://127.0.0.1:1", key="k", history=history, seed=1, rate=100, numbers=Numbers())

    load.start()
    time.sleep(0.2)
    load.finish(patience_seconds=0.3)

    history.close()
    assert load.unanswered
    assert {line["error"] for line in lines(history.path, "post")} == {"ConnectionRefusedError"}
