"""Tries parked events again when they are due, one batch per transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime

from huiyin_eventbus.accounting import account_failures
from huiyin_eventbus.database import Database
from huiyin_eventbus.dead_letters import bury
from huiyin_eventbus.deliveries import Delivery, read
from huiyin_eventbus.handling import Fate, Handling
from huiyin_eventbus.parking import Backoff, Parked, due, finish, is_any_due, postpone
from huiyin_eventbus.subscriptions import Subscriptions
from huiyin_failpoints import reach


class Retries:
    """The parked events of one group."""

    def __init__(
        self,
        database: Database,
        group: str,
        *,
        subscriptions: Subscriptions,
        backoff: Backoff,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._group = group
        self._subscriptions = subscriptions
        self._backoff = backoff
        self._clock = clock

    async def run_due(self) -> int:
        """Try everything that is due once and return how many events were looked at; commits.

        Raises what says that the database is out of reach; then nothing has changed.
        """
        async with self._database.reading() as tx:
            if not await is_any_due(tx, self._group, now=self._clock()):
                return 0
        async with self._database.writing() as tx:
            now = self._clock()
            parked = await due(tx, self._group, now=now)
            handling = Handling(tx, self._subscriptions)
            tried = {each.seq: (each, read(each.record, self._subscriptions)) for each in parked}
            await handling.handle([delivery for _, delivery in tried.values() if delivery])
            await self._settle(handling, parked, [delivery for _, delivery in tried.values()], now=now)
            reach("retries.after_effects")
        account_failures(self._group, handling.failures)
        return len(parked)

    async def _settle(
        self,
        handling: Handling,
        parked: Sequence[Parked],
        deliveries: Sequence[Delivery | None],
        *,
        now: datetime,
    ) -> None:
        """Remove what is done, postpone what failed again, bury what has failed for good."""
        failures = {id(each.delivery): each for each in handling.failures}
        done, dead, postponed = [], [], []
        for each, delivery in zip(parked, deliveries, strict=True):
            failure = failures.get(id(delivery))
            if failure is None or delivery is None:
                done.append(each)
            elif failure.fate is Fate.BEHIND:
                continue
            else:
                error = failure.error or RuntimeError("no error was kept")
                spent = each.attempt + 1 >= self._backoff.attempts
                if failure.fate is Fate.POISON or spent:
                    dead.append((each, delivery, error))
                else:
                    postponed.append((each, error))
        await bury(
            handling.tx,
            self._group,
            [(delivery, error, each.attempt + 1) for each, delivery, error in dead],
            now=now,
        )
        await finish(handling.tx, [*done, *(each for each, _, _ in dead)])
        await postpone(handling.tx, postponed, backoff=self._backoff, now=now)
