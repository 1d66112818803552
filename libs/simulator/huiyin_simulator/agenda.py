"""What is to be done when: a queue in order of time."""

import heapq
from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Agenda(Generic[Item]):
    """Items with the times at which they are due, in seconds of whatever clock the caller goes by.

    Items of the same time come in the order in which they were added.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Item]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, item: Item, *, at: float) -> None:
        """Put an item down for a time."""
        heapq.heappush(self._heap, (at, next(self._numbers), item))

    def take_due(self, now: float) -> list[Item]:
        """Return what is due by now, earliest first, and strike it off."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        return due
