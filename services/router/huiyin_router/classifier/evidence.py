"""Evidence of one text: every term found, with its points after negation, summed per label."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from huiyin_router.classifier.folding import Passage
from huiyin_router.classifier.lexicon import Effect, Lexicon, Term, Topic

# A negator reaches three characters in Chinese, about three words in English, and never past punctuation.
_REACH_HAN: Final = 3
_REACH_LATIN: Final = 18
_STOPS: Final = frozenset(",.!?;。、")
_FLIPPED: Final = 0.5
_OPPOSITE: Final = {"positive": "negative", "negative": "positive"}
# "Never crashes" is no fault and no emergency; "not friendly" is still about behaviour.
_SILENCED_BY_NEGATION: Final[frozenset[Topic]] = frozenset(
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


Voice = tuple[int, int, tuple[Effect, ...]]
"""Start and end of a term in the original text, and what it says there: plain, because a text has dozens of them."""


class Evidence(NamedTuple):
    """All that the decisions look at: points per head and label, and plain facts of the text."""

    points: Mapping[Topic, float]
    voices: list[Voice]
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
    times: dict[Term, int] = defaultdict(int)
    for part in parts:
        voices += _voices(part, lexicon, times)
    points: dict[Topic, float] = defaultdict(float)
    for _, _, effects in voices:
        for topic, spoken in effects:
            points[topic] += spoken
    return Evidence(points, voices, sum(part.folded.count("?") for part in parts), rating)


def _voices(part: Passage, lexicon: Lexicon, times: dict[Term, int]) -> Iterator[Voice]:
    """Give the voices of a part, counting in `times` how often each term was met."""
    folded, offset = part
    negated_from = negated_until = -1
    is_after_contrast = False
    for start, end, term in lexicon.scan(folded):
        is_negated = start < negated_until and _STOPS.isdisjoint(folded[negated_from:start])
        if term.roles:
            is_after_contrast = is_after_contrast or "contrast" in term.roles
            if "negators" in term.roles:
                reach = _REACH_LATIN if folded[start] < "\x80" else _REACH_HAN
                negated_from, negated_until = end, end + reach
        times[term] += 1
        if times[term] > _REPEATS_COUNTED:
            continue
        effects, begin = term.effects, start + offset
        if is_negated or is_after_contrast or begin < _OPENING_CHARS:
            effects = _swayed(
                effects,
                is_negated=is_negated,
                is_after_contrast=is_after_contrast,
                is_opening=begin < _OPENING_CHARS,
            )
        yield begin, end + offset, effects


def _swayed(
    effects: tuple[Effect, ...], *, is_negated: bool, is_after_contrast: bool, is_opening: bool
) -> tuple[Effect, ...]:
    """Return what a term says where something before it, or its place, changes that."""
    swayed: list[Effect] = []
    weight = _AFTER_CONTRAST if is_after_contrast else 1.0
    for topic, points in effects:
        head, label = topic
        if head == "polarity":
            heard = (head, _OPPOSITE[label]) if is_negated else topic
            swayed.append((heard, points * weight * (_FLIPPED if is_negated else 1.0)))
        elif not is_negated or topic not in _SILENCED_BY_NEGATION:
            is_cue = is_opening and head == "nature" and points >= _PLAIN_CUE
            swayed.append((topic, points * _AT_OPENING if is_cue else points))
    return tuple(swayed)
