"""Word lists of the classifier: how they are read from the package and found in a text.

The lists are TOML files that an operator can read and edit. A text is scanned once, from left to right; at each
place the longest term wins, so that 不错 is never read as 不 + 错. Scanning is linear and needs no regular
expression that could run away.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from huiyin_router.classifier.folding import fold

POINTS: Final[Mapping[str, float]] = {"strong": 3.0, "clear": 2.0, "weak": 1.0, "faint": 0.5}
HEADS: Final = ("polarity", "subtype", "urgency", "nature")
ROLES: Final = ("negators", "neutral", "contrast")

_WORD: Final = re.compile(r"[a-z']+")
_SEPARATORS: Final = re.compile(r"[,\n，]+")
_LATIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz'")
_KEY_CHARS: Final = 3

Topic = tuple[str, str]
"""Head and label: what a term can speak for."""
Effect = tuple[Topic, float]
"""A topic and the points for it."""
Effects = dict[Topic, float]


class UnknownStrength(ValueError):
    """A word list names a strength that carries no points; `strength` and `where` (head.label) say which."""

    def __init__(self, strength: str, *, where: str) -> None:
        super().__init__(f"lexicon {where}: strength {strength!r} is none of {', '.join(POINTS)}")
        self.strength = strength
        self.where = where


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """What one term says, and whether it negates, shields or turns what follows."""

    written: str
    effects: tuple[Effect, ...]
    roles: frozenset[str]


Hit = tuple[int, int, Term]
"""A term found at `[start, end)` of a folded text: plain, because a text has dozens of them."""


class _Start(NamedTuple):
    """What can be found where two characters stand: lengths to be tried, and the term of the two, or else of the first."""

    longer: tuple[int, ...]
    short: Term | None


class Lexicon:
    """Terms arranged for scanning: Latin ones by their first three letters, all others by their first two characters."""

    def __init__(self, terms: Iterable[Term], *, tail_markers: tuple[str, ...] = ()) -> None:
        self.tail_markers = tail_markers
        self._others: dict[str, Term] = {}
        self._latin: dict[str, tuple[tuple[str, bool, Term], ...]] = {}
        latin: dict[str, list[tuple[str, bool, Term]]] = defaultdict(list)
        for term in terms:
            if term.written[0] in _LATIN:
                phrase = term.written.removesuffix("*")
                latin[_latin_key(phrase)].append((phrase, phrase != term.written, term))
            else:
                self._others[term.written] = term
        self._starts = _starts(self._others)
        for key, entries in latin.items():
            self._latin[key] = tuple(sorted(entries, key=lambda entry: (-len(entry[0]), entry[1])))

    def scan(self, folded: str) -> list[Hit]:
        """Return the terms of a folded text from left to right, without overlap, the longest first."""
        hits: list[Hit] = []
        at, end = 0, len(folded)
        starts, others = self._starts, self._others
        while at < end:
            char = folded[at]
            start = starts.get(folded[at : at + 2]) or starts.get(char)
            if start is None:
                if "a" <= char <= "z":
                    hit, at = self._latin_at(folded, at)
                    if hit is not None:
                        hits.append(hit)
                else:
                    at += 1
                continue
            longer, term = start
            for length in longer:
                found = others.get(folded[at : at + length])
                if found is not None:
                    term = found
                    break
            if term is None:
                at += 1
            else:
                # Near the end of the text a slice is shorter than asked for.
                found_end = at + len(term.written)
                hits.append((at, found_end, term))
                at = found_end
        return hits

    def _latin_at(self, folded: str, at: int) -> tuple[Hit | None, int]:
        word = _WORD.match(folded, at)
        word_end = word.end() if word else at + 1
        key = folded[at : min(word_end, at + _KEY_CHARS)]
        for phrase, is_stem, term in self._latin.get(key, ()):
            if not folded.startswith(phrase, at):
                continue
            phrase_end = at + len(phrase)
            rest = _WORD.match(folded, phrase_end)
            if rest is None or is_stem:
                phrase_end = rest.end() if rest else phrase_end
                return (at, phrase_end, term), phrase_end
        return None, word_end


def _starts(terms: Mapping[str, Term]) -> dict[str, _Start]:
    """Return what may be found where the first two characters of any term stand, or its only one."""
    lengths: dict[str, set[int]] = defaultdict(set)
    for written in terms:
        lengths[written[:2]].add(len(written))
    return {
        start: _Start(
            tuple(sorted((length for length in found if length > len(start)), reverse=True)),
            terms.get(start) or terms.get(start[0]),
        )
        for start, found in lengths.items()
    }


def _latin_key(phrase: str) -> str:
    word = _WORD.match(phrase)
    return phrase[: min(word.end() if word else 1, _KEY_CHARS)]


@cache
def shipped_lexicon() -> Lexicon:
    """Return the lexicon of the package; read once per process. Raises UnknownStrength."""
    folder = files("huiyin_router.classifier") / "lexicons"
    grammar = tomllib.loads((folder / "grammar.toml").read_text("utf-8"))
    heads = {head: tomllib.loads((folder / f"{head}.toml").read_text("utf-8")) for head in HEADS}
    return build_lexicon(heads, grammar)


def build_lexicon(heads: Mapping[str, Mapping[str, Any]], grammar: Mapping[str, Any]) -> Lexicon:
    """Return a lexicon from parsed tables: `heads` maps head to label to strength to terms.

    A term speaks for every head. Where a head does not list it, its parts speak ("更新失败" is negative because
    "失败" is); terms of the neutral table are shields whose parts stay silent. Raises UnknownStrength.
    """
    effects = _listed_effects(heads)
    roles: dict[str, set[str]] = defaultdict(set)
    for role in ROLES:
        for written in split_terms(grammar[role]["terms"]):
            roles[written].add(role)
            effects.setdefault(written, {})
    _let_parts_speak(effects, shields=frozenset(split_terms(grammar["neutral"]["terms"])))
    terms = [_term(written, found, roles[written]) for written, found in effects.items()]
    return Lexicon(terms, tail_markers=tuple(grammar["boilerplate"]["tail_markers"]))


def _listed_effects(heads: Mapping[str, Mapping[str, Any]]) -> dict[str, Effects]:
    effects: dict[str, Effects] = defaultdict(dict)
    for head, labels in heads.items():
        for label, strengths in labels.items():
            for strength, listed in strengths.items():
                points = _points(strength, where=f"{head}.{label}")
                for written in split_terms(listed):
                    effects[written][head, label] = max(points, effects[written].get((head, label), 0.0))
    return effects


def _points(strength: str, *, where: str) -> float:
    if strength not in POINTS:
        raise UnknownStrength(strength, where=where)
    return POINTS[strength]


def split_terms(listed: str) -> list[str]:
    """Return the folded terms of a list separated by commas or line ends."""
    return [fold(term.strip()) for term in _SEPARATORS.split(listed) if term.strip()]


def _term(written: str, effects: Effects, roles: set[str]) -> Term:
    return Term(written, tuple(effects.items()), frozenset(roles))


def _let_parts_speak(effects: dict[str, Effects], *, shields: frozenset[str]) -> None:
    own = {written: dict(found) for written, found in effects.items()}
    for head in HEADS:
        listed = {
            written: {topic: points for topic, points in found.items() if topic[0] == head}
            for written, found in own.items()
        }
        parts = Lexicon(
            _term(written, found, set()) for written, found in listed.items() if found or written in shields
        )
        for written, found in effects.items():
            if written in shields or listed[written]:
                continue
            for _, _, part in parts.scan(written.removesuffix("*")):
                for topic, points in part.effects:
                    found[topic] = max(points, found.get(topic, 0.0))
