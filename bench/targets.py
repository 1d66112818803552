"""The bars: what must be reached, and what is hoped for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.figures import Figure, Triple, short

REFERENCE_US: Final = 108.0
"""CPU per request of a bare FastAPI on the quiet machine that the bars were set on (design/performance.md §2a)."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bound that a figure's median is judged by; `sign` is ≥ or ≤.

    An absolute one holds for the reference machine, whatever the speed of the one at hand; a ratio holds everywhere.
    """

    sign: str
    must: float
    stretch: float
    unit: str = ""
    is_absolute: bool = False

    def at_reference(self, figure: Figure) -> Triple | None:
        """Return an absolute figure as it would be at the reference's speed; None for a ratio, or when nobody looked.

        Rates (≥) grow as much as costs (≤) shrink. It supposes that all of it is computing.
        """
        if not self.is_absolute or figure.bare_us is None:
            return None
        slowness = figure.bare_us / REFERENCE_US
        return figure.value.times(slowness if self.sign == "≥" else 1 / slowness)

    def verdict(self, value: Triple) -> str:
        """Return what a figure has reached: stretch, bar, or that it missed both."""
        if self._holds(value.median, self.stretch):
            return "stretch"
        return "bar" if self._holds(value.median, self.must) else "**missed**"

    @property
    def told(self) -> tuple[str, str]:
        """Return the bar and the stretch as the table shows them."""
        return self._tell(self.must), self._tell(self.stretch)

    def _holds(self, value: float, bound: float) -> bool:
        return value >= bound if self.sign == "≥" else value <= bound

    def _tell(self, bound: float) -> str:
        return f"{self.sign} {short(bound).removesuffix('.00')}{self.unit}"


BARS: Final[Mapping[str, Bar]] = {
    "T1": Bar("≥", 0.45, 0.70, "×"),
    "T2": Bar("≥", 0.60, 1.0, "×"),
    "T3 django-helpdesk": Bar("≥", 40, 65, "×"),
    "T3 RT": Bar("≥", 150, 275, "×", is_absolute=True),
    "T4": Bar("≥", 0.35, 0.55, "×"),
    "T5": Bar("≥", 3, 5, "×"),
    "T6 p50": Bar("≤", 7, 4.5, " ms", is_absolute=True),
    "T6 p99": Bar("≤", 15, 9, " ms", is_absolute=True),
    "T6 alone": Bar("≤", 1.5, 0.9, " ms", is_absolute=True),
    "T7": Bar("≤", 3, 2, "×"),
    "T8 p50": Bar("≤", 50, 20, " ms", is_absolute=True),
    "T8 p99": Bar("≤", 250, 80, " ms", is_absolute=True),
    "T9": Bar("≥", 800, 1500, "/s", is_absolute=True),
    "T9 share": Bar("≥", 0.26, 0.48, "×"),
    "T10 rate": Bar("≥", 15_000, 30_000, "/s", is_absolute=True),
    "T10 share": Bar("≥", 0.25, 0.45, "×"),
    "T11": Bar("≥", 20_000, 40_000, "/s", is_absolute=True),
    "T15 suite": Bar("≤", 130, 100, " MiB"),
    "T15 service": Bar("≤", 90, 75, " MiB"),
    "T16": Bar("≤", 2, 1.2, "×"),
    "CPU": Bar("≤", 250, 150, " µs", is_absolute=True),
    "flat": Bar("≤", 1.3, 1.1, "×"),
}
"""By the name that a figure's `bar` gives. T3 RT is absolute because Request Tracker is quoted, not measured in the run.

T9's share is what its rates are of the limit that they were set against, 3,100/s, which was inferred; see docs/adr/0007.
"""
