"""What a metric is made of, and how its figures add up."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from huiyin_analytics.domain.buckets import percentile
from huiyin_analytics.domain.cells import Measure

ORDINARY: Final = ("channel", "nature", "type", "subtype", "department", "store", "urgency")
"""The dimensions of every metric, as columns of the rollup."""
PERIODS: Final = ("day", "week", "month")
_MOST: Final = 2**31
_MILLISECONDS: Final = 1000


class Unit(StrEnum):
    """What a value is counted in."""

    COUNT = "count"
    RATIO = "ratio"
    SECONDS = "seconds"
    POINTS = "points"


class Kind(StrEnum):
    """How a value is made of its counts."""

    SUM = "sum"
    RATIO = "ratio"
    MEAN = "mean"
    PERCENTILE = "percentile"


@dataclass(frozen=True, slots=True)
class Part:
    """Counts that belong to a figure: a measure, one of its variants, a range of its buckets."""

    measure: Measure
    variant: str | None = None
    lowest: int = 0
    highest: int = _MOST
    weight: int = 1

    def holds(self, measure: str, variant: str, bucket: int) -> bool:
        """Tell whether a cell belongs to this part."""
        return (
            measure == self.measure
            and (self.variant is None or variant == self.variant)
            and self.lowest <= bucket <= self.highest
        )


@dataclass(frozen=True, slots=True)
class Words:
    """A text in the languages of the suite."""

    zh_cn: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure.

    `always_by` are dimensions that its rows always carry, because a sum over them would mean nothing; `variant` is what
    the variants of its measures are called as a dimension. `share_of` makes each row's denominator the sum over that
    dimension. `scale` multiplies the value.
    """

    name: str
    title: Words
    definition: Words
    unit: Unit
    kind: Kind
    parts: tuple[Part, ...]
    base: tuple[Part, ...] = ()
    variant: str | None = None
    share_of: str | None = None
    always_by: tuple[str, ...] = ()
    scale: int = 1
    percent: int = 0
    version: int = 1

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Return by what it can be split and filtered, periods not counted."""
        return (*((self.variant,) if self.variant else ()), *ORDINARY)

    @property
    def is_duration(self) -> bool:
        """Tell whether its numerator is a sum of durations."""
        return self.kind in {Kind.MEAN, Kind.PERCENTILE}

    @property
    def measures(self) -> tuple[str, ...]:
        """Return the measures it reads."""
        return tuple(sorted({part.measure.value for part in (*self.parts, *self.base)}))

    @property
    def reads_buckets(self) -> bool:
        """Tell whether the buckets of its measures matter."""
        parts = (*self.parts, *self.base)
        return self.kind is Kind.PERCENTILE or any(part.lowest > 0 or part.highest < _MOST for part in parts)


@dataclass(slots=True)
class Figure:
    """A figure as it adds up: what is counted, what it is measured against, and durations by bucket (percentiles)."""

    numerator: int = 0
    denominator: int = 0
    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, metric: Metric, cell: tuple[str, str, int], *, n: int, total: int) -> None:
        """Count a cell (measure, variant, bucket) in, as far as the metric counts it."""
        share = sum(part.weight for part in metric.parts if part.holds(*cell))
        if metric.is_duration:
            self.numerator += share * total
            self.denominator += share * n
            self.buckets[cell[2]] = self.buckets.get(cell[2], 0) + share * n
        else:
            self.numerator += share * n
            self.denominator += n * sum(part.weight for part in metric.base if part.holds(*cell))

    def merge(self, other: "Figure") -> None:
        """Add another figure of the same metric."""
        self.numerator += other.numerator
        self.denominator += other.denominator
        for bucket, n in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + n

    def value(self, metric: Metric) -> float | int | None:
        """Return what the metric says; None where it is undefined, for there is nothing to measure against."""
        if metric.kind is Kind.SUM:
            return self.numerator
        if self.denominator <= 0:
            return None
        if metric.kind is Kind.PERCENTILE:
            middle = percentile(self.buckets, metric.percent)
            return None if middle is None else middle / _MILLISECONDS
        if metric.kind is Kind.MEAN:
            return self.numerator / self.denominator / _MILLISECONDS
        return metric.scale * self.numerator / self.denominator
