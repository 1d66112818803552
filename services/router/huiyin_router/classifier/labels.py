"""The labels a feedback can carry, and the shapes that go into and come out of the classifier.

The taxonomy is S20 (type tree), S21 (urgency), S22 (nature) and S26 (sentiment), with the additions argued in
the annotation guideline: `logistics`, `general` and the nature `other`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

NATURES: Final = ("complaint", "suggestion", "praise", "inquiry", "other")
URGENCIES: Final = ("normal", "urgent", "complaint")
SENTIMENTS: Final = ("negative", "neutral", "positive")

PARENT_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "defect": "product",
        "performance": "product",
        "demand": "product",
        "attitude": "service",
        "process": "service",
        "after_sales": "service",
        "interface": "experience",
        "usability": "experience",
        "price": "experience",
        "delivery": "logistics",
        "overall": "general",
    }
)
"""Subtype to type: the type is never guessed by itself."""

SUBTYPES: Final = tuple(PARENT_TYPES)


class Text(NamedTuple):
    """One feedback as the classifier sees it: `rating` is value/max in 0..1, `lang` what the sender declared."""

    text: str
    rating: float | None = None
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the original text, `[start, end)` in characters, that spoke for `label` (`head:label`)."""

    start: int
    end: int
    label: str


class Prediction(NamedTuple):
    """What the classifier reads in one text.

    `confidence` holds 0..1 per head (nature, type, subtype, urgency, sentiment); `lang` is zh, en or other.
    """

    nature: str
    type: str
    subtype: str
    subtype2: str | None
    urgency: str
    sentiment: str
    confidence: Mapping[str, float]
    spans: tuple[Span, ...]
    lang: str
    has_wish_or_question: bool
    is_textless: bool
