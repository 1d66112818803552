"""The load generator, a process of its own: `python -m bench.load JSON`, with the fields of `Load`.

It must cost much less than the server it measures, on the same two cores: bytes are built beforehand, a connection
writes its next request as soon as it has read an answer, and of an answer only status and length are read. Closed loop:
every connection always has one request under way. Open loop (`per_second`): requests are due at even times, and the
latency runs from when a request was due, so that a server that stalls cannot hide it.
"""

import asyncio
import json
import os
import sys
from array import array
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter, process_time
from typing import Any, Final
from urllib.parse import urlsplit

import uvloop

from bench import texts

Told = Callable[[int, bytes, float], None]
"""Is called with the status, the body and the time of each answer."""
_GOOD: Final = frozenset({200, 201, 202})


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send: where, how many at a time, for how long. `limit` ends it after so many requests."""

    url: str
    headers: Sequence[str] = ()
    preset: str = "feedback"
    connections: int = 1
    seconds: float = 2.0
    warmup_seconds: float = 0.5
    per_second: float = 0.0
    limit: int = 0

    def command(self) -> list[str]:
        """Return the arguments of the module that runs it."""
        return [json.dumps(asdict(self))]


@dataclass(slots=True)
class Tally:
    """What came back. Times are of the counted span, after the warm-up; `answered` counts all."""

    counted_from: float = 0.0
    answered: int = 0
    last_at: float = 0.0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    errors: Counter[str] = field(default_factory=Counter)
    sample: str = ""

    def add(self, status: int, *, due: float, now: float) -> None:
        """Count one answer."""
        if status not in _GOOD:
            self.errors[str(status)] += 1
            return
        self.answered += 1
        if due >= self.counted_from:
            self.latencies.append(now - due)
            self.last_at = now

    def figures(self, *, items: int, cpu_seconds: float) -> dict[str, Any]:
        """Return the rates per second and the latencies in milliseconds."""
        ordered = sorted(self.latencies)
        span = max(self.last_at - self.counted_from, 1e-9)
        return {
            "items": self.answered * items,
            "items_per_second": len(ordered) * items / span,
            "seconds": span,
            **{f"p{share}_ms": _quantile(ordered, share / 100) for share in (50, 99)},
            "max_ms": _quantile(ordered, 1),
            "errors": dict(self.errors),
            "error_sample": self.sample,
            "generator_cpu_seconds": cpu_seconds,
        }


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, generator: "Generator") -> None:
        self._generator = generator
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.due = 0.0
        self.is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # asyncio's own typing of TCP transports

    def send(self, request: bytes, *, due: float) -> None:
        """Write a request."""
        self.due, self.is_waiting = due, True
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read the answer; when it is whole, count it."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        self._buffer, self.is_waiting = rest[length:], False
        self._generator.answered(self, int(head[9:12]), rest[:length])

    def connection_lost(self, _exc: Exception | None) -> None:
        """Count an answer that will not come."""
        self._transport = None
        self._generator.lost(self)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()


class Generator:
    """Sends a load; `told` hears of every answer."""

    def __init__(self, load: Load, told: Told | None = None) -> None:
        self._load = load
        self._told = told
        target = urlsplit(load.url)
        self._host, self._port = target.hostname or "127.0.0.1", target.port or 80
        lines = [f"POST {target.path} HTTP/1.1", f"Host: {target.netloc}", "Content-Type: application/json"]
        self._head = "\r\n".join([*lines, *load.headers, "Content-Length: "]).encode()
        self._pieces = texts.pieces(load.preset)
        self._run = os.urandom(4).hex().encode()
        self._sent = 0
        self._idle: deque[Connection] = deque()
        self._due: deque[float] = deque()
        self._open = 0
        self._ends = 0.0
        self._over: asyncio.Future[None] | None = None
        self.tally = Tally()

    async def run(self) -> dict[str, Any]:
        """Send until the time is over and the last answer is there; return the figures."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        connections = [await self._connect() for _ in range(self._load.connections)]
        began, cpu = perf_counter(), process_time()
        self.tally.counted_from = began + self._load.warmup_seconds
        self._ends = self.tally.counted_from + self._load.seconds
        self._open = len(connections)
        if self._load.per_second:
            self._idle.extend(connections)
            await self._keep_time(began)
        else:
            for each in connections:
                self._go_on(each)
        await self._over
        for each in connections:
            each.close()
        return self.tally.figures(items=texts.items_of(self._load.preset), cpu_seconds=process_time() - cpu)

    def answered(self, connection: Connection, status: int, body: bytes) -> None:
        """Count an answer and send what is next on its connection."""
        now = perf_counter()
        self.tally.add(status, due=connection.due, now=now)
        if status not in _GOOD:
            self.tally.sample = body[:300].decode(errors="replace")
        if self._told is not None:
            self._told(status, body, now)
        self._go_on(connection)

    def lost(self, connection: Connection) -> None:
        """Count a connection that broke; it is not opened again."""
        if connection.is_waiting:
            self.tally.errors["connection lost"] += 1
            self._leave()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), self._host, self._port)
        return connection

    def _go_on(self, connection: Connection) -> None:
        """Send the next request: in a closed loop now, in an open one when it is due."""
        if self._load.per_second:
            if self._due:
                connection.send(self._request(), due=self._due.popleft())
            else:
                self._idle.append(connection)
                self._end_when_idle()
            return
        now = perf_counter()
        if now >= self._ends or (self._load.limit and self._sent >= self._load.limit):
            self._leave()
        else:
            connection.send(self._request(), due=now)

    def _leave(self) -> None:
        self._open -= 1
        if self._open == 0 and self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def _keep_time(self, began: float) -> None:
        """Send each request when it is due, or when a connection is free after that."""
        step, number = 1 / self._load.per_second, 0
        while (due := began + number * step) < self._ends:
            number += 1
            await asyncio.sleep(max(0.0, due - perf_counter()))
            if self._idle:
                self._idle.popleft().send(self._request(), due=due)
            else:
                self._due.append(due)
        self._end_when_idle()

    def _end_when_idle(self) -> None:
        is_over = perf_counter() >= self._ends - 1 / self._load.per_second
        if (
            is_over
            and not self._due
            and len(self._idle) == self._open
            and self._over
            and not self._over.done()
        ):
            self._over.set_result(None)

    def _request(self) -> bytes:
        self._sent += 1
        pieces = self._pieces[self._sent % len(self._pieces)]
        number = b"%s%08x" % (self._run, self._sent)
        is_batch = texts.items_of(self._load.preset) > 1
        body = _numbered(pieces, number) if is_batch else number.join(pieces)
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)


def _numbered(pieces: Sequence[bytes], number: bytes) -> bytes:
    """Return a batch's body: its items' slots come in pairs, the external id and the author's."""
    whole = [pieces[0]]
    for slot, piece in enumerate(pieces[1:]):
        whole += (b"%s-%03x" % (number, slot // 2), piece)
    return b"".join(whole)


def _quantile(ordered: Sequence[float], share: float) -> float:
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def main() -> None:
    """Run the load that the first argument describes, and print its figures as JSON."""
    load = Load(**json.loads(sys.argv[1]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(Generator(load).run())))


if __name__ == "__main__":
    main()
