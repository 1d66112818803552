"""Response policies: how soon a case must be classified, answered and solved, as data (S19, S31, S32, S34)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Literal, Self, get_args

from huiyin_contracts.vocabulary import Target, Urgency
from huiyin_sla.domain.calendars import WorkCalendar
from huiyin_sla.domain.spans import Span, WallSpan, WorkingDaySpan, parse_span
from huiyin_sla.errors import PolicyMalformed, UnknownPolicy, UnknownTarget

PolicyName = Literal["ordinary", "complex", "urgent"]

POLICY_NAMES: tuple[PolicyName, ...] = get_args(PolicyName)
POLICY_TARGETS = (Target.RESPONSE, Target.RESOLUTION)


@dataclass(frozen=True, slots=True)
class Policy:
    """What is promised to one kind of case; both spans start with the first routing."""

    name: PolicyName
    response: Span
    resolution: Span

    def span(self, target: str) -> Span:
        """Return the span of a target; raise UnknownTarget when the policy does not measure it."""
        if target == Target.RESPONSE:
            return self.response
        if target == Target.RESOLUTION:
            return self.resolution
        raise UnknownTarget(target)


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies in force. Classification has one span for every case: before it there is no kind."""

    classification: Span
    by_name: Mapping[str, Policy]

    def named(self, name: str) -> Policy:
        """Return the policy of a name; raise UnknownPolicy when there is none."""
        try:
            return self.by_name[name]
        except KeyError:
            raise UnknownPolicy(name) from None

    def to_dict(self) -> dict[str, object]:
        """Return the policies as a JSON document that ``from_dict`` reads back."""
        spans = {
            name: {target.value: str(policy.span(target)) for target in POLICY_TARGETS}
            for name, policy in self.by_name.items()
        }
        return {"classification": str(self.classification), **spans}

    @classmethod
    def from_dict(cls, document: Mapping[str, object]) -> Self:
        """Return the policies of a document such as ``{"urgent": {"response": "PT4H"}}``.

        What the document leaves out keeps its shipped value. Raises PolicyMalformed with a pointer to the
        fault. Call ``check_order`` as well before storing what an operator wrote.
        """
        for key in document:
            if key != "classification" and key not in POLICY_NAMES:
                raise PolicyMalformed(f"/{key}", f"is no policy; there are {', '.join(POLICY_NAMES)}")
        classification = document.get("classification", str(DEFAULT_POLICIES.classification))
        return cls(
            classification=_read_span(classification, where="/classification"),
            by_name=MappingProxyType(
                {name: _read_policy(name, document.get(name, {})) for name in POLICY_NAMES}
            ),
        )


def check_order(policies: Policies, *, calendar: WorkCalendar) -> None:
    """Raise PolicyMalformed unless urgent cases are never due later than ordinary ones (S32)."""
    urgent, ordinary = policies.named("urgent"), policies.named("ordinary")
    for target in POLICY_TARGETS:
        if not _is_never_later(urgent.span(target), ordinary.span(target), calendar=calendar):
            reason = f"{urgent.span(target)} can end later than ordinary's {ordinary.span(target)}"
            raise PolicyMalformed(f"/urgent/{target}", reason)


def policy_for(urgency: str, *, is_complex: bool) -> PolicyName:
    """Return the policy of a case.

    Strictest first: an urgent case stays urgent even when it is complex as well. A complaint is complex by
    itself (S32); else the property decides, which a rule or a person may have set. An urgency this version
    does not know is handled as an ordinary one, so that a newer router never stops the clocks.
    """
    if urgency == Urgency.URGENT:
        return "urgent"
    return "complex" if is_complex or urgency == Urgency.COMPLAINT else "ordinary"


def _is_never_later(span: Span, other: Span, *, calendar: WorkCalendar) -> bool:
    match span, other:
        case WallSpan(), WallSpan():
            return span.length <= other.length
        case WorkingDaySpan(), WorkingDaySpan():
            return span.days <= other.days
        case WallSpan(), WorkingDaySpan():
            # Shortest when it starts as its first day ends: all but one whole days, then up to the close.
            return span.length <= timedelta(days=other.days - 1) + min(_closes(calendar))
        case _:
            # Holidays can stretch working days beyond any fixed length.
            return False


def _closes(calendar: WorkCalendar) -> Iterator[timedelta]:
    return (day[-1].closes for day in (*calendar.week, calendar.makeup_hours) if day)


def _read_policy(name: PolicyName, value: object) -> Policy:
    if not isinstance(value, Mapping):
        raise PolicyMalformed(f"/{name}", "must map targets to spans")
    for target in value:
        if target not in POLICY_TARGETS:
            known = ", ".join(POLICY_TARGETS)
            raise PolicyMalformed(f"/{name}/{target}", f"is no target of a policy; there are {known}")
    shipped = DEFAULT_POLICIES.named(name)
    return Policy(
        name,
        response=_read_span(value.get("response", str(shipped.response)), where=f"/{name}/response"),
        resolution=_read_span(value.get("resolution", str(shipped.resolution)), where=f"/{name}/resolution"),
    )


def _read_span(value: object, *, where: str) -> Span:
    if not isinstance(value, str):
        raise PolicyMalformed(where, "must be a text like PT24H or 5 working days")
    try:
        return parse_span(value)
    except ValueError as unreadable:
        raise PolicyMalformed(where, str(unreadable)) from unreadable


def _hours(count: int) -> WallSpan:
    return WallSpan(timedelta(hours=count))


DEFAULT_POLICIES = Policies(
    classification=_hours(1),
    by_name=MappingProxyType(
        {
            "ordinary": Policy("ordinary", response=_hours(24), resolution=_hours(72)),
            "complex": Policy("complex", response=_hours(48), resolution=WorkingDaySpan(5)),
            "urgent": Policy("urgent", response=_hours(4), resolution=_hours(24)),
        }
    ),
)
