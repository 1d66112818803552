"""Word lists of the classifier: how they are read from the package and found in a text.

The lists are TOML files that an operator can read and edit. A text is scanned once, from left to right; at each
place the longest term wins, so that 不错 is never read as 不 + 错. Scanning is linear and needs no regular
expression that could run away.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
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

Effects = dict[tuple[str, str], float]


class UnknownStrength(ValueError):
    """A word list names a strength that carries no points; `strength` and `where` (head.label) say which."""

    def __init__(self, strength: str, *, where: str) -> None:
        super().__init__(f"lexicon {where}: strength {strength!r} is none of {', '.join(POINTS)}")
        self.strength = strength
        self.where = where


@dataclass(frozen=True, slots=True)
class Term:
    """What one term says: points per (head, label), and whether it negates, shields or turns what follows."""

    written: str
    effects: tuple[tuple[str, str, float], ...]
    roles: frozenset[str]


class Hit(NamedTuple):
    """A term found at `[start, end)` of a folded text."""

    start: int
    end: int
    term: Term


class Lexicon:
    """Terms arranged for scanning: Latin ones by their first three letters, all others by their first character."""

    def __init__(self, terms: Iterable[Term], *, tail_markers: tuple[str, ...] = ()) -> None:
        self.tail_markers = tail_markers
        self._others: dict[str, Term] = {}
        self._latin: dict[str, tuple[tuple[str, bool, Term], ...]] = {}
        lengths: dict[str, set[int]] = defaultdict(set)
        latin: dict[str, list[tuple[str, bool, Term]]] = defaultdict(list)
        for term in terms:
            if term.written[0] in _LATIN:
                phrase = term.written.removesuffix("*")
                latin[_latin_key(phrase)].append((phrase, phrase != term.written, term))
            else:
                self._others[term.written] = term
                lengths[term.written[0]].add(len(term.written))
        self._lengths = {char: tuple(sorted(found, reverse=True)) for char, found in lengths.items()}
        for key, entries in latin.items():
            self._latin[key] = tuple(sorted(entries, key=lambda entry: (-len(entry[0]), entry[1])))

    def scan(self, folded: str) -> Iterator[Hit]:
        """Yield the terms of a folded text from left to right, without overlap, the longest first."""
        at, end = 0, len(folded)
        lengths, others = self._lengths, self._others
        while at < end:
            char = folded[at]
            if "a" <= char <= "z":
                hit, at = self._latin_at(folded, at)
                if hit is not None:
                    yield hit
                continue
            for length in lengths.get(char, ()):
                term = others.get(folded[at : at + length])
                if term is not None:
                    # Near the end of the text a slice is shorter than asked for.
                    found_end = at + len(term.written)
                    yield Hit(at, found_end, term)
                    at = found_end
                    break
            else:
                at += 1

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
                return Hit(at, phrase_end, term), phrase_end
        return None, word_end


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
    return Term(
        written, tuple((head, label, points) for (head, label), points in effects.items()), frozenset(roles)
    )


def _let_parts_speak(effects: dict[str, Effects], *, shields: frozenset[str]) -> None:
    own = {written: dict(found) for written, found in effects.items()}
    for head in HEADS:
        listed = {
            written: {key: points for key, points in found.items() if key[0] == head}
            for written, found in own.items()
        }
        parts = Lexicon(
            _term(written, found, set()) for written, found in listed.items() if found or written in shields
        )
        for written, found in effects.items():
            if written in shields or listed[written]:
                continue
            for hit in parts.scan(written.removesuffix("*")):
                for part_head, label, points in hit.term.effects:
                    found[part_head, label] = max(points, found.get((part_head, label), 0.0))
