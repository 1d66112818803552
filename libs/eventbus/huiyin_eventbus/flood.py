"""When poison is not an exception but the rule, the fault is probably ours: stop before everything is buried.

The idea is Arroyo's limit on dead letters. What was put aside until then can be redriven.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodLimits:
    """More than `run` poisonous events in a row, or more than `share` of the last `window`, is a flood."""

    run: int = 20
    share: float = 0.05
    window: int = 400


class FloodGate:
    """Counts the events of one partition."""

    def __init__(self, limits: FloodLimits) -> None:
        self._limits = limits
        self._run = 0
        self._last: deque[bool] = deque(maxlen=limits.window)
        self._poison = 0

    def count_all(self, are_poison: Sequence[bool]) -> bool:
        """Count events up to the one that makes this a flood, and return whether it is one now."""
        if self._poison or any(are_poison):
            return any(self.count(poison=each) for each in are_poison)
        self._last.extend(are_poison)
        self._run = 0
        return False

    def count(self, *, poison: bool) -> bool:
        """Count one event and return whether this is a flood now."""
        if len(self._last) == self._limits.window:
            self._poison -= self._last[0]
        self._last.append(poison)
        self._poison += poison
        self._run = self._run + 1 if poison else 0
        return self._run > self._limits.run or self._is_share_exceeded()

    def _is_share_exceeded(self) -> bool:
        # A short history proves nothing: the first event of a partition may be the bad one.
        full = len(self._last) == self._limits.window
        return full and self._poison > self._limits.share * self._limits.window
