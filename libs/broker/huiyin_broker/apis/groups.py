"""JoinGroup, SyncGroup, Heartbeat, LeaveGroup and what tools ask of groups: list, describe, delete."""

from kio.schema.errors import ErrorCode

from huiyin_broker.apis.call import Call, Route
from huiyin_broker.errors import StorageFailed
from huiyin_broker.groups import Group, GroupState
from huiyin_broker.membership import Caller, Joined, Joining
from huiyin_broker.operations import delete_offsets
from huiyin_broker.protocol import Values

_NOT_ASKED = -2147483648
_WITH_ID_FIRST = 4


def caller_of(call: Call, *, generation: str = "generation_id") -> Caller:
    """Return who the request says it comes from."""
    return Caller(call.field("member_id", ""), call.field("group_instance_id"), call.field(generation, -1))


async def join_group(call: Call) -> Values:
    """Wait for the next generation of the group and return it."""
    body = call.body
    if not body.group_id:
        return _joined(Joined(ErrorCode.invalid_group_id, body.member_id), call.version)
    joining = Joining(
        member_id=body.member_id,
        instance_id=call.field("group_instance_id"),
        client_id=call.client_id,
        client_host=call.session.client_host,
        session_timeout=body.session_timeout,
        rebalance_timeout=call.field("rebalance_timeout", body.session_timeout),
        protocol_type=body.protocol_type,
        protocols=tuple((protocol.name, protocol.metadata) for protocol in body.protocols),
        must_return_with_id=call.version >= _WITH_ID_FIRST,
    )
    return _joined(await call.node.coordinator.joined_group(body.group_id).join(joining), call.version)


def _joined(joined: Joined, version: int) -> Values:
    no_protocol = None if version >= 7 else ""  # noqa: PLR2004 - nullable from version 7 on
    return {
        "error_code": joined.error,
        "generation_id": joined.generation,
        "protocol_type": joined.protocol_type,
        "protocol_name": joined.protocol if joined.protocol is not None else no_protocol,
        "leader": joined.leader,
        "skip_assignment": joined.skip_assignment,
        "member_id": joined.member_id,
        "members": [
            {
                "member_id": member.id,
                "group_instance_id": member.instance_id,
                "metadata": member.metadata_of(joined.protocol),
            }
            for member in joined.members
        ],
    }


async def sync_group(call: Call) -> Values:
    """Hand in the leader's assignments; return the caller's own."""
    assignments = {part.member_id: part.assignment for part in call.body.assignments}
    synced = await call.node.coordinator.known_group(call.body.group_id).sync(caller_of(call), assignments)
    return {
        "error_code": synced.error,
        "protocol_type": synced.protocol_type,
        "protocol_name": synced.protocol,
        "assignment": synced.assignment,
    }


async def heartbeat(call: Call) -> Values:
    """Keep the caller's session alive."""
    return {"error_code": call.node.coordinator.known_group(call.body.group_id).heartbeat(caller_of(call))}


async def leave_group(call: Call) -> Values:
    """Let members go, one or (version 3 on) several."""
    live = call.node.coordinator.known_group(call.body.group_id)
    if not hasattr(call.body, "members"):
        return {"error_code": live.leave(call.body.member_id, instance_id=None)}
    members = [
        {
            "member_id": member.member_id,
            "group_instance_id": member.group_instance_id,
            "error_code": live.leave(member.member_id, instance_id=member.group_instance_id),
        }
        for member in call.body.members
    ]
    return {"error_code": ErrorCode.none, "members": members}


async def list_groups(call: Call) -> Values:
    """Return groups with members and groups with committed offsets."""
    states = {state.lower() for state in call.field("states_filter", ())}
    types = {kind.lower() for kind in call.field("types_filter", ())}
    groups = [
        {
            "group_id": group.id,
            "protocol_type": group.protocol_type or "",
            "group_state": group.state.value,
            "group_type": "classic",
        }
        for group in _all_groups(call).values()
        if (not states or group.state.value.lower() in states) and (not types or "classic" in types)
    ]
    return {"error_code": ErrorCode.none, "groups": groups}


def _all_groups(call: Call) -> dict[str, Group]:
    stored = {
        group_id: Group(group_id, protocol_type="consumer") for group_id in call.node.log.catalog.offsets
    }
    return stored | call.node.coordinator.groups()


async def describe_groups(call: Call) -> Values:
    """Return state and members of groups; an unknown one is Dead."""
    groups = _all_groups(call)
    return {"groups": [_described(groups.get(group_id), group_id) for group_id in call.body.groups]}


def _described(group: Group | None, group_id: str) -> Values:
    group = group or Group(group_id, state=GroupState.DEAD)
    members = [
        {
            "member_id": member.id,
            "group_instance_id": member.instance_id,
            "client_id": member.client_id,
            "client_host": f"/{member.client_host}",
            "member_metadata": member.metadata_of(group.protocol),
            "member_assignment": member.assignment,
        }
        for member in group.members.values()
    ]
    return {
        "error_code": ErrorCode.none,
        "error_message": None,
        "group_id": group_id,
        "group_state": group.state.value,
        "protocol_type": group.protocol_type or "",
        "protocol_data": group.protocol or "",
        "members": members,
        "authorized_operations": _NOT_ASKED,
    }


async def delete_groups(call: Call) -> Values:
    """Forget empty groups with their committed offsets."""
    return {"results": [await _delete_group(call, group_id) for group_id in call.body.groups_names]}


async def _delete_group(call: Call, group_id: str) -> Values:
    if group_id not in _all_groups(call):
        error = ErrorCode.group_id_not_found
    elif not call.node.coordinator.is_empty(group_id):
        error = ErrorCode.non_empty_group
    else:
        partitions = list(call.node.log.catalog.offsets.get(group_id, {}))
        try:
            await call.node.log.write(lambda tx: delete_offsets(tx, group_id, partitions=partitions))
            call.node.coordinator.forget(group_id)
            error = ErrorCode.none
        except StorageFailed:
            error = ErrorCode.coordinator_not_available
    return {"group_id": group_id, "error_code": error}


ROUTES = (
    Route(11, 0, 9, join_group),
    Route(12, 0, 4, heartbeat),
    Route(13, 0, 5, leave_group),
    Route(14, 0, 5, sync_group),
    Route(15, 0, 5, describe_groups),
    Route(16, 0, 5, list_groups),
    Route(42, 0, 2, delete_groups),
)
