"""A small HTTP server that answers as a test tells it: what a suite in trouble looks like from outside."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """What to answer; `cut` breaks the connection instead."""

    document: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


class Answering:
    """A running server: its address, and what it was asked, in order."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []


@contextmanager
def answering(answer: Callable[[Asked], Answer]) -> Iterator[Answering]:
    """Run a server that answers each request by a function."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            parts = urlsplit(self.path)
            asked = Asked(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                dict(self.headers),
                json.loads(raw) if raw else None,
            )
            server.asked.append(asked)
            given = answer(asked)
            if given.cut:
                self.close_connection = True
                return
            content = json.dumps(given.document).encode()
            self.send_response(given.status)
            for name, value in {**given.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - named so by the standard library

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named so by the standard library
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as listening:
        server = Answering(f"http://127.0.0.1:{listening.server_port}")
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def accepted(asked: Asked, *, known: set[str]) -> Answer:
    """Answer a batch as intake does: an id per natural key, `duplicate` when it is in `known` already."""
    items = []
    for index, item in enumerate(asked.body["items"]):
        feedback_id = f"f-{item['channel']}-{item['external_id']}"
        items.append(
            {"index": index, "id": feedback_id, "status": "received", "duplicate": feedback_id in known}
        )
        known.add(feedback_id)
    return Answer({"items": items}, status=202)
