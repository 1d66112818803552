"""OffsetCommit, OffsetFetch and OffsetDelete: how far groups have come, durably."""

from collections.abc import Iterable

from kio.schema.errors import ErrorCode

from huiyin_broker.apis.call import Call, Route
from huiyin_broker.apis.groups import caller_of
from huiyin_broker.errors import StorageFailed
from huiyin_broker.ledger import CommittedOffset
from huiyin_broker.operations import commit_offsets, delete_offsets
from huiyin_broker.protocol import Values

_LONGEST_METADATA = 4096


async def offset_commit(call: Call) -> Values:
    """Store offsets of a group; answers after COMMIT."""
    body = call.body
    error = call.node.coordinator.known_group(body.group_id).commit_error(
        caller_of(call, generation="generation_id_or_member_epoch")
    )
    if not body.group_id:
        error = ErrorCode.invalid_group_id
    errors = {
        (topic.name, part.partition_index): error or _refusal(call, topic.name, part)
        for topic in body.topics
        for part in topic.partitions
    }
    offsets = [
        CommittedOffset(
            body.group_id,
            topic.name,
            part.partition_index,
            part.committed_offset,
            getattr(part, "committed_leader_epoch", -1),
            part.committed_metadata,
        )
        for topic in body.topics
        for part in topic.partitions
        if not errors[topic.name, part.partition_index]
    ]
    failure = await _store(call, offsets)
    return {"topics": [_committed(topic, errors, failure) for topic in body.topics]}


def _refusal(call: Call, topic: str, part: object) -> ErrorCode:
    metadata = getattr(part, "committed_metadata", None)
    if call.node.log.catalog.partition(topic, part.partition_index) is None:  # type: ignore[attr-defined]
        return ErrorCode.unknown_topic_or_partition
    if metadata is not None and len(metadata) > _LONGEST_METADATA:
        return ErrorCode.offset_metadata_too_large
    return ErrorCode.none


async def _store(call: Call, offsets: list[CommittedOffset]) -> ErrorCode:
    if not offsets:
        return ErrorCode.none
    try:
        await call.node.log.write(lambda transaction: commit_offsets(transaction, offsets))
    except StorageFailed:
        return ErrorCode.coordinator_not_available
    return ErrorCode.none


def _committed(topic: object, errors: dict[tuple[str, int], ErrorCode], failure: ErrorCode) -> Values:
    name = topic.name  # type: ignore[attr-defined]
    return {
        "name": name,
        "partitions": [
            {
                "partition_index": part.partition_index,
                "error_code": errors[name, part.partition_index] or failure,
            }
            for part in topic.partitions  # type: ignore[attr-defined]
        ],
    }


async def offset_fetch(call: Call) -> Values:
    """Return committed offsets of one or (version 8 on) several groups; -1 where there is none."""
    groups = call.field("groups")
    if groups is None:
        return {"error_code": ErrorCode.none, "topics": _offsets(call, call.body.group_id, call.body.topics)}
    return {
        "groups": [
            {
                "group_id": group.group_id,
                "error_code": ErrorCode.none,
                "topics": _offsets(call, group.group_id, group.topics),
            }
            for group in groups
        ]
    }


def _offsets(call: Call, group_id: str, asked: Iterable[object] | None) -> list[Values]:
    stored = call.node.log.catalog.offsets.get(group_id, {})
    if asked is None:
        wanted: dict[str, list[int]] = {}
        for topic, number in sorted(stored):
            wanted.setdefault(topic, []).append(number)
    else:
        wanted = {topic.name: list(topic.partition_indexes) for topic in asked}  # type: ignore[attr-defined]
    return [
        {"name": topic, "partitions": [_offset(number, stored.get((topic, number))) for number in numbers]}
        for topic, numbers in wanted.items()
    ]


def _offset(number: int, committed: CommittedOffset | None) -> Values:
    return {
        "partition_index": number,
        "committed_offset": -1 if committed is None else committed.next_offset,
        "committed_leader_epoch": -1 if committed is None else committed.leader_epoch,
        "metadata": "" if committed is None else committed.metadata,
        "error_code": ErrorCode.none,
    }


async def offset_delete(call: Call) -> Values:
    """Forget offsets of an empty group."""
    group_id = call.body.group_id
    if group_id not in call.node.log.catalog.offsets:
        return {"error_code": ErrorCode.group_id_not_found, "topics": ()}
    if not call.node.coordinator.is_empty(group_id):
        return {"error_code": ErrorCode.non_empty_group, "topics": ()}
    keys = [(topic.name, part.partition_index) for topic in call.body.topics for part in topic.partitions]
    try:
        await call.node.log.write(lambda transaction: delete_offsets(transaction, group_id, partitions=keys))
    except StorageFailed:
        return {"error_code": ErrorCode.coordinator_not_available, "topics": ()}
    return {
        "error_code": ErrorCode.none,
        "topics": [
            _committed(topic, dict.fromkeys(keys, ErrorCode.none), ErrorCode.none)
            for topic in call.body.topics
        ],
    }


ROUTES = (Route(8, 2, 8, offset_commit), Route(9, 1, 8, offset_fetch), Route(47, 0, 0, offset_delete))
