"""From a text to its labels: scan, weigh, decide. The only door of the classifier that others need."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Final

from huiyin_router.classifier.evidence import Evidence, gather
from huiyin_router.classifier.folding import Passage, is_textless, language, passages
from huiyin_router.classifier.heads import (
    Decision,
    decide_nature,
    decide_sentiment,
    decide_subtype,
    decide_urgency,
    opinion_of,
    type_confidence,
)
from huiyin_router.classifier.labels import PARENT_TYPES, Prediction, Span, Text
from huiyin_router.classifier.lexicon import Lexicon, shipped_lexicon

REVISION: Final = "lexicon-1"

_SECOND_SUBTYPE_SHARE: Final = 0.2
_SPANS_KEPT: Final = 6
_READ_LANGUAGES: Final = frozenset({"zh", "en"})
_OPINION: Final = {"complaint": "negative", "praise": "positive"}


def predict(texts: Sequence[Text], *, has_spans: bool = True) -> list[Prediction]:
    """Return one prediction per text, in order. Takes any string; reads at most 400 characters of each.

    Without `has_spans` no spans are looked for: they are for people who ask why, and a good part of the work.
    """
    lexicon = shipped_lexicon()
    return [_predict_one(text, lexicon, has_spans=has_spans) for text in texts]


def _predict_one(text: Text, lexicon: Lexicon, *, has_spans: bool) -> Prediction:
    parts = passages(text.text, lexicon.tail_markers)
    evidence = gather(parts, lexicon, rating=text.rating)
    opinion = opinion_of(evidence)
    decisions = {
        "nature": decide_nature(evidence, opinion),
        "subtype": decide_subtype(evidence),
        "urgency": decide_urgency(evidence, opinion),
        "sentiment": decide_sentiment(evidence, opinion),
    }
    subtype = decisions["subtype"]
    return Prediction(
        nature=decisions["nature"].label,
        type=PARENT_TYPES[subtype.label],
        subtype=subtype.label,
        subtype2=_second_subtype(subtype),
        urgency=decisions["urgency"].label,
        sentiment=decisions["sentiment"].label,
        confidence=_confidence(decisions),
        spans=_strongest_spans(evidence, decisions) if has_spans else (),
        lang=_language(text, parts),
        has_wish_or_question=evidence.has_wish_or_question,
        is_textless=is_textless(parts),
    )


def _language(text: Text, parts: tuple[Passage, ...]) -> str:
    declared = (text.lang or "").lower().partition("-")[0]
    if is_textless(parts) and declared in _READ_LANGUAGES:
        return declared
    return language(parts)


def _second_subtype(subtype: Decision) -> str | None:
    is_close = subtype.shares[subtype.runner_up] >= _SECOND_SUBTYPE_SHARE
    return subtype.runner_up if is_close else None


def _confidence(decisions: Mapping[str, Decision]) -> Mapping[str, float]:
    shares = {head: decision.confidence for head, decision in decisions.items()}
    shares["type"] = type_confidence(decisions["subtype"])
    return MappingProxyType({head: round(share, 4) for head, share in shares.items()})


def _strongest_spans(evidence: Evidence, decisions: Mapping[str, Decision]) -> tuple[Span, ...]:
    wanted = {(head, decision.label) for head, decision in decisions.items()}
    wanted.add(("polarity", _OPINION.get(decisions["nature"].label, decisions["sentiment"].label)))
    spoke = sorted(
        (
            (-points, start, end, head, label)
            for start, end, head, label, points in evidence.voices
            if (head, label) in wanted
        ),
        key=itemgetter(0, 1),
    )
    spans = [
        Span(start, end, f"{'sentiment' if head == 'polarity' else head}:{label}")
        for _, start, end, head, label in spoke[:_SPANS_KEPT]
    ]
    return tuple(sorted(spans, key=lambda span: (span.start, span.label)))
