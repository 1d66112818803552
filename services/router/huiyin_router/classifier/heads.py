"""Decisions: from evidence to one label per head, with a confidence.

Every head turns its evidence into scores and its scores into shares by softmax. The constants were set by hand on
development texts; a head's `sharpness` is the one at which its mean confidence comes near its accuracy there.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from huiyin_router.classifier.evidence import Evidence
from huiyin_router.classifier.labels import PARENT_TYPES, SUBTYPES

# A satisfied author of a long text still names flaws: on rated reviews a bad word says a little less than a good one.
_BAD_WORD_WEIGHT: Final = 0.85
_FAULT_WEIGHT: Final = 0.3
_FAULT_LIMIT: Final = 6.0
_QUESTION_LIMIT: Final = 6.0
# Three stars of five say nothing; five stars weigh like one strong word, one star a little more.
_MIDDLE_RATING: Final = 0.6
_RATING_POINTS: Final = 7.5
_SECOND_SUBTYPE_SHARE: Final = 0.2
_SUBTYPE_TOPICS: Final = tuple((label, ("subtype", label)) for label in SUBTYPES)
_SIBLINGS: Final = {
    label: tuple(place for place, other in enumerate(SUBTYPES) if PARENT_TYPES[other] == parent)
    for label, parent in PARENT_TYPES.items()
}
"""Where the subtypes of the same type stand among all, itself included."""


class Decision(NamedTuple):
    """A head's answer: the best label, its share in 0..1, and the shares of all labels in the head's order."""

    label: str
    confidence: float
    shares: Sequence[float]


class Opinion(NamedTuple):
    """The weight of good and of bad words in one text."""

    good: float
    blame: float


def decide_sentiment(evidence: Evidence, opinion: Opinion) -> Decision:
    """Return the sentiment of the whole text: neutral is as much praise as blame, neither, or a mere question."""
    good, blame = opinion
    lean = good - blame
    asks = min(evidence.of("nature", "inquiry"), _QUESTION_LIMIT)
    scores = {"positive": lean, "negative": -lean, "neutral": 0.9 - 0.35 * abs(lean) + 0.3 * asks}
    return _decide(scores, sharpness=0.6)


def decide_nature(evidence: Evidence, opinion: Opinion) -> Decision:
    """Return what the author is doing."""
    good, blame = opinion
    asks = evidence.of("nature", "inquiry") + min(evidence.questions, 1)
    wishes = evidence.of("nature", "suggestion")
    scores = {
        "complaint": 1.0 + 0.8 * blame - 0.5 * good + evidence.of("nature", "complaint") - 0.2 * wishes,
        "praise": 0.5 + 0.8 * good - 0.6 * blame - 0.3 * wishes,
        "suggestion": 0.9 * wishes - 0.3 * blame,
        "inquiry": 0.8 * asks - 0.4 * blame - 0.4 * good,
        "other": 0.5 + 0.8 * evidence.of("nature", "other") - 0.3 * (good + blame),
    }
    return _decide(scores, sharpness=0.8)


def decide_subtype(evidence: Evidence) -> Decision:
    """Return what the text is about; without a named aspect that is `overall`."""
    points = evidence.points
    scores = {label: points.get(topic, 0.0) for label, topic in _SUBTYPE_TOPICS}
    scores["overall"] = 1.0 + 0.5 * scores["overall"]
    return _decide(scores, sharpness=0.7)


def second_subtype(subtype: Decision) -> str | None:
    """Return what else the text is about, None when nothing comes near."""
    others = list(subtype.shares)
    others[SUBTYPES.index(subtype.label)] = 0.0
    second = max(others)
    return SUBTYPES[others.index(second)] if second >= _SECOND_SUBTYPE_SHARE else None


def type_confidence(subtype: Decision) -> float:
    """Return the confidence of the type: the shares of all its subtypes together."""
    return sum(subtype.shares[place] for place in _SIBLINGS[subtype.label])


def decide_urgency(evidence: Evidence, opinion: Opinion) -> Decision:
    """Return the clock: of equal signs a dispute beats urgent; without a plain sign of either it is normal."""
    good, blame = opinion
    return _decide(
        {
            "normal": 1.9 + 0.3 * max(good - blame, 0.0),
            "urgent": evidence.of("urgency", "urgent"),
            "complaint": 1.1 * evidence.of("urgency", "complaint"),
        },
        sharpness=1.5,
    )


def opinion_of(evidence: Evidence) -> Opinion:
    """Return the weight of good and of bad words; a fault or a dispute told in plain words is blame too."""
    fault = (
        evidence.of("subtype", "defect")
        + evidence.of("urgency", "urgent")
        + evidence.of("urgency", "complaint")
    )
    good = evidence.of("polarity", "positive")
    blame = _BAD_WORD_WEIGHT * evidence.of("polarity", "negative") + _FAULT_WEIGHT * min(fault, _FAULT_LIMIT)
    if evidence.rating is None:
        return Opinion(good, blame)
    lean = _RATING_POINTS * (evidence.rating - _MIDDLE_RATING)
    return Opinion(good + max(lean, 0.0), blame + max(-lean, 0.0))


def _decide(scores: Mapping[str, float], *, sharpness: float) -> Decision:
    top = max(scores.values())
    weights = [math.exp(sharpness * (score - top)) for score in scores.values()]
    total = sum(weights)
    shares = [weight / total for weight in weights]
    best = max(shares)
    return Decision(list(scores)[shares.index(best)], best, shares)
