"""Near-duplicates: how much two texts have in common, and from where on they are the same text.

A text that the same author sends again with a few typing changes is one case, not two. The measure
is the resemblance of Broder ("On the resemblance and containment of documents", 1997): the share of common shingles.
On its own it also pairs short stock phrases of strangers, so callers ask for the same author first.
"""

import unicodedata
from typing import Final

RESENT_SIMILARITY: Final = 0.5
"""From here two texts of one author are the same text.

Measured on 200 re-sent texts with one to three typing changes: 0.5 finds 97.5 % of them and pairs none of 9,000
other pairs of texts that share a (synthetic) author. The 0.7 that separates texts of strangers finds 79 %, because three changes in
a text of 25 characters already touch a quarter of its shingles.
"""

_HAN_SHINGLE_CHARS: Final = 2
_LATIN_SHINGLE_CHARS: Final = 4
_CHARS_COMPARED: Final = 4_000


def shingles(text: str) -> frozenset[str]:
    """Return the overlapping pieces of a text: 2 characters where Chinese prevails, else 4.

    Case, width, spaces and punctuation do not count, and nothing after the first 4,000 characters does. A text
    shorter than a piece is its own only piece; a text without letters or digits has none.
    """
    bare = "".join(
        char for char in unicodedata.normalize("NFKC", text[:_CHARS_COMPARED]).lower() if char.isalnum()
    )
    if not bare:
        return frozenset()
    size = _HAN_SHINGLE_CHARS if _is_mostly_han(bare) else _LATIN_SHINGLE_CHARS
    return frozenset(bare[at : at + size] for at in range(max(len(bare) - size, 0) + 1))


def resemblance(ours: frozenset[str], theirs: frozenset[str]) -> float:
    """Return the Jaccard share of two texts' common shingles, 0 to 1; a text without any shares nothing."""
    if not ours or not theirs:
        return 0.0
    common = len(ours & theirs)
    return common / (len(ours) + len(theirs) - common)


def _is_mostly_han(bare: str) -> bool:
    return 2 * sum("一" <= char <= "鿿" for char in bare) >= len(bare)
