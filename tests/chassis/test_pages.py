"""Pages follow each other without gaps or repeats, and a cursor nobody gave out is refused."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Float, Integer, MetaData, Select, String, Table, select

from huiyin_chassis.db import Database, Reading, UtcDateTime
from huiyin_chassis.pages import Page, PageAsked, PageRequest, decode_cursor, encode_cursor, page
from huiyin_chassis.problems import Refusal
from tests.chassis.web import app_of, client_of, opened, pointers

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
metadata = MetaData()
tickets = Table(
    "ticket",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("priority", Integer, nullable=False),
    Column("weight", Float, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
KEYS = (tickets.c.created_at.desc(), tickets.c.id)
ORDERS: dict[str, tuple[Any, ...]] = {
    "ascending": (tickets.c.id,),
    "descending": (tickets.c.id.desc(),),
    "newest first": (tickets.c.created_at.desc(), tickets.c.id.desc()),
    "mixed": (tickets.c.priority, tickets.c.created_at.desc(), tickets.c.id),
    "mixed the other way": (tickets.c.weight.desc(), tickets.c.id),
}


async def filled(database: Database) -> None:
    rows = [
        {
            "id": f"工单{number:03}",
            "priority": number % 3,
            "weight": number % 4 / 3,
            "created_at": NOON + timedelta(microseconds=number % 7),
        }
        for number in range(40)
    ]
    async with database.writing() as tx:
        await tx.run_sync(metadata.create_all)
        await tx.execute(tickets.insert(), rows)


async def all_pages(
    database: Database, statement: Select[Any], keys: tuple[Any, ...], *, limit: int
) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    async with database.reading() as tx:
        while True:
            request = PageAsked(limit, cursor)
            one = await page(tx, statement, *keys, request=request, view=lambda row: str(row.id))
            assert len(one.items) <= limit
            found += one.items
            if one.next is None:
                return found
            cursor = one.next


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 7, 40, 41])
async def test_pages_together_are_the_whole_list_in_order(database_url: str, order: str, limit: int) -> None:
    async with opened(database_url) as database:
        await filled(database)
        async with database.reading() as tx:
            expected = [row.id for row in await tx.execute(select(tickets).order_by(*ORDERS[order]))]

        found = await all_pages(database, select(tickets), ORDERS[order], limit=limit)

        assert found == expected


async def test_a_row_that_arrives_meanwhile_moves_nothing(database_url: str) -> None:
    async with opened(database_url) as database:
        await filled(database)
        async with database.reading() as tx:
            first = await page(
                tx, select(tickets), tickets.c.id, request=PageAsked(5), view=lambda row: row.id
            )
        async with database.writing() as tx:
            await tx.execute(tickets.insert().values(id="工单000a", priority=0, weight=0.0, created_at=NOON))

        async with database.reading() as tx:
            request = PageAsked(5, first.next)
            second = await page(tx, select(tickets), tickets.c.id, request=request, view=lambda row: row.id)

        assert second.items == [f"工单{number:03}" for number in range(5, 10)]


async def test_the_view_gets_the_rows_as_they_were_selected(database_url: str) -> None:
    async with opened(database_url) as database:
        await filled(database)
        statement = select(tickets.c.id, tickets.c.priority).where(tickets.c.priority == 2)
        async with database.reading() as tx:
            one = await page(tx, statement, *KEYS, request=PageAsked(2), view=lambda row: row._asdict())

        assert [set(item) for item in one.items] == [{"id", "priority"}] * 2
        assert {item["priority"] for item in one.items} == {2}


router = APIRouter()


@router.get("/v1/tickets")
async def list_tickets(tx: Reading, request: PageRequest) -> Page[str]:
    return await page(tx, select(tickets), *KEYS, request=request, view=lambda row: str(row.id))


async def test_over_http_the_cursor_of_one_page_asks_for_the_next(database_url: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await filled(database)

        first = (await client.get("/v1/tickets?limit=30")).json()
        second = (await client.get("/v1/tickets", params={"limit": 30, "cursor": first["next"]})).json()

        assert len(set(first["items"] + second["items"])) == 40
        assert second["next"] is None


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=1e9", "limit=x", "cursor=x", "cursor=" + "A" * 5000],
)
async def test_what_cannot_be_a_page_is_refused(query: str, tmp_path: Path) -> None:
    async with (
        opened(f"sqlite:///{tmp_path}/a.db") as database,
        client_of(app_of(router, database)) as client,
    ):
        answer = await client.get(f"/v1/tickets?{query}")

        assert answer.status_code == 422
        assert list(pointers(answer)) == [query.partition("=")[0]]


def cursor_of(*values: object) -> str:
    order = json.loads(base64.urlsafe_b64decode(encode_cursor(KEYS, (NOON, "x")) + "=="))[0]
    return base64.urlsafe_b64encode(json.dumps([order, *values]).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        cursor_of(),
        cursor_of("2026-11-23T12:00:00+00:00"),
        cursor_of("2026-11-23T12:00:00+00:00", "a", "b"),
        cursor_of("2026-11-23T12:00:00", "naive"),
        cursor_of("0001-01-01T00:00:00+14:00", "before all times"),
        cursor_of("tomorrow", "a"),
        cursor_of(1, "a"),
        cursor_of("2026-11-23T12:00:00+00:00", 1),
        cursor_of("2026-11-23T12:00:00+00:00", None),
        cursor_of("2026-11-23T12:00:00+00:00", "\x00"),
        cursor_of("2026-11-23T12:00:00+00:00", "\ud800"),
        encode_cursor((tickets.c.id,), ("a",)),
        "",
        "é",
        "W10",
        "bnVsbA",
        base64.urlsafe_b64encode(b"[" * 1500).decode(),
    ],
)
def test_a_cursor_that_this_list_did_not_give_out_is_refused(cursor: str) -> None:
    with pytest.raises(Refusal):
        decode_cursor(KEYS, cursor)


def test_numbers_beyond_the_database_are_refused() -> None:
    keys = (tickets.c.priority,)

    with pytest.raises(Refusal):
        decode_cursor(keys, encode_cursor(keys, (2**63,)))
    with pytest.raises(Refusal):
        decode_cursor(keys, encode_cursor(keys, (True,)))


@given(st.text(max_size=100))
def test_any_text_nobody_gave_out_is_refused(cursor: str) -> None:
    with pytest.raises(Refusal):
        decode_cursor(KEYS, cursor)


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
)
def test_what_a_cursor_carries_comes_back(created_at: datetime, ticket_id: str) -> None:
    assert decode_cursor(KEYS, encode_cursor(KEYS, (created_at, ticket_id))) == [created_at, ticket_id]
