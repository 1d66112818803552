"""How the departments of a demonstration behave: who answers in time, who late, who never.

Pure: a plan says which verbs of the desk follow after how many seconds; whoever plays it calls the API. The
spans come with the ticket, so the same plan works for policies in seconds and in days.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

ANSWERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "zh": {
        "complaint": (
            "非常抱歉给您带来不便，我们已经核实情况并安排专人处理，处理结果会第一时间告诉您。",
            "感谢您的反馈，问题已确认，今天内会有同事与您联系，给出具体解决办法。",
        ),
        "suggestion": ("谢谢您的建议，我们已转给产品同事评估，采纳后会告诉您。",),
        "inquiry": ("您好，您咨询的问题我们已经查到，详细步骤已发送给您，如有不明白请随时回复。",),
        "praise": ("谢谢您的肯定，已转告相关同事，我们会继续努力！",),
        "other": ("您好，我们收到了您的消息，请问有什么可以帮您？",),
    },
    "en": {
        "complaint": (
            "We are sorry for the trouble. We have confirmed the problem and a colleague is working on it now.",
            "Thank you for telling us. You will hear from us today with a concrete solution.",
        ),
        "suggestion": (
            "Thank you for the idea. It is with the product team, and we will tell you what becomes of it.",
        ),
        "inquiry": ("Thank you for asking. We have sent you the steps; just reply if anything is unclear.",),
        "praise": ("Thank you for the kind words, we have passed them on.",),
        "other": ("Thank you for your message. How can we help?",),
    },
}
SUMMARIES: Mapping[str, str] = {
    "zh": "已与客户确认，问题处理完毕。",
    "en": "Settled and confirmed with the customer.",
}
SECOND_ANSWERS: Mapping[str, str] = {
    "zh": "抱歉上次没有彻底解决，主管已接手，问题重新处理。",
    "en": "We are sorry that it was not solved. A supervisor has taken it over.",
}
RETURN_REASONS: Mapping[str, str] = {
    "zh": "不属于本部门职责，请重新分派。",
    "en": "Not within our duties, please route it anew.",
}
NOTES: Mapping[str, str] = {"zh": "客户表示问题仍未解决", "en": "The customer says it is still not solved"}

# Sums such as 0.7 + 0.3 may come out a little above 1 in floating point.
_ROUNDING = 1e-9
_ACCEPTED_AND_FORGOTTEN = 0.5


@dataclass(frozen=True, slots=True)
class Department:
    """A department's habits; shares lie between 0 and 1, what is neither on time nor late is never answered.

    `returned` is the share sent back to routing, taken before the others; `unsatisfied` the share of resolved
    tickets whose first review fails, which reopens them. Raises ValueError when shares cannot be.
    """

    slug: str
    on_time: float
    late: float
    returned: float = 0.0
    unsatisfied: float = 0.0
    people: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shares = (self.on_time, self.late, self.returned, self.unsatisfied, self.never)
        if any(not -_ROUNDING <= share <= 1 for share in shares):
            raise ValueError(f"shares of department {self.slug} do not fit between 0 and 1")

    @property
    def never(self) -> float:
        """Return the share of kept tickets that get no answer."""
        return 1 - self.on_time - self.late


@dataclass(frozen=True, slots=True)
class TicketInWork:
    """What a department must know of a ticket to plan its work; spans run from now."""

    id: str
    nature: str
    lang: str
    response_seconds: float
    resolution_seconds: float
    is_rerouted: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One call to the desk: POST /v1/tickets/{id}/`verb` with `body`, so many seconds after the ticket came."""

    verb: str
    after_seconds: float
    body: Mapping[str, str | bool] = field(default_factory=dict)


DEPARTMENTS = (
    Department("product", on_time=0.70, late=0.20, returned=0.06, unsatisfied=0.10),
    Department("customer-service", on_time=0.85, late=0.12, returned=0.03, unsatisfied=0.06),
    Department("design", on_time=0.75, late=0.15, returned=0.05, unsatisfied=0.08),
    Department("marketing", on_time=0.8, late=0.1, returned=0.05, unsatisfied=0.05),
    Department("logistics", on_time=0.60, late=0.25, returned=0.04, unsatisfied=0.12),
)
_ORDINARY = Department("", on_time=0.75, late=0.18, returned=0.04, unsatisfied=0.08)


def department_of(slug: str, *, people: tuple[str, ...] = ()) -> Department:
    """Return the habits of a department, ordinary ones for a slug we have none for, with its people's ids."""
    known = next((department for department in DEPARTMENTS if department.slug == slug), _ORDINARY)
    return Department(slug, known.on_time, known.late, known.returned, known.unsatisfied, people)


def plan(ticket: TicketInWork, profile: Department, rng: Random) -> tuple[Step, ...]:
    """Return what the department does with a ticket, in order of time; the same for an rng in the same state.

    A returned ticket is only returned, and only once: the second department keeps it. A ticket that is never
    answered may still be accepted. A satisfied review archives, an unsatisfied one reopens (the desk sees to both).
    """
    if rng.random() < profile.returned and not ticket.is_rerouted:
        reason = _in_language(RETURN_REASONS, ticket.lang)
        return (Step("return", _within(rng, 0.1, 0.4, of=ticket.response_seconds), {"reason": reason}),)
    habit = rng.random()
    if habit < profile.on_time:
        return _worked(ticket, profile, rng, pace=(0.15, 0.6))
    if habit < profile.on_time + profile.late:
        return _worked(ticket, profile, rng, pace=(1.15, 1.8))
    return _neglected(ticket, rng)


def _neglected(ticket: TicketInWork, rng: Random) -> tuple[Step, ...]:
    if rng.random() < _ACCEPTED_AND_FORGOTTEN:
        return (Step("accept", _within(rng, 0.1, 0.6, of=ticket.response_seconds)),)
    return ()


def _worked(
    ticket: TicketInWork, profile: Department, rng: Random, *, pace: tuple[float, float]
) -> tuple[Step, ...]:
    low, high = pace
    answered = _within(rng, low, high, of=ticket.response_seconds)
    resolved = max(_within(rng, low, high, of=ticket.resolution_seconds), answered * 1.05)
    steps = [
        Step("accept", answered * 0.3),
        *(
            [Step("assign", answered * 0.4, {"assignee": rng.choice(profile.people)})]
            if profile.people
            else []
        ),
        Step("answer", answered, {"text": _answer(ticket, rng)}),
        Step("resolve", resolved, {"summary": _in_language(SUMMARIES, ticket.lang)}),
    ]
    return (*steps, *_reviewed(ticket, profile, rng, after_seconds=resolved))


def _reviewed(
    ticket: TicketInWork, profile: Department, rng: Random, *, after_seconds: float
) -> tuple[Step, ...]:
    reviewed = after_seconds + _within(rng, 0.05, 0.2, of=ticket.response_seconds)
    if rng.random() >= profile.unsatisfied:
        return (Step("review", reviewed, {"satisfied": True}),)
    note = _in_language(NOTES, ticket.lang)
    answered = reviewed + _within(rng, 0.15, 0.5, of=ticket.response_seconds)
    resolved = answered + _within(rng, 0.05, 0.4, of=ticket.resolution_seconds)
    settled = resolved + _within(rng, 0.05, 0.2, of=ticket.response_seconds)
    return (
        Step("review", reviewed, {"satisfied": False, "note": note}),
        Step("answer", answered, {"text": _in_language(SECOND_ANSWERS, ticket.lang)}),
        Step("resolve", resolved, {"summary": _in_language(SUMMARIES, ticket.lang)}),
        Step("review", settled, {"satisfied": True}),
    )


def _answer(ticket: TicketInWork, rng: Random) -> str:
    texts = ANSWERS.get(ticket.lang, ANSWERS["en"])
    return rng.choice(texts.get(ticket.nature, texts["other"]))


def _in_language(texts: Mapping[str, str], lang: str) -> str:
    return texts.get(lang, texts["en"])


def _within(rng: Random, low: float, high: float, *, of: float) -> float:
    return rng.uniform(low, high) * of
