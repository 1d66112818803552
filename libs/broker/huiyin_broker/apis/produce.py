"""Produce and InitProducerId: appending to the log."""

from kio.schema.errors import ErrorCode

from huiyin_broker.apis.call import NO_TRANSACTIONS, Call, Route
from huiyin_broker.batches import Batch, BatchRefused, TransactionalBatch, UnsupportedMagic, parse_batch
from huiyin_broker.errors import StorageFailed
from huiyin_broker.ledger import Transaction
from huiyin_broker.operations import Appended, append_batch, create_topic, reserve_producer_id
from huiyin_broker.protocol import Values

_Parsed = tuple[str, int, Batch | ErrorCode]


async def produce(call: Call) -> Values | None:
    """Append one batch per partition; the answer leaves after the commit that holds all of them."""
    parts = [
        (topic.name, partition.index, _parsed(partition.records, limit=call.node.settings.max_batch_bytes))
        for topic in call.body.topic_data
        for partition in topic.partition_data
    ]
    if call.body.transactional_id is not None:
        outcomes = [Appended(NO_TRANSACTIONS)] * len(parts)
    else:
        outcomes = await _append_all(call, parts)
    return _answer(parts, outcomes) if call.body.acks != 0 else None


async def _append_all(call: Call, parts: list[_Parsed]) -> list[Appended]:
    settings = call.node.settings

    def append_all(transaction: Transaction) -> list[Appended]:
        outcomes = []
        for topic, number, batch in parts:
            if isinstance(batch, ErrorCode):
                outcomes.append(Appended(batch))
                continue
            if transaction.topics.get(topic) is None:
                create_topic(
                    transaction,
                    topic,
                    partitions=settings.partitions,
                    configs={},
                    limit=settings.max_partitions,
                )
            outcomes.append(append_batch(transaction, topic=topic, number=number, batch=batch))
        return outcomes

    try:
        return await call.node.log.submit(append_all)
    except StorageFailed:
        return [Appended(ErrorCode.kafka_storage_error)] * len(parts)


def _parsed(records: bytes | None, *, limit: int) -> Batch | ErrorCode:
    if records is not None and len(records) > limit:
        return ErrorCode.message_too_large
    try:
        return parse_batch(records)
    except UnsupportedMagic:
        return ErrorCode.unsupported_for_message_format
    except TransactionalBatch:
        return NO_TRANSACTIONS
    except BatchRefused:
        return ErrorCode.corrupt_message


def _answer(parts: list[_Parsed], outcomes: list[Appended]) -> Values:
    topics: dict[str, list[Values]] = {}
    for (topic, number, _), outcome in zip(parts, outcomes, strict=True):
        answer = {
            "index": number,
            "error_code": outcome.error,
            "base_offset": outcome.base_offset,
            "log_append_time": None,
            "log_start_offset": outcome.log_start,
            "record_errors": (),
            "error_message": None,
        }
        topics.setdefault(topic, []).append(answer)
    return {"responses": [{"name": name, "partition_responses": parts} for name, parts in topics.items()]}


async def init_producer_id(call: Call) -> Values:
    """Give out a producer id; a transactional id is refused."""
    if call.body.transactional_id is not None:
        return _producer(NO_TRANSACTIONS, -1, -1)
    try:
        producer_id = await call.node.log.write(reserve_producer_id)
    except StorageFailed:
        return _producer(ErrorCode.coordinator_not_available, -1, -1)
    return _producer(ErrorCode.none, producer_id, 0)


def _producer(error: ErrorCode, producer_id: int, epoch: int) -> Values:
    return {"error_code": error, "producer_id": producer_id, "producer_epoch": epoch}


ROUTES = (
    # librdkafka tells from version 0 being advertised that a broker knows compression; 0 to 2 are refused.
    Route(0, 3, 9, produce, advertised_oldest=0),
    Route(22, 0, 4, init_producer_id),
)
