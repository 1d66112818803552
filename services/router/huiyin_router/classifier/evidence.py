"""Evidence of one text: every term found, with its points after negation, summed per label."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from huiyin_router.classifier.folding import Passage
from huiyin_router.classifier.lexicon import Hit, Lexicon

# A negator reaches three characters in Chinese, about three words in English, and never past punctuation.
_REACH_HAN: Final = 3
_REACH_LATIN: Final = 18
_STOPS: Final = frozenset(",.!?;。、")
_FLIPPED: Final = 0.5
_OPPOSITE: Final = {"positive": "negative", "negative": "positive"}
# "Never crashes" is no fault and no emergency; "not friendly" is still about behaviour.
_SILENCED_BY_NEGATION: Final = frozenset(
    {("subtype", "defect"), ("urgency", "urgent"), ("urgency", "complaint")}
)
_REPEATS_COUNTED: Final = 2
# "Good, but ..." is mostly praise with a reservation: on rated texts the words after "but" weigh about half.
_AFTER_CONTRAST: Final = 0.6
# Citizens and users name their purpose first ("建议...", "How do I ..."): there the word means what it says.
_OPENING_CHARS: Final = 10
_AT_OPENING: Final = 2.5
_PLAIN_CUE: Final = 2.0
_WEAK_CUE: Final = 1.0


Voice = tuple[int, int, str, str, float]
"""Start and end in the original text, head, label and points of one term: plain, because a text has dozens of them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the decisions look at: points per head and label, and plain facts of the text."""

    points: Mapping[tuple[str, str], float]
    voices: tuple[Voice, ...]
    chars: int
    questions: int
    rating: float | None

    def of(self, head: str, label: str) -> float:
        """Return the points for one label, 0 when nothing spoke for it."""
        return self.points.get((head, label), 0.0)

    @property
    def has_wish_or_question(self) -> bool:
        """Return whether the author asks for something or asks a question."""
        asks = self.questions > 0 or self.of("nature", "inquiry") >= _PLAIN_CUE
        return asks or self.of("nature", "suggestion") >= _WEAK_CUE


def gather(parts: tuple[Passage, ...], lexicon: Lexicon, *, rating: float | None) -> Evidence:
    """Return the evidence of the parts of one text. A term counts at most twice, however often it is repeated."""
    voices: list[Voice] = []
    points: dict[tuple[str, str], float] = defaultdict(float)
    seen: dict[str, int] = defaultdict(int)
    for part in parts:
        weight = 1.0
        for hit, is_negated in _with_negation(part.folded, lexicon):
            if "contrast" in hit.term.roles:
                weight = _AFTER_CONTRAST
            seen[hit.term.written] += 1
            if seen[hit.term.written] > _REPEATS_COUNTED:
                continue
            voices += _voices(hit, part.offset, is_negated=is_negated, opinion_weight=weight)
    for _, _, head, label, spoken in voices:
        points[head, label] += spoken
    return Evidence(
        points=points,
        voices=tuple(voices),
        chars=sum(len(part.folded) for part in parts),
        questions=sum(part.folded.count("?") for part in parts),
        rating=rating,
    )


def _with_negation(folded: str, lexicon: Lexicon) -> list[tuple[Hit, bool]]:
    found: list[tuple[Hit, bool]] = []
    negated_from = negated_until = -1
    for hit in lexicon.scan(folded):
        is_negated = hit.start < negated_until and _STOPS.isdisjoint(folded[negated_from : hit.start])
        found.append((hit, is_negated))
        if "negators" in hit.term.roles:
            reach = _REACH_LATIN if folded[hit.start] < "\x80" else _REACH_HAN
            negated_from, negated_until = hit.end, hit.end + reach
    return found


def _voices(hit: Hit, offset: int, *, is_negated: bool, opinion_weight: float) -> list[Voice]:
    start, end = hit.start + offset, hit.end + offset
    voices: list[Voice] = []
    for head, label, points in hit.term.effects:
        if head == "polarity":
            heard = _OPPOSITE[label] if is_negated else label
            spoken = points * opinion_weight * (_FLIPPED if is_negated else 1.0)
            voices.append((start, end, head, heard, spoken))
        elif not is_negated or (head, label) not in _SILENCED_BY_NEGATION:
            is_opening = head == "nature" and start < _OPENING_CHARS and points >= _PLAIN_CUE
            voices.append((start, end, head, label, points * _AT_OPENING if is_opening else points))
    return voices
