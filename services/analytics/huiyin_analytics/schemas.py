"""HTTP bodies of analytics."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from huiyin_analytics.domain.metrics import Unit


class MetricView(BaseModel):
    """What a metric is called, what it means, and by what it can be split."""

    name: str
    title: dict[str, str]
    definition: dict[str, str]
    """The meaning in words, per language tag; a change of meaning is a new `version`."""
    unit: Unit
    version: int
    dimensions: list[str]
    """By what its rows may be split and filtered."""
    always_by: list[str]
    """Dimensions that its rows always carry."""


class MetricsView(BaseModel):
    """All metrics."""

    items: list[MetricView]
    next: str | None = None


class Counted(BaseModel):
    """A value with what it is made of.

    `value` is null where it is undefined; `denominator` is null where nothing is divided. Of durations the
    numerator is their sum in seconds and the denominator their number.
    """

    value: float | int | None
    numerator: float | int
    denominator: int | None


class FigureRow(Counted):
    """One row: the dimensions asked for (null where not known) and the figure."""

    day: str | None = None
    week: str | None = None
    month: str | None = None
    outcome: str | None = None
    target: str | None = None
    reason: str | None = None
    channel: str | None = None
    nature: str | None = None
    type: str | None = None
    subtype: str | None = None
    department: str | None = None
    store: str | None = None
    urgency: str | None = None


class FiguresView(BaseModel):
    """The answer to a question: rows in the order of their dimensions, and the figure of all together."""

    model_config = ConfigDict(populate_by_name=True)

    name: str
    version: int
    unit: Unit
    first: date = Field(alias="from")
    end: date = Field(alias="to")
    zone: str
    by: list[str]
    rows: list[FigureRow]
    total: Counted
    names: dict[str, dict[str, str]]
    """Names per language tag of the departments in the rows."""


class CaseBehind(BaseModel):
    """What one case adds to a figure on one local date; over all cases it adds up to the figure's total."""

    id: str
    """The id of the feedback, which is also that of its ticket."""
    day: date
    numerator: float | int
    denominator: int | None
