"""From a text to its labels: scan, weigh, decide. The only door of the classifier that others need."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from huiyin_router.classifier.evidence import Evidence, gather
from huiyin_router.classifier.folding import Passage, is_textless, language, passages
from huiyin_router.classifier.heads import (
    Decision,
    decide_nature,
    decide_sentiment,
    decide_subtype,
    decide_urgency,
    opinion_of,
    second_subtype,
    type_confidence,
)
from huiyin_router.classifier.labels import PARENT_TYPES, Prediction, Span, Text
from huiyin_router.classifier.lexicon import Lexicon, shipped_lexicon

REVISION: Final = "lexicon-1"

_SPANS_KEPT: Final = 6
_READ_LANGUAGES: Final = frozenset({"zh", "en"})
_OPINION: Final = {"complaint": "negative", "praise": "positive"}


def is_ready() -> bool:
    """Tell whether the word lists have been read, which the first call of any other function here does."""
    return shipped_lexicon.cache_info().currsize > 0


def prepare() -> None:
    """Read the word lists; blocks for some fifty milliseconds the first time."""
    shipped_lexicon()


def predict(texts: Sequence[Text]) -> list[Prediction]:
    """Return one prediction per text, in order, without spans. Takes any string; reads at most 400 characters of each."""
    lexicon = shipped_lexicon()
    return [_prediction(_read(text, lexicon)) for text in texts]


def explain(texts: Sequence[Text]) -> list[Prediction]:
    """Return the predictions of `predict` with the spans that spoke for them: for people who ask why, and dearer."""
    lexicon = shipped_lexicon()
    readings = [_read(text, lexicon) for text in texts]
    return [_prediction(one, spans=_strongest_spans(one)) for one in readings]


class _Reading(NamedTuple):
    """A text as the classifier has read it: its passages, what speaks in them, and what that decides."""

    text: Text
    parts: tuple[Passage, ...]
    evidence: Evidence
    decisions: Mapping[str, Decision]


def _read(text: Text, lexicon: Lexicon) -> _Reading:
    parts = passages(text.text, lexicon.tail_markers)
    evidence = gather(parts, lexicon, rating=text.rating)
    opinion = opinion_of(evidence)
    decisions = {
        "nature": decide_nature(evidence, opinion),
        "subtype": decide_subtype(evidence),
        "urgency": decide_urgency(evidence, opinion),
        "sentiment": decide_sentiment(evidence, opinion),
    }
    return _Reading(text, parts, evidence, decisions)


def _prediction(reading: _Reading, *, spans: tuple[Span, ...] = ()) -> Prediction:
    text, parts, evidence, decisions = reading
    subtype = decisions["subtype"]
    has_no_text = is_textless(parts)
    return Prediction(
        nature=decisions["nature"].label,
        type=PARENT_TYPES[subtype.label],
        subtype=subtype.label,
        subtype2=second_subtype(subtype),
        urgency=decisions["urgency"].label,
        sentiment=decisions["sentiment"].label,
        confidence=_confidence(decisions),
        spans=spans,
        lang=_language(text, parts, has_letters=not has_no_text),
        has_wish_or_question=evidence.has_wish_or_question,
        is_textless=has_no_text,
    )


def _language(text: Text, parts: tuple[Passage, ...], *, has_letters: bool) -> str:
    if has_letters:
        return language(parts)
    declared = (text.lang or "").lower().partition("-")[0]
    return declared if declared in _READ_LANGUAGES else language(parts)


def _confidence(decisions: Mapping[str, Decision]) -> Mapping[str, float]:
    shares = {head: decision.confidence for head, decision in decisions.items()}
    shares["type"] = type_confidence(decisions["subtype"])
    return MappingProxyType({head: round(share, 4) for head, share in shares.items()})


def _strongest_spans(reading: _Reading) -> tuple[Span, ...]:
    decisions = reading.decisions
    wanted = {(head, decision.label) for head, decision in decisions.items()}
    wanted.add(("polarity", _OPINION.get(decisions["nature"].label, decisions["sentiment"].label)))
    spoke = [
        (start, end, head, label, points)
        for start, end, effects in reading.evidence.voices
        for (head, label), points in effects
        if (head, label) in wanted
    ]
    spans = [
        Span(start, end, f"{'sentiment' if head == 'polarity' else head}:{label}")
        for start, end, head, label, _ in sorted(spoke, key=_strongest_first)[:_SPANS_KEPT]
    ]
    return tuple(sorted(spans, key=lambda span: (span.start, span.label)))


def _strongest_first(voice: tuple[int, int, str, str, float]) -> tuple[float, int]:
    """Return the place of a voice among others: by its points, and in the order of the text where they are equal."""
    start, _, _, _, points = voice
    return -points, start
