"""Exceptions as the log tells them: where each came from and why, without what a customer may have said.

Python's own rendering prints the message of every exception in the chain, and a driver's holds whole rows
(PostgreSQL: "Failing row contains …"). Here the newest comes first, so that a cut takes the least of it.
"""

import traceback
from types import TracebackType
from typing import Final

from sqlalchemy.exc import StatementError

from huiyin_eventbus.failures import describe

_FRAMES: Final = 12
_INNERMOST: Final = 2
_LIBRARIES: Final = "site-packages"
_LINKS: Final = 6

Raised = tuple[type[BaseException], BaseException, TracebackType | None]


def rendered(exc_info: Raised) -> str:
    """Return an exception and what caused it: a line each, and its frames, innermost last.

    Of the libraries' frames only the two innermost are told: they are many, and the way to them is ours.
    """
    return "\ncaused by ".join(_told(error) for error in _chain(exc_info[1]))


def _told(error: BaseException) -> str:
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    lines = [f"{type(error).__name__}: {describe(error)}", *_frames(error.__traceback__)]
    return "\n".join(lines + [f"among them {_told(member)}" for member in members[:_LINKS]])


def _frames(raised_at: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(raised_at)
    ours = [frame for frame in frames[:-_INNERMOST] if _LIBRARIES not in frame.filename]
    told = [*ours, *frames[-_INNERMOST:]][-_FRAMES:]
    return [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in told]


def _chain(error: BaseException) -> list[BaseException]:
    chain = [error]
    while len(chain) < _LINKS:
        last = chain[-1]
        found = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        # What lies under a failed statement is the driver's: `describe` has told what may be told of it.
        if found is None or found in chain or isinstance(last, StatementError):
            break
        chain.append(found)
    return chain
