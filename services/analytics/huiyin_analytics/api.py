"""Figures over HTTP: what can be asked, the answers, and the cases behind each.

The key is checked before the question, so that nobody without one learns what can be asked.
A key that is bound to departments gets the figures of its departments, and none of what has no department yet.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator

from huiyin_analytics import queries
from huiyin_analytics.domain.definitions import METRICS
from huiyin_analytics.domain.metrics import PERIODS, Figure, Kind, Metric
from huiyin_analytics.domain.questions import Question, answer, question
from huiyin_analytics.errors import MetricUnknown, ProjectionMissing, QuestionRefused
from huiyin_analytics.schemas import CaseBehind, Counted, FigureRow, FiguresView, MetricsView, MetricView
from huiyin_chassis.auth import Principal, require
from huiyin_chassis.db import Reading
from huiyin_chassis.pages import Page, PageRequest

PROBLEMS: Final[Mapping[type[Exception], int]] = {
    MetricUnknown: 404,
    QuestionRefused: 422,
    ProjectionMissing: 503,
}

router: Final = APIRouter(tags=["analytics"])
Reader = Annotated[Principal, require("analytics:read")]
_DATE_CHARACTERS: Final = 10


def _plain_date(text: object) -> object:
    # Pydantic would read bare numbers as Unix times.
    if not isinstance(text, str) or len(text) != _DATE_CHARACTERS:
        raise ValueError("must be a date such as 2026-11-22")
    return text


LocalDate = Annotated[date, BeforeValidator(_plain_date)]
Value = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


class _Only:
    """Dimensions narrowed to one value; an empty value means "not known"."""

    def __init__(  # noqa: PLR0917  # FastAPI calls by name
        self,
        channel: Value = None,
        nature: Value = None,
        type: Value = None,  # noqa: A002  # the dimension's name
        subtype: Value = None,
        department: Value = None,
        store: Value = None,
        urgency: Value = None,
        outcome: Value = None,
        target: Value = None,
        reason: Value = None,
    ) -> None:
        given = {
            "channel": channel,
            "nature": nature,
            "type": type,
            "subtype": subtype,
            "department": department,
            "store": store,
            "urgency": urgency,
            "outcome": outcome,
            "target": target,
            "reason": reason,
        }
        self.values = {name: value for name, value in given.items() if value is not None}


async def _asked(  # noqa: PLR0917  # FastAPI calls by name
    name: str,
    first: Annotated[LocalDate, Query(alias="from")],
    end: Annotated[LocalDate, Query(alias="to")],
    only: Annotated[_Only, Depends()],
    by: Annotated[str, Query(max_length=200)] = "",
    zone: Annotated[str | None, Query(max_length=64)] = None,
) -> tuple[Question, str | None]:
    return question(_metric(name), first=first, end=end, by=by, only=only.values), zone


Asked = Annotated[tuple[Question, str | None], Depends(_asked)]


@router.get("/v1/metrics")
async def list_metrics(_principal: Reader) -> MetricsView:
    """List every metric with its definition in words."""
    return MetricsView(items=[_metric_view(metric) for metric in METRICS.values()])


@router.get("/v1/metrics/{name}", response_model_exclude_unset=True)
async def get_figures(principal: Reader, tx: Reading, asked: Asked) -> FiguresView:
    """Answer a metric for local dates, `from` inclusive and `to` exclusive.

    `by` is a comma list of dimensions with at most one of day, week (ISO) and month; a dimension as a parameter of its
    own narrows to one value. `zone` may be left out; figures exist in the configured zone only.
    """
    wanted, zone = asked
    projection = await _projection(tx, zone)
    sums = await queries.read_sums(tx, projection.id, wanted, principal=principal)
    if len(sums) > queries.MOST_SUMS:
        raise QuestionRefused("by", "Too fine a question: shorten the range or name fewer dimensions.")
    answered = answer(wanted, sums)
    rows = [_row(wanted, values, figure) for values, figure in answered.rows]
    slugs = {row.department for row in rows if row.department}
    return FiguresView(
        name=wanted.metric.name,
        version=wanted.metric.version,
        unit=wanted.metric.unit,
        first=wanted.first,
        end=wanted.end,
        zone=projection.zone,
        by=list(wanted.by),
        rows=rows,
        total=Counted(**_counted(wanted.metric, answered.total)),
        names=await queries.unit_names(tx, slugs) if slugs else {},
    )


@router.get("/v1/metrics/{name}/rows")
async def list_cases(principal: Reader, tx: Reading, asked: Asked, request: PageRequest) -> Page[CaseBehind]:
    """List the cases behind a figure by date and id, with what each adds to it; `by` changes nothing here.

    A page may be shorter than `limit` and still have a next one.
    """
    wanted, zone = asked
    projection = await _projection(tx, zone)
    found, following = await queries.cases_behind(
        tx, projection, wanted, principal=principal, request=request
    )
    return Page(items=[_case(wanted.metric, each) for each in found], next=following)


def _metric(name: str) -> Metric:
    metric = METRICS.get(name)
    if metric is None:
        raise MetricUnknown
    return metric


async def _projection(tx: Reading, zone: str | None) -> queries.Projection:
    projection = await queries.live_projection(tx)
    if zone is not None and zone != projection.zone:
        detail = f"Volumes are kept by the local date in {projection.zone}; days of another zone cannot be told from them."
        raise QuestionRefused("zone", detail)
    return projection


def _row(asked: Question, values: tuple[str, ...], figure: Figure) -> FigureRow:
    known = {name: value or None for name, value in zip(asked.by, values, strict=True)}
    return FigureRow(**known, **_counted(asked.metric, figure))


def _case(metric: Metric, found: queries.Behind) -> CaseBehind:
    counted = _counted(metric, found.figure)
    return CaseBehind(
        id=found.id,
        day=date.fromisoformat(found.day),
        numerator=counted["numerator"],
        denominator=counted["denominator"],
    )


def _counted(metric: Metric, figure: Figure) -> dict[str, Any]:
    numerator = figure.numerator / 1000 if metric.is_duration else figure.numerator
    return {
        "value": figure.value(metric),
        "numerator": numerator,
        "denominator": None if metric.kind is Kind.SUM else figure.denominator,
    }


def _metric_view(metric: Metric) -> MetricView:
    return MetricView(
        name=metric.name,
        title={"zh-CN": metric.title.zh_cn, "en": metric.title.en},
        definition={"zh-CN": metric.definition.zh_cn, "en": metric.definition.en},
        unit=metric.unit,
        version=metric.version,
        dimensions=[*PERIODS, *metric.dimensions],
        always_by=list(metric.always_by),
    )
