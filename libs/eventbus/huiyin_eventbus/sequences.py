"""Watches that no event of a key is missing or overtaken, cheaply.

The last `ce_sequence` of the keys seen most recently is kept in memory, not in the database: it is an alarm, not a rule.
A key that was forgotten, or not seen since the start, is taken as it comes; `huiyin verify` recounts from the log.
Second deliveries are not looked at: after a start, old ones come in any order and would look like gaps.
Stale events are counted, not dropped: whether an event takes effect is the inbox's decision alone.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

REMEMBERED: Final = 10_000


class Irregularities(NamedTuple):
    """What a look at an event found; a tuple, because every event's is compared."""

    gaps: int = 0
    stale: int = 0


REGULAR: Final = Irregularities()
_GAP: Final = Irregularities(gaps=1)
_STALE: Final = Irregularities(stale=1)


class SequenceWatch:
    """Remembers the last sequence per topic and key, of at most `remembered` of them."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._last: OrderedDict[tuple[str, str], int] = OrderedDict()

    def observe(self, topic: str, key: str, *, sequence: int) -> Irregularities:
        """Take note of an event that the group had not seen before."""
        place = (topic, key)
        last = self._last.get(place)
        if last is None:
            self._remember(place, sequence)
            return REGULAR
        self._last.move_to_end(place)
        if sequence <= last:
            return _STALE
        self._last[place] = sequence
        return REGULAR if sequence == last + 1 else _GAP

    def _remember(self, place: tuple[str, str], sequence: int) -> None:
        self._last[place] = sequence
        if len(self._last) > self._remembered:
            self._last.popitem(last=False)

    def forget(self) -> None:
        """Begin anew, after positions have moved."""
        self._last.clear()
