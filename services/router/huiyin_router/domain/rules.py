"""Routing rules: what they ask of a feedback, and what they say becomes of it. The first one that matches holds."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final, NamedTuple

from huiyin_contracts.vocabulary import Outcome

ONE_OF: Final = (
    "nature",
    "type",
    "subtype",
    "urgency",
    "sentiment",
    "channel",
    "kind",
    "store",
    "product",
    "lang",
)
"""Conditions that hold when the feedback's value is one of those listed."""
_FLAGS: Final = ("textless", "rated", "wish_or_question")


class Facts(NamedTuple):
    """What rules may ask of a feedback; `confidence` is the lower one of nature and type, 0 to 1."""

    nature: str
    type: str
    subtype: str
    urgency: str
    sentiment: str
    channel: str
    kind: str
    store: str | None
    product: str | None
    lang: str
    text: str
    confidence: float
    textless: bool
    rated: bool
    wish_or_question: bool


@dataclass(frozen=True, kw_only=True)
class When:
    """The conditions of a rule, all of which must hold; without any it matches everything."""

    nature: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    subtype: tuple[str, ...] = ()
    urgency: tuple[str, ...] = ()
    sentiment: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    store: tuple[str, ...] = ()
    product: tuple[str, ...] = ()
    lang: tuple[str, ...] = ()
    text_contains: tuple[str, ...] = ()
    """Plain pieces of text, one of which must occur; case does not count."""
    min_confidence: float | None = None
    below_confidence: float | None = None
    textless: bool | None = None
    rated: bool | None = None
    wish_or_question: bool | None = None

    def holds(self, facts: Facts) -> bool:
        """Tell whether all conditions hold."""
        for name, wanted in self._wanted:
            if getattr(facts, name) not in wanted:
                return False
        return (
            (self.min_confidence is None or facts.confidence >= self.min_confidence)
            and (self.below_confidence is None or facts.confidence < self.below_confidence)
            and self._contained(facts.text)
        )

    @cached_property
    def _wanted(self) -> tuple[tuple[str, tuple[Any, ...]], ...]:
        """Return what is asked of single facts: every feedback meets every rule, and most rules ask one thing."""
        listed = [(name, wanted) for name in ONE_OF if (wanted := getattr(self, name))]
        flags = [(name, (wanted,)) for name in _FLAGS if (wanted := getattr(self, name)) is not None]
        return (*listed, *flags)

    def _contained(self, text: str) -> bool:
        if not self.text_contains:
            return True
        folded = text.casefold()
        return any(piece.casefold() in folded for piece in self.text_contains)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "When":
        """Return the conditions of a stored rule; what this version does not know is left out."""
        known = {each.name for each in fields(cls)}
        said: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in document.items()
            if name in known
        }
        return cls(**said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What becomes of the feedback that a rule matches: a department's ticket, or another outcome."""

    name: str
    when: When
    outcome: Outcome
    department: str | None = None
    complex: bool = False
    priority: int | None = None


def first_match(rules: Iterable[Rule], facts: Facts) -> Rule | None:
    """Return the first rule that matches, None when none does."""
    return next((rule for rule in rules if rule.when.holds(facts)), None)


def end_of(rule: Rule | None, *, closed_units: Collection[str]) -> tuple[Outcome, str | None]:
    """Return the outcome and the department of what a rule matched; a person decides what none matched.

    So they do when the rule's department takes no tickets.
    """
    if rule is None or rule.department in closed_units:
        return Outcome.TRIAGE, None
    return rule.outcome, rule.department


def next_match(rules: Sequence[Rule], facts: Facts, *, returned_by: Collection[str]) -> Rule | None:
    """Return the rule that a returned ticket goes by: the first match of a department that has not returned it.

    None when there is none: rules that end a feedback without a ticket do not count, because it has one.
    """
    left = (rule for rule in rules if rule.department is not None and rule.department not in returned_by)
    return first_match(left, facts)


SHIPPED_RULES: Final = (
    Rule(
        name="rating-only",
        when=When(textless=True, rated=True, wish_or_question=False),
        outcome=Outcome.THANKED,
    ),
    Rule(name="unread-language", when=When(lang=("other",)), outcome=Outcome.TRIAGE),
    # A word of danger in a text that says nothing else clearly costs a look; overlooked, it may cost a life.
    Rule(
        name="unclear-but-urgent",
        when=When(nature=("other",), urgency=("urgent",)),
        outcome=Outcome.TICKET,
        department="customer-service",
    ),
    Rule(name="unclear-nature", when=When(nature=("other",)), outcome=Outcome.TRIAGE),
    # Danger and disputes cannot wait for a person to sort them: customer service has them at once, and may return them.
    Rule(
        name="unsure-but-pressing",
        when=When(below_confidence=0.3, urgency=("urgent", "complaint")),
        outcome=Outcome.TICKET,
        department="customer-service",
    ),
    Rule(name="unsure", when=When(below_confidence=0.3), outcome=Outcome.TRIAGE),
    Rule(
        name="praise",
        when=When(nature=("praise",), urgency=("normal",), wish_or_question=False),
        outcome=Outcome.THANKED,
    ),
    Rule(name="product", when=When(type=("product",)), outcome=Outcome.TICKET, department="product"),
    Rule(name="service", when=When(type=("service",)), outcome=Outcome.TICKET, department="customer-service"),
    Rule(
        name="price",
        when=When(type=("experience",), subtype=("price",)),
        outcome=Outcome.TICKET,
        department="marketing",
    ),
    Rule(name="experience", when=When(type=("experience",)), outcome=Outcome.TICKET, department="design"),
    Rule(name="logistics", when=When(type=("logistics",)), outcome=Outcome.TICKET, department="logistics"),
    Rule(name="general", when=When(type=("general",)), outcome=Outcome.TICKET, department="customer-service"),
)
"""The rules of a new installation, in order (S27, and interface.md: one outcome each). They are data from then on."""
