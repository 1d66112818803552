import asyncio
import shutil
import sqlite3
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from kio.schema.errors import ErrorCode
from structlog.testing import capture_logs

from huiyin_broker.batches import parse_batch
from huiyin_broker.catalog import PartitionView
from huiyin_broker.errors import StorageFailed
from huiyin_broker.ledger import CommittedOffset, Transaction
from huiyin_broker.log import Log
from huiyin_broker.operations import (
    Appended,
    append_batch,
    commit_offsets,
    create_topic,
    delete_topic,
    forget_producers,
    reserve_producer_id,
    trim_partition,
)
from tests.broker.conftest import OpenLog
from tests.broker.wire import record_batch

LIMIT = 1000


async def make_topic(log: Log, name: str = "t", *, partitions: int = 1) -> ErrorCode:
    return await log.write(lambda tx: create_topic(tx, name, partitions=partitions, configs={}, limit=LIMIT))


def appending(records: bytes, *, topic: str = "t") -> Callable[[Transaction], Appended]:
    batch = parse_batch(records)
    return lambda tx: append_batch(tx, topic=topic, number=0, batch=batch)


def view_of(log: Log, topic: str = "t") -> PartitionView:
    view = log.catalog.partition(topic, 0)
    assert view is not None
    return view


def numbered(number: int, *, sequence: int | None = None) -> bytes:
    sequence = number if sequence is None else sequence
    return record_batch(f"value {number}".encode(), producer_id=5, epoch=0, sequence=sequence)


async def stored_payloads(log: Log) -> list[bytes]:
    view = view_of(log)
    if view.log_start == view.high_watermark:
        return []
    batches = await log.read(view, view.log_start, max_bytes=10_000_000)
    return [batch.payload for batch in batches]


async def test_offsets_count_records_without_gaps(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)

    first = await log.write(appending(record_batch(b"a", b"b")))
    second = await log.write(appending(record_batch(b"c")))

    assert (first.base_offset, second.base_offset) == (0, 2)
    assert view_of(log).high_watermark == 3


async def test_what_was_written_is_there_after_reopening(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    await log.write(appending(numbered(0)))
    before = await stored_payloads(log)
    await log.close()

    again = open_log()

    assert await stored_payloads(again) == before
    assert again.cluster_id == log.cluster_id


async def test_a_repetition_is_known_after_reopening(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    await log.write(appending(numbered(0)))
    first = await log.write(appending(numbered(1)))
    await log.close()

    repeated = await open_log().write(appending(numbered(1)))

    assert repeated == first


async def test_a_gap_in_the_sequence_stores_nothing(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    await log.write(appending(numbered(0)))

    refused = await log.write(appending(numbered(2)))

    assert refused.error is ErrorCode.out_of_order_sequence_number
    assert view_of(log).high_watermark == 1


async def test_operations_submitted_together_keep_their_order(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)

    outcomes = await asyncio.gather(*[log.submit(appending(numbered(number))) for number in range(300)])

    assert [outcome.base_offset for outcome in outcomes] == list(range(300))


async def test_readers_beyond_the_tail_cache_get_the_same_bytes(open_log: OpenLog) -> None:
    log = open_log(tail_cache_bytes=1000)
    await make_topic(log)
    for number in range(50):
        await log.write(appending(numbered(number)))

    from_disk = await log.read(view_of(log), 3, max_bytes=10_000_000)
    from_tail = await log.read(view_of(log), 49, max_bytes=10_000_000)

    assert not view_of(log).has_in_tail(3)
    assert view_of(log).has_in_tail(49)
    assert [batch.base_offset for batch in from_disk] == list(range(3, 50))
    assert list(from_tail) == [from_disk[-1]]


async def test_a_read_holds_at_least_one_batch_and_else_the_limit(open_log: OpenLog) -> None:
    log = open_log(tail_cache_bytes=0)
    await make_topic(log)
    for _ in range(5):
        await log.write(appending(record_batch(b"x" * 100)))

    one = await log.read(view_of(log), 0, max_bytes=1)
    two = await log.read(view_of(log), 0, max_bytes=400)

    assert (len(one), len(two)) == (1, 2)


async def test_a_read_starts_with_the_batch_that_holds_the_offset(open_log: OpenLog) -> None:
    log = open_log(tail_cache_bytes=0)
    await make_topic(log)
    await log.write(appending(record_batch(b"a", b"b", b"c")))
    await log.write(appending(record_batch(b"d")))

    batches = await log.read(view_of(log), 1, max_bytes=1_000_000)

    assert [batch.base_offset for batch in batches] == [0, 3]


async def test_producer_ids_are_never_given_out_twice(open_log: OpenLog) -> None:
    log = open_log()
    first = [await log.write(reserve_producer_id) for _ in range(3)]
    await log.close()

    later = await open_log().write(reserve_producer_id)

    assert len({*first, later}) == 4


async def test_a_failing_operation_leaves_no_trace_and_hurts_no_other(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)

    def append_then_fail(transaction: Transaction) -> None:
        appending(numbered(0))(transaction)
        transaction.connection.execute("INSERT INTO no_such_table VALUES (1)")

    failing = log.submit(append_then_fail)
    following = log.submit(appending(numbered(0)))

    with pytest.raises(StorageFailed):
        await failing
    assert (await following).base_offset == 0
    assert view_of(log).high_watermark == 1
    assert len(await stored_payloads(log)) == 1


async def test_nobody_hears_of_a_batch_before_its_commit(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    seen: list[tuple[int, bool]] = []

    def look_before_commit(statement: str) -> None:
        if statement == "COMMIT":
            # In the writer thread: the event loop has time to spread a word that came too early.
            time.sleep(0.05)
            seen.append((view_of(log).high_watermark, appended.done()))

    log._connection.set_trace_callback(look_before_commit)
    appended = log.submit(appending(numbered(0)))
    await appended

    assert seen == [(0, False)]
    assert view_of(log).high_watermark == 1


async def test_below_the_free_space_limit_nothing_is_appended_but_read_and_committed(
    open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(min_free_bytes=1000)
    await make_topic(log)
    await log.write(appending(numbered(0)))
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - the shape of shutil's answer
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10_000, 9_001, 999))

    refused = await log.write(appending(numbered(1)))
    repeated = await log.write(appending(numbered(0)))
    await log.write(lambda tx: commit_offsets(tx, [CommittedOffset("g", "t", 0, 1, 0, "")]))

    assert refused.error is ErrorCode.kafka_storage_error
    assert repeated.base_offset == 0
    assert len(await stored_payloads(log)) == 1
    monkeypatch.undo()
    assert (await log.write(appending(numbered(1)))).base_offset == 1


async def test_a_full_disk_loses_nothing_acknowledged_and_heals_without_restart(
    open_log: OpenLog, small_disk: Path
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 2_000_000)
    log = open_log(path=small_disk / "broker.db")
    await make_topic(log)
    acknowledged = 0

    async def append_until_refused() -> None:
        nonlocal acknowledged
        while acknowledged < 20_000:
            records = record_batch(b"x" * 5000, producer_id=5, epoch=0, sequence=acknowledged)
            await log.write(appending(records))
            acknowledged += 1

    with pytest.raises(StorageFailed):
        await append_until_refused()
    at_refusal = acknowledged
    readable = view_of(log).high_watermark
    ballast.unlink()
    with pytest.raises(StorageFailed):
        await append_until_refused()

    assert 0 < at_refusal == readable
    assert acknowledged > at_refusal + 50
    assert view_of(log).high_watermark == acknowledged
    await log.close()
    reopened = open_log(path=small_disk / "broker.db")
    stored = await reopened.read(view_of(reopened), 0, max_bytes=100_000_000)
    assert [batch.base_offset for batch in stored] == list(range(acknowledged))
    await reopened.close()


async def test_a_batch_whose_commit_failed_is_stored_when_it_is_sent_again(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    await log.write(appending(numbered(0)))

    def limit_size(transaction: Transaction) -> None:
        (pages,) = transaction.connection.execute("PRAGMA page_count").fetchone()
        transaction.connection.execute(f"PRAGMA max_page_count = {pages}")

    large = record_batch(b"x" * 50_000, producer_id=5, epoch=0, sequence=1)
    await log.write(limit_size)
    for _ in range(2):
        with pytest.raises(StorageFailed):
            await log.write(appending(large))
    await log.write(lambda tx: tx.connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    sent_again = await log.write(appending(large))

    assert (sent_again.error, sent_again.base_offset) == (ErrorCode.none, 1)
    stored = await log.read(view_of(log), 0, max_bytes=1_000_000)
    assert [(batch.base_offset, len(batch.payload)) for batch in stored] == [
        (0, len(numbered(0))),
        (1, len(large)),
    ]


async def test_a_disk_that_stays_full_is_told_once_not_for_every_record(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    await log.write(lambda tx: tx.connection.execute("PRAGMA max_page_count = 1").fetchone())

    with capture_logs() as lines:
        refused = [log.submit(appending(record_batch(b"x" * 50_000))) for _ in range(20)]
        outcomes = await asyncio.gather(*refused, return_exceptions=True)

    assert {type(each) for each in outcomes} == {StorageFailed}
    assert [line["event"] for line in lines] == ["log_write_failed"]


async def test_trimming_moves_the_start_in_chunks(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    await asyncio.gather(*[log.submit(appending(numbered(number))) for number in range(700)])
    partition_id = view_of(log).id

    chunks = [await log.write(lambda tx: trim_partition(tx, partition_id, before=650)) for _ in range(3)]

    assert chunks == [500, 150, 0]
    assert view_of(log).log_start == 650
    assert len(await stored_payloads(log)) == 50


async def test_trimming_keeps_a_batch_that_reaches_beyond(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    await log.write(appending(record_batch(b"a", b"b")))
    await log.write(appending(record_batch(b"c", b"d")))
    partition_id = view_of(log).id

    await log.write(lambda tx: trim_partition(tx, partition_id, before=3))

    assert view_of(log).log_start == 2


async def test_a_partition_trimmed_empty_goes_on_where_it_was(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    await log.write(appending(record_batch(b"a", b"b")))
    partition_id = view_of(log).id
    await log.write(lambda tx: trim_partition(tx, partition_id, before=2))
    await log.close()

    again = open_log()

    assert (await again.write(appending(record_batch(b"c")))).base_offset == 2
    assert view_of(again).log_start == 2


async def test_a_deleted_topic_takes_everything_along(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    await log.write(appending(numbered(0)))
    await log.write(lambda tx: commit_offsets(tx, [CommittedOffset("g", "t", 0, 1, 0, "")]))

    await log.write(lambda tx: delete_topic(tx, "t"))

    left = sqlite3.connect(log.path).execute(
        "SELECT 1 FROM topics UNION ALL SELECT 1 FROM partitions UNION ALL SELECT 1 FROM batches"
        " UNION ALL SELECT 1 FROM producers UNION ALL SELECT 1 FROM group_offsets"
    )
    assert left.fetchall() == []
    assert log.catalog.partition("t", 0) is None


async def test_a_topic_made_anew_starts_empty(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    old_id = log.catalog.topics["t"].uuid
    await log.write(appending(numbered(0)))

    deleted = log.submit(lambda tx: delete_topic(tx, "t"))
    made = log.submit(lambda tx: create_topic(tx, "t", partitions=1, configs={}, limit=LIMIT))
    appended = log.submit(appending(numbered(7)))

    assert await deleted is await made is ErrorCode.none
    assert (await appended).base_offset == 0
    assert log.catalog.topics["t"].uuid != old_id
    assert len(await stored_payloads(log)) == 1


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "ü", "x" * 250])
async def test_a_bad_topic_name_is_refused(open_log: OpenLog, name: str) -> None:
    assert await make_topic(open_log(), name) is ErrorCode.invalid_topic_exception


async def test_topics_are_made_once_and_within_the_limit(open_log: OpenLog) -> None:
    log = open_log()

    assert await make_topic(log, partitions=LIMIT) is ErrorCode.none
    assert await make_topic(log) is ErrorCode.topic_already_exists
    assert await make_topic(log, "one more") is ErrorCode.invalid_topic_exception
    assert await make_topic(log, "one-more") is ErrorCode.policy_violation


async def test_a_silent_producer_is_forgotten_and_may_go_on(open_log: OpenLog) -> None:
    log = open_log()
    await make_topic(log)
    await log.write(appending(numbered(0)))

    forgotten = await log.write(lambda tx: forget_producers(tx, unseen_since_ms=2**60))

    assert forgotten == 1
    assert (await log.write(appending(numbered(9)))).error is ErrorCode.none
