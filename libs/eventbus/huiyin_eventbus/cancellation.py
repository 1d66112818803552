"""Tells our own cancellation from one that escapes a client.

aiokafka awaits tasks that it has cancelled itself, and the CancelledError comes out of `stop` and others as if we were
cancelled. It would end the relay or the consumer without a word.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from huiyin_eventbus.errors import ClientCancelled


@contextmanager
def foreign_cancellation_as_error() -> Iterator[None]:
    """Raise ClientCancelled instead of a CancelledError that nobody asked of the current task."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ClientCancelled from cancelled
