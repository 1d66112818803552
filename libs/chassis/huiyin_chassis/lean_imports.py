"""Imports libraries without what they only try for, and this process has no use for.

structlog looks whether rich is there, for its colourful console. With typer it is, and takes 40 ms of every start; our
logs are JSON.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(name: str) -> Iterator[None]:
    """Let imports in the block not find a package; nothing changes when it has been imported before.

    Not for a process that imports in several threads at the same time. The broker, which imports no other package of ours, has its own for kio.
    """
    if name in sys.modules:
        yield
        return
    # None is Python's own sign for a module that must not be found.
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
