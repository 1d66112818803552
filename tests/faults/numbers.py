"""Numbers for the feedbacks of one stack: every load on it draws from the same row, so that no two are the same."""

import threading


class Numbers:
    """Gives 0, 1, 2 and so on, to any thread."""

    def __init__(self) -> None:
        self._next = 0
        self._lock = threading.Lock()

    def draw(self) -> int:
        """Return the next number."""
        with self._lock:
            number = self._next
            self._next += 1
            return number
