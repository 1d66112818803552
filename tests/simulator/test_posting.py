from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from huiyin_simulator.client import connected
from huiyin_simulator.errors import BadRow
from huiyin_simulator.posting import Receipt, post_rows
from huiyin_simulator.rows import Row
from tests.simulator.answering import Answer, Answering, Asked, accepted, answering

AT = datetime(2026, 11, 22, tzinfo=UTC)


def row(number: int, text: str = "好") -> Row:
    return Row(f"r{number}", "chat", AT, author="u1", lang="zh", text=text)


async def posted(server: Answering, rows: Iterator[Row], *, batch_rows: int = 3) -> list[Receipt]:
    async with connected(server.url, "key") as client:
        return [receipt async for receipt in post_rows(client, rows, batch_rows=batch_rows)]


def ids_of(asked: Asked) -> list[str]:
    return [item["external_id"] for item in asked.body["items"]]


async def test_rows_are_posted_in_their_order_in_full_batches() -> None:
    known: set[str] = set()

    with answering(lambda asked: accepted(asked, known=known)) as server:
        receipts = await posted(server, (row(number) for number in range(7)))

    assert [ids_of(asked) for asked in server.asked] == [["r0", "r1", "r2"], ["r3", "r4", "r5"], ["r6"]]
    assert [receipt.posted for receipt in receipts] == [3, 3, 1]
    assert receipts[0].accepted_ids == ("f-chat-r0", "f-chat-r1", "f-chat-r2")


async def test_repeats_are_counted_apart_from_what_is_new() -> None:
    known = {"f-chat-r1"}

    with answering(lambda asked: accepted(asked, known=known)) as server:
        (receipt,) = await posted(server, iter([row(0), row(1), row(0)]))

    assert (receipt.accepted_ids, receipt.duplicates, receipt.refusals) == (("f-chat-r0",), 2, ())


async def test_a_refused_row_is_told_by_its_place_among_all_rows_and_its_reason() -> None:
    error = {"detail": "Broken.", "errors": [{"pointer": "#/text", "detail": "too long"}]}

    def answer(asked: Asked) -> Answer:
        items = [{"index": index, "error": error} for index, _ in enumerate(asked.body["items"])]
        return Answer({"items": items}, status=202)

    with answering(answer) as server:
        receipts = await posted(server, (row(number) for number in range(4)))

    assert [(each.number, each.reason) for each in receipts[1].refusals] == [(4, "#/text too long")]
    assert receipts[0].accepted_ids == ()


async def test_a_row_there_was_no_room_for_is_sent_again_alone_and_counted_once() -> None:
    known: set[str] = set()

    def answer(asked: Asked) -> Answer:
        told = accepted(asked, known=known)
        if len(asked.body["items"]) > 1:
            told.document["items"][1] = {"index": 1, "error": {"detail": "Full.", "status": 503}}
            known.discard("f-chat-r1")
        return told

    with answering(answer) as server:
        (receipt,) = await posted(server, (row(number) for number in range(3)))

    assert [ids_of(asked) for asked in server.asked] == [["r0", "r1", "r2"], ["r1"]]
    assert receipt.accepted_ids == ("f-chat-r0", "f-chat-r1", "f-chat-r2")
    assert receipt.refusals == ()


async def test_rows_before_a_bad_line_are_posted_and_the_line_is_told() -> None:
    known: set[str] = set()

    def rows() -> Iterator[Row]:
        yield from (row(number) for number in range(4))
        raise BadRow(5, "not JSON")

    with (
        answering(lambda asked: accepted(asked, known=known)) as server,
        pytest.raises(BadRow, match="line 5"),
    ):
        await posted(server, rows())

    assert [ids_of(asked) for asked in server.asked] == [["r0", "r1", "r2"], ["r3"]]


async def test_long_texts_make_short_batches() -> None:
    known: set[str] = set()
    text = "长" * 300_000

    with answering(lambda asked: accepted(asked, known=known)) as server:
        receipts = await posted(server, (row(number, text) for number in range(10)), batch_rows=250)

    assert sum(receipt.posted for receipt in receipts) == 10
    assert max(int(asked.headers["Content-Length"]) for asked in server.asked) < 8 * 1024 * 1024


async def test_no_rows_are_no_call() -> None:
    with answering(lambda _: Answer(status=500)) as server:
        assert await posted(server, iter(())) == []

    assert server.asked == []
