"""Events that start, move and stop clocks.

The topics promise no order between them, so every handler only notes dated facts; what they mean is computed from all
facts of the case.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import subscribe_keys
from huiyin_chassis.clock import utc_now
from huiyin_eventbus.subscriptions import Received, Subscriptions
from huiyin_sla.usecases import notes
from huiyin_sla.usecases.ledger import note_facts

subscriptions: Final = Subscriptions()
subscribe_keys(subscriptions)


async def on_case_event(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    """Note what events say of their cases: clocks start, stop, pause, resume and reopen."""
    await note_facts(tx, notes.notes_of(received), now=utc_now())


# One handler for all of them: a case of which a batch says several things is read, judged and told of once.
for _event in notes.CASE_EVENTS:
    subscriptions.on(_event)(on_case_event)
