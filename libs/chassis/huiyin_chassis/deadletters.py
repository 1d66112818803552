"""Dead letters of all services at hand, under one kind of id: `<service>-<number>`.

What a dead letter is, and what a redrive does, is the bus's; here is who has it. Nothing shows a customer's words:
strings that could be some are masked.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.db import Database
from huiyin_chassis.errors import DeadLetterUnknown
from huiyin_eventbus import dead_letters as bus
from huiyin_eventbus.dead_letters import Filter
from huiyin_eventbus.errors import DeadLetterNotFound

Row = dict[str, Any]


class DeadLetters:
    """The dead letters in the databases of some services."""

    def __init__(self, databases: Mapping[str, Database]) -> None:
        self._databases = databases

    async def listed(self, wanted: Filter, *, after: str | None = None, limit: int = 50) -> list[Row]:
        """Return dead letters service by service, oldest first, from the one after `after` on.

        Raises DeadLetterUnknown when `after` is no id.
        """
        first, number = self._place(after) if after is not None else (None, 0)
        rows: list[Row] = []
        for service, database in sorted(self._databases.items()):
            if first is not None and service < first:
                continue
            begin = number if service == first else 0
            async with database.reading() as tx:
                found = await bus.list_dead_letters(tx, wanted, after=begin, limit=limit - len(rows))
            rows += [_row(service, letter) for letter in found]
            if len(rows) >= limit:
                break
        return rows

    async def shown(self, letter_id: str) -> Row:
        """Return one dead letter with its headers and masked data; raises DeadLetterUnknown."""
        async with self._at(letter_id, door="reading") as (tx, number):
            opened = await bus.show_dead_letter(tx, number)
            service, _ = self._place(letter_id)
            return _row(service, opened.letter) | {"headers": opened.headers, "data": opened.data}

    async def redrive(self, letter_id: str, *, actor: str, now: datetime) -> Row:
        """Have one tried again by the service that failed on it, and return it.

        Commits. Raises DeadLetterUnknown, or the bus's DeadLetterNotOpen.
        """
        async with self._at(letter_id, door="writing") as (tx, number):
            await bus.redrive_dead_letter(tx, number, actor=actor, now=now)
        return await self.shown(letter_id)

    async def redrive_all(self, wanted: Filter, *, actor: str, now: datetime) -> int:
        """Have every open one that fits tried again, and return how many. Commits, 500 at a time."""
        count = 0
        for database in self._databases.values():
            redriven = bus.MOST
            while redriven == bus.MOST:
                async with database.writing() as tx:
                    redriven = await bus.redrive_dead_letters(tx, wanted, actor=actor, now=now)
                count += redriven
        return count

    async def discard(self, letter_id: str, *, reason: str, actor: str, now: datetime) -> Row:
        """Give one up for a reason, and return it.

        Commits. Raises DeadLetterUnknown, or the bus's DeadLetterNotOpen.
        """
        async with self._at(letter_id, door="writing") as (tx, number):
            await bus.discard_dead_letter(tx, number, reason=reason, actor=actor, now=now)
        return await self.shown(letter_id)

    def _place(self, letter_id: str) -> tuple[str, int]:
        service, dash, number = letter_id.rpartition("-")
        is_number = number.isascii() and number.isdecimal() and len(number) <= len(str(2**62))
        if not dash or not is_number or service not in self._databases:
            raise DeadLetterUnknown(letter_id)
        return service, int(number)

    @asynccontextmanager
    async def _at(self, letter_id: str, *, door: str) -> AsyncIterator[tuple[AsyncConnection, int]]:
        service, number = self._place(letter_id)
        database = self._databases[service]
        try:
            async with database.reading() if door == "reading" else database.writing() as tx:
                yield tx, number
        except DeadLetterNotFound:
            raise DeadLetterUnknown(letter_id) from None


def _row(service: str, letter: bus.DeadLetter) -> Row:
    return {"id": f"{service}-{letter.id}", "service": service} | {
        name: value for name, value in asdict(letter).items() if name not in {"id", "group"}
    }
