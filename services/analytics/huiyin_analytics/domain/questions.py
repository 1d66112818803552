"""What may be asked of a metric, and how the answer is put together from the cells of the rollup."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

from huiyin_analytics.domain.cells import Cell, Contribution
from huiyin_analytics.domain.metrics import PERIODS, Figure, Metric
from huiyin_analytics.errors import QuestionRefused

LONGEST: Final = timedelta(days=5 * 366)
"""How long a range may be."""
_MOST_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A metric asked for a range of local dates, `first` inclusive and `end` exclusive.

    `by` are the dimensions of the rows, at most one of them a period; `only` narrows dimensions to one value each.
    """

    metric: Metric
    first: date
    end: date
    by: tuple[str, ...]
    only: Mapping[str, str]

    @property
    def period(self) -> str | None:
        """Return the period by which rows are split, if any."""
        return next((name for name in self.by if name in PERIODS), None)

    @property
    def grouped(self) -> tuple[str, ...]:
        """Return the dimensions to group by that are not periods."""
        return tuple(name for name in self.by if name not in PERIODS)

    @property
    def filters(self) -> Mapping[str, str]:
        """Return what narrows the cells to be read: a share needs those of its whole."""
        return {name: value for name, value in self.only.items() if name != self.metric.share_of}


class Read(NamedTuple):
    """A sum of cells: the date when a period was asked for, the values of `grouped`, and what was counted."""

    day: str | None
    values: tuple[str, ...]
    measure: str
    variant: str
    bucket: int
    n: int
    total: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The figures by the values of `by`, in order, and the figure of all of them together."""

    rows: Sequence[tuple[tuple[str, ...], Figure]]
    total: Figure


def question(metric: Metric, *, first: date, end: date, by: str, only: Mapping[str, str]) -> Question:
    """Return a checked question; `by` is a comma list. Raises QuestionRefused with the parameter that is wrong."""
    if first >= end:
        raise QuestionRefused("to", "Must be later than from: the range ends before it.")
    if end - first > LONGEST:
        raise QuestionRefused("to", "A range may be five years long at most.")
    names = _dimensions_of(metric, by)
    for name in only:
        if name not in metric.dimensions:
            raise QuestionRefused.of_dimension(name, metric.dimensions)
    return Question(metric=metric, first=first, end=end, by=names, only=only)


def answer(asked: Question, cells: Iterable[Read]) -> Answer:
    """Return the figures of a question from the sums that were read for it."""
    rows: dict[tuple[str, ...], Figure] = {}
    total = Figure()
    for cell in cells:
        key = _key(asked, cell)
        counted = (cell.measure, cell.variant, cell.bucket)
        figure = rows.setdefault(key, Figure())
        figure.add(asked.metric, counted, n=cell.n, total=cell.total)
        total.add(asked.metric, counted, n=cell.n, total=cell.total)
    if asked.metric.share_of is not None:
        return _shares(asked, rows)
    return Answer(_some(rows), total)


def behind(asked: Question, contribution: Contribution, *, day: str, sees: Callable[[str], bool]) -> Figure:
    """Return what one case adds to a question's figure on one day; `sees` tells which departments count.

    Added up over all cases and days, it is the total of the answer.
    """
    figure = Figure()
    metric = asked.metric
    for cell, tally in contribution.items():
        if cell.day == day and sees(cell.department) and _matches(asked, cell, asked.filters):
            figure.add(metric, (cell.measure, cell.variant, cell.bucket), n=tally.n, total=tally.total)
            if metric.share_of is not None:
                figure.denominator = figure.numerator
    if metric.share_of is not None and not any(
        _matches(asked, cell, asked.only) for cell in contribution if cell.day == day
    ):
        figure.numerator = 0
    return figure


def label_of(period: str, day: str) -> str:
    """Return what the day, ISO week or month of a day is called: 2026-11-22, 2026-W47, 2026-11."""
    if period == "week":
        year, week, _ = date.fromisoformat(day).isocalendar()
        return f"{year}-W{week:02}"
    return day if period == "day" else day[: len("2026-11")]


def _dimensions_of(metric: Metric, by: str) -> tuple[str, ...]:
    if len(by) > _MOST_CHARACTERS:
        raise QuestionRefused("by", "Too long a list.")
    allowed = (*PERIODS, *metric.dimensions)
    given = [name for name in by.split(",") if name] if by else []
    names = tuple(dict.fromkeys((*given, *metric.always_by)))
    if any(name not in allowed for name in names):
        raise QuestionRefused.of_dimension("by", allowed)
    if sum(name in PERIODS for name in names) > 1:
        raise QuestionRefused("by", "Name one period at most: day, week or month.")
    return names


def _matches(asked: Question, cell: Cell, wanted: Mapping[str, str]) -> bool:
    return all(
        (cell.variant if name == asked.metric.variant else getattr(cell, name)) == value
        for name, value in wanted.items()
    )


def _key(asked: Question, cell: Read) -> tuple[str, ...]:
    values = dict(zip(asked.grouped, cell.values, strict=True))
    return tuple(
        label_of(name, cell.day) if name in PERIODS and cell.day is not None else values[name]
        for name in asked.by
    )


def _shares(asked: Question, rows: Mapping[tuple[str, ...], Figure]) -> Answer:
    """Measure each row against the sum over the dimension that is shared out."""
    place = asked.by.index(asked.metric.share_of or "")
    wholes: dict[tuple[str, ...], int] = {}
    for key, figure in rows.items():
        rest = (*key[:place], *key[place + 1 :])
        wholes[rest] = wholes.get(rest, 0) + figure.numerator
    wanted = asked.only.get(asked.metric.share_of or "")
    shares = {
        key: Figure(figure.numerator, wholes[*key[:place], *key[place + 1 :]])
        for key, figure in rows.items()
        if wanted is None or key[place] == wanted
    }
    counted = sum(figure.numerator for figure in shares.values())
    return Answer(_some(shares), Figure(counted, sum(wholes.values())))


def _some(rows: Mapping[tuple[str, ...], Figure]) -> list[tuple[tuple[str, ...], Figure]]:
    """Return the rows that say something, in the order of their values."""
    return sorted((key, figure) for key, figure in rows.items() if figure.numerator or figure.denominator)
