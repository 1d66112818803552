"""A planted bug as its file tells it, and how it is put into a tree."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "planted"


class EditDoesNotFit(Exception):
    """The lines that a planted bug replaces are not in the file exactly once: the code has moved on."""

    def __init__(self, path: str, *, found: int) -> None:
        super().__init__(f"{path}: the lines to replace are there {found} times")
        self.path = path
        self.found = found


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines of one file that become others; `path` is relative to the tree."""

    path: str
    old: str
    new: str

    def apply(self, tree: Path) -> None:
        """Replace the lines in the tree's file. Raises EditDoesNotFit."""
        file = tree / self.path
        text = file.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise EditDoesNotFit(self.path, found=text.count(self.old))
        file.write_text(text.replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """One bug: its edits, and the tests of which at least one must fail when they are made."""

    name: str
    title: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]

    def plant(self, tree: Path) -> None:
        """Put the bug into a tree. Raises EditDoesNotFit."""
        for edit in self.edits:
            edit.apply(tree)


def planted_bugs() -> list[PlantedBug]:
    """Return all planted bugs by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.toml"))]


def _read(path: Path) -> PlantedBug:
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    edits = tuple(Edit(each["path"], each["old"], each["new"]) for each in told["edits"])
    return PlantedBug(path.stem, told["title"], edits, tuple(told["tests"]))
