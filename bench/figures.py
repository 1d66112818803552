"""What a measure yields: figures of several rounds, each told as median, least and most."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final, Self

_SCALES: Final = (
    (100_000, 1000, 0, " k"),
    (10_000, 1000, 1, " k"),
    (1000, 1000, 2, " k"),
    (100, 1, 0, ""),
    (10, 1, 1, ""),
)
"""From which size on a number is told how: divisor, digits after the point, suffix."""


@dataclass(frozen=True, slots=True)
class Triple:
    """The median of several rounds, with the least and the most of them."""

    median: float
    low: float
    high: float

    def times(self, factor: float) -> Self:
        """Return it multiplied."""
        return type(self)(self.median * factor, self.low * factor, self.high * factor)

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the triple of one value per round; raises ValueError when there are none."""
        if not values:
            raise ValueError("a figure needs at least one round")
        return cls(median(values), min(values), max(values))

    @classmethod
    def ratios(cls, values: Sequence[float], references: Sequence[float]) -> Self:
        """Return the triple of the ratios round by round, so that a slow moment counts for both sides."""
        return cls.of(
            [value / max(reference, 1e-9) for value, reference in zip(values, references, strict=True)]
        )

    def __str__(self) -> str:
        return f"{short(self.median)} [{short(self.low)}..{short(self.high)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    `number` is the target's number (T1) or a word for what has none. `reference` and `reference_value` are what was
    measured beside it in the same run and the value it had; `quoted` says where a reference that was not measured
    here comes from. `bar` names the entry of `targets` it is judged by. `details` go to the JSON alone. `bare_us` is
    what a bare FastAPI cost per request at the time, in CPU µs: how fast the machine was.
    """

    number: str
    what: str
    value: Triple
    unit: str = ""
    stack: str = ""
    rate: Triple | None = None
    """What a ratio's upper part was, per second."""
    bar: str | None = None
    reference: str = ""
    reference_value: Triple | None = None
    quoted: str = ""
    bare_us: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the figure as JSON takes it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return a figure from what `as_json` gave."""
        triples = {
            name: None if value[name] is None else Triple(**value[name])
            for name in ("value", "rate", "reference_value")
        }
        return cls(**{**value, **triples})


def short(value: float) -> str:
    """Return a number with three digits that count, thousands as k."""
    for least, divisor, digits, suffix in _SCALES:
        if abs(value) >= least:
            return f"{value / divisor:.{digits}f}{suffix}"
    return f"{value:.2f}"
