"""Customers: numbered feedbacks from a seed, posted at a steady rate by a few threads, whatever happens meanwhile.

A post that gets no answer or a 5xx is sent again with the same natural key, until it is answered or `finish` has lost its
patience. Two in a hundred are sent once more although they were accepted; one in a hundred is invalid.
"""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.faults.caller import Answer, Caller
from tests.faults.history import ACCEPTED, History
from tests.faults.numbers import Numbers

DUPLICATES = 0.02
INVALID = 0.01
FOLLOW_UPS = 0.08
THREADS = 4
_PAUSE_SECONDS = (0.1, 0.2, 0.4, 0.8)
_SAID = (
    ("message", "wechat", "外卖送晚了一个多小时，饭都凉了，希望改进配送。"),
    ("message", "wechat", "快递三天没动静，物流太慢了。"),
    ("message", "app", "空气净化器用了两天就坏了，一直异响。"),
    ("message", "app", "路由器老是掉线，重启也没用。"),
    ("review", "ecommerce_review", "打印机卡纸，修了还是卡，要求退货。"),
    ("message", "wechat", "买到假货还拒绝退款，客服辱骂我，我要向12315投诉并起诉你们！"),
    ("message", "wechat", "充电器冒烟起火了，差点烧到孩子，太危险了！"),
    ("message", "app", "The parcel arrived broken and nobody answers the phone."),
    ("review", "ecommerce_review", "服务特别好，店员热情周到，非常满意！"),
    ("form", "app_form", "qwerty zxcv 8848 ..."),
)


def feedback(seed: int, number: int) -> dict[str, Any]:
    """Return the body of a feedback: the same for the same seed and number, but for the time it is said to be of."""
    dice = random.Random(f"{seed}:{number}")
    kind, channel, text = dice.choice(_SAID)
    author = f"author-{seed}-{number}"
    if number and dice.random() < FOLLOW_UPS:
        earlier = feedback(seed, number - dice.randint(1, min(number, 5)))
        kind, channel, author = "message", earlier["channel"], earlier["author"]["id"]
        text = f"还有一件事：{text}"
    return {
        "channel": channel,
        "kind": kind,
        "external_id": f"{seed}-{number}",
        "occurred_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "text": f"{text} #{number}",
        "author": {"id": author},
    }


class Load:
    """Posts feedbacks from `start` to `finish`; `rate` per second may be changed at any time.

    `say` makes a body from seed and number. Loads on one stack share its `numbers`. With many more `threads` than posts
    are ever under way at once the load is an open one: it keeps its rate however long answers take. `begun` tells how
    many feedbacks were posted, each counted once, and `most_under_way` how many posts waited for an answer at once.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str,
        history: History,
        seed: int,
        rate: float,
        numbers: Numbers,
        say: Callable[[int, int], dict[str, Any]] = feedback,
        threads: int = THREADS,
    ) -> None:
        self.rate = rate
        self.seed = seed
        self.numbers = numbers
        self._url, self._key, self._history, self._say = url, key, history, say
        self._lock = threading.Lock()
        self._due = 0.0
        self._stopping = threading.Event()
        self._giving_up = threading.Event()
        self._threads = [
            threading.Thread(target=self._post_on, name=f"customer-{number}", daemon=True)
            for number in range(threads)
        ]
        self._under_way = 0
        self.begun = 0
        self.most_under_way = 0
        self.unanswered: list[int] = []

    def start(self) -> None:
        """Begin."""
        self._due = time.monotonic()
        for thread in self._threads:
            thread.start()

    def finish(self, *, patience_seconds: float = 60) -> None:
        """Begin nothing new and return when what was begun is answered; `unanswered` holds what was given up."""
        self._stopping.set()
        end = time.monotonic() + patience_seconds
        for thread in self._threads:
            thread.join(timeout=max(0, end - time.monotonic()))
        self._giving_up.set()
        for thread in self._threads:
            thread.join()

    def _post_on(self) -> None:
        with Caller(self._url, self._key) as caller:
            for number in self._turns():
                self._post(caller, number)

    def _turns(self) -> Iterator[int]:
        """Yield the next number at its time; a load that was held up does not catch up."""
        while not self._stopping.is_set():
            with self._lock:
                number = self.numbers.draw()
                self._due = max(self._due + 1 / self.rate, time.monotonic() - 1 / self.rate)
                wait = self._due - time.monotonic()
            if self._stopping.wait(max(0.0, wait)):
                return
            with self._lock:
                self.begun += 1
            yield number

    def _post(self, caller: Caller, number: int) -> None:
        dice = random.Random(f"{self.seed}:{number}:fate")
        body, fate = self._say(self.seed, number), dice.random()
        if fate < INVALID:
            self._until_answered(caller, number, body | {"colour": "none"}, expect="refused")
            return
        self._until_answered(caller, number, body)
        if fate > 1 - DUPLICATES:
            self._until_answered(caller, number, body)

    def _until_answered(
        self, caller: Caller, number: int, body: dict[str, Any], *, expect: str = "accepted"
    ) -> None:
        for attempt in itertools.count(1):
            answer = self._ask(caller, body)
            note_post(self._history, answer, number=number, attempt=attempt, body=body, expect=expect)
            if answer.is_final:
                return
            if self._giving_up.wait(_PAUSE_SECONDS[min(attempt, len(_PAUSE_SECONDS)) - 1]):
                self.unanswered.append(number)
                return

    def _ask(self, caller: Caller, body: dict[str, Any]) -> Answer:
        with self._lock:
            self._under_way += 1
            self.most_under_way = max(self.most_under_way, self._under_way)
        try:
            return caller.post("/v1/feedback", body)
        finally:
            with self._lock:
                self._under_way -= 1


def note_post(
    history: History,
    answer: Answer,
    *,
    number: int,
    body: dict[str, Any],
    attempt: int = 1,
    expect: str = "accepted",
) -> None:
    """Write one try of one post down."""
    told = answer.body if answer.status == ACCEPTED else {}
    history.write(
        "post",
        number=number,
        attempt=attempt,
        channel=body["channel"],
        account=body.get("account", ""),
        external_id=body["external_id"],
        expect=expect,
        seconds=round(answer.seconds, 4),
        status=answer.status,
        error=answer.error,
        retry_after=answer.retry_after,
        id=told.get("id"),
        duplicate=told.get("duplicate"),
    )
