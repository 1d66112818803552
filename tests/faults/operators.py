"""Department staff: take what is on the desk through the six steps, by dice from a seed, and are patient with failures."""

import random
import threading
from collections.abc import Iterator
from typing import Any

from tests.faults.caller import Answer, Caller
from tests.faults.history import History

_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 0.3
_MOST_TRIES = 200
Verb = tuple[str, dict[str, Any] | None]


def _path(dice: random.Random) -> Iterator[Verb]:
    """Yield the verbs of one ticket's way to the archive: straight, paused on the way, or with a second cycle."""
    yield "accept", None
    if dice.random() < 0.2:
        yield "pause", {"reason": "等待供应商"}
        yield "resume", None
    yield "answer", {"text": "非常抱歉，我们马上处理。"}
    yield "resolve", {"summary": "已处理。"}
    if dice.random() < 0.15:
        yield "review", {"satisfied": False, "note": "还是不行"}
        yield "resolve", {"summary": "再次处理。"}
    yield "review", {"satisfied": True}


class Operators:
    """Work on tickets from `start` to `finish`, at most about `rate` verbs a second. Some tickets they leave alone."""

    def __init__(self, url: str, *, key: str, history: History, seed: int, rate: float = 10) -> None:
        self._caller = Caller(url, key)
        self._history = history
        self._seed = seed
        self._verb_seconds = 1 / rate
        self._known: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work_on, name="operators", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Return when the ticket in hand has been brought to its end."""
        self._stopping.set()
        self._thread.join()
        self._caller.close()

    def _work_on(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            queue = self._caller.get("/v1/tickets?status=dispatched&limit=50")
            if queue.status != 200:
                continue
            for item in queue.body["items"]:
                if item["id"] not in self._known and not self._stopping.is_set():
                    self._known.add(item["id"])
                    self._take(item["id"])

    def _take(self, ticket_id: str) -> None:
        dice = random.Random(f"{self._seed}:{len(self._known)}")
        if dice.random() < 0.4:
            return
        for verb, body in _path(dice):
            if not self._do(ticket_id, verb, body):
                return

    def _do(self, ticket_id: str, verb: str, body: dict[str, Any] | None) -> bool:
        """Do a verb until it is answered, and tell whether it was done."""
        for attempt in range(1, _MOST_TRIES):
            answer = self._caller.post(f"/v1/tickets/{ticket_id}/{verb}", body)
            self._note(answer, ticket_id=ticket_id, verb=verb, body=body, attempt=attempt)
            if answer.is_final:
                self._stopping.wait(self._verb_seconds)
                return answer.status == 200
            if self._stopping.wait(_PAUSE_SECONDS):
                return False
        return False

    def _note(
        self, answer: Answer, *, ticket_id: str, verb: str, body: dict[str, Any] | None, attempt: int
    ) -> None:
        ticket = answer.body if answer.status == 200 else {}
        self._history.write(
            "verb",
            ticket_id=ticket_id,
            verb=verb,
            body=body,
            attempt=attempt,
            seconds=round(answer.seconds, 4),
            status=answer.status,
            error=answer.error,
            state=ticket.get("status"),
            cycle=ticket.get("cycle"),
        )
