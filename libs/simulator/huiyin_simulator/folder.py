"""The folder of a demonstration: made anew by each one, and only ever removed when a demonstration made it."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from huiyin_simulator.errors import DemoRunning, FolderNotOurs

MARKER: Final = "DEMO"
_SAYS: Final = (
    "Made by `huiyin demo`, which removes this folder with all that is in it when it starts again.\n"
)


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """A fresh folder. `lock` is an open file that keeps other demos away for as long as any process holds it."""

    path: Path
    lock: int


@contextmanager
def demo_folder(path: Path) -> Iterator[DemoFolder]:
    """Make the folder anew and give it; what is in it afterwards stays for whoever wants to look.

    Raises FolderNotOurs when something stands there that no demo made, DemoRunning while another one uses it.
    """
    path = path.absolute()
    _remove_old(path)
    path.mkdir(mode=0o700, parents=True)
    (path / MARKER).write_text(_SAYS, encoding="utf-8")
    lock = os.open(path / MARKER, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield DemoFolder(path, lock)
    finally:
        os.close(lock)


def _remove_old(path: Path) -> None:
    if not path.exists() and not path.is_symlink():
        return
    if path.is_symlink() or not (path / MARKER).is_file():
        raise FolderNotOurs(path)
    lock = os.open(path / MARKER, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    except BlockingIOError:
        raise DemoRunning(path) from None
    finally:
        os.close(lock)
