"""Whether the wall clock can be trusted to call a deadline missed.

A clock set forward by mistake would breach everything at once, and one set back would stop all deadlines. Time that
cannot be is answered by firing nothing for a minute; after that the clock is believed, because nobody else can say
what time it is.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MOST_BACK = timedelta(seconds=5)
MOST_FORWARD = timedelta(seconds=60)
HOLD = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What was last seen of the wall clock and of the monotonic one, which nobody can set.

    `monotonic` counts from an arbitrary start; None when only a time stored by an earlier process is known.
    """

    wall_at: datetime
    monotonic: timedelta | None = None
    held_until: timedelta | None = None
    """Monotonic time up to which nothing may fire."""
    jump: timedelta | None = None
    """By how much the wall clock was off when it was last found wrong."""

    @classmethod
    def first(cls, wall_at: datetime, *, monotonic: timedelta, stored: datetime | None) -> "Steadiness":
        """Return what holds at the start of a process; `stored` is the latest time an earlier one has seen."""
        if stored is None:
            return cls(wall_at, monotonic)
        return cls(stored).observe(wall_at, monotonic=monotonic)

    def observe(self, wall_at: datetime, *, monotonic: timedelta) -> "Steadiness":
        """Return what is known after another look at both clocks."""
        jump = wall_at - self.wall_at
        if self.monotonic is not None:
            jump -= monotonic - self.monotonic
        # Between two processes any time may have passed, so that only a step back is wrong.
        is_wrong = jump < -MOST_BACK or (self.monotonic is not None and jump > MOST_FORWARD)
        if is_wrong:
            return Steadiness(wall_at, monotonic, held_until=monotonic + HOLD, jump=jump)
        return replace(self, wall_at=wall_at, monotonic=monotonic)

    @property
    def is_held(self) -> bool:
        """Tell whether nothing may fire at the time of the last look."""
        return self.held_until is not None and self.monotonic is not None and self.monotonic < self.held_until
