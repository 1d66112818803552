"""What a failpoint is armed with, as the environment says it."""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from huiyin_failpoints.labels import LABELS

VARIABLE: Final = "HUIYIN_FAILPOINTS"


class FailpointUnknown(ValueError):
    """A failpoint was asked for that does not exist, or in words that mean nothing."""


class FailpointHit(OSError):
    """The fault that the action `error` is; an OSError, as a broken disk or network would raise."""


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _error() -> None:
    raise FailpointHit("a failpoint was hit")


ACTIONS: Final[Mapping[str, Callable[[], None]]] = {"kill": _kill, "stop": _stop, "error": _error}


@dataclass(slots=True)
class Armed:
    """An action that happens once, the `turn`-th time its place is reached; any thread may reach it."""

    action: Callable[[], None]
    turn: int = 1
    _times: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def reached(self) -> None:
        """Count, and act when the turn has come; raises FailpointHit when the action is `error`."""
        with self._lock:
            self._times += 1
            is_turn = self._times == self.turn
        if is_turn:
            self.action()


def armed_by(words: str) -> dict[str, Armed]:
    """Return the armed failpoints of a setting, empty for an empty one; raises FailpointUnknown."""
    return dict(_entry(each.strip()) for each in words.split(",") if each.strip())


def armed_from_environment() -> dict[str, Armed]:
    """Return what `HUIYIN_FAILPOINTS` arms in this process; raises FailpointUnknown."""
    return armed_by(os.environ.get(VARIABLE, ""))


def _entry(words: str) -> tuple[str, Armed]:
    label, _, what = words.partition("=")
    action, _, turn = what.partition("@")
    if label not in LABELS or action not in ACTIONS or not (turn or "1").isdecimal() or turn == "0":
        raise FailpointUnknown(
            f"{VARIABLE}: {words!r} is not LABEL=ACTION or LABEL=ACTION@N; actions: {', '.join(ACTIONS)}; "
            f"labels: {', '.join(LABELS)}"
        )
    return label, Armed(ACTIONS[action], int(turn or "1"))
