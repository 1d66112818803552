"""The rules of the group protocol that clients in good order rarely show."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from huiyin_broker.groups import Group, GroupState, Member
from huiyin_broker.live_group import LiveGroup
from huiyin_broker.membership import Caller, Joined, Joining, Synced

SESSION = timedelta(seconds=5)
RANGE = (("range", b"r"),)


@pytest.fixture
async def live() -> LiveGroup:
    return LiveGroup("g", initial_delay=timedelta(0))


def joining(member_id: str = "", **changes: Any) -> Joining:
    given: dict[str, Any] = {
        "member_id": member_id,
        "instance_id": None,
        "client_id": "c",
        "client_host": "127.0.0.1",
        "session_timeout": SESSION,
        "rebalance_timeout": SESSION,
        "protocol_type": "consumer",
        "protocols": RANGE,
        "must_return_with_id": False,
    }
    return Joining(**(given | changes))


def caller(joined: Joined, *, instance_id: str | None = None) -> Caller:
    return Caller(joined.member_id, instance_id, joined.generation)


async def soon(awaitable: "asyncio.Task[Joined]") -> Joined:
    return await asyncio.wait_for(awaitable, 2)


def start(live: LiveGroup, request: Joining) -> "asyncio.Task[Joined]":
    return asyncio.create_task(live.join(request))


async def stable(live: LiveGroup, **changes: Any) -> Joined:
    """Let one member join and sync."""
    joined = await live.join(joining(**changes))
    await live.sync(caller(joined, instance_id=changes.get("instance_id")), {joined.member_id: b"all"})
    return joined


async def two_members(live: LiveGroup, **changes: Any) -> tuple[Joined, Joined]:
    """Let two members join; both are of one generation, not yet synced."""
    first = await live.join(joining(**changes))
    second = start(live, joining())
    await asyncio.sleep(0)
    again = start(live, joining(first.member_id, **changes))
    return await soon(again), await soon(second)


async def test_the_first_member_leads_and_gets_its_assignment(live: LiveGroup) -> None:
    joined = await live.join(joining())
    synced = await live.sync(caller(joined), {joined.member_id: b"all"})

    assert (joined.leader, joined.generation, joined.protocol) == (joined.member_id, 1, "range")
    assert [member.id for member in joined.members] == [joined.member_id]
    assert synced == Synced(ErrorCode.none, b"all", "consumer", "range")
    assert live.group.state is GroupState.STABLE


async def test_a_newcomer_is_first_given_its_id(live: LiveGroup) -> None:
    announced = await live.join(joining(must_return_with_id=True))
    joined = await live.join(joining(announced.member_id, must_return_with_id=True))

    assert announced.error is ErrorCode.member_id_required
    assert joined.error is ErrorCode.none
    assert joined.member_id == announced.member_id


async def test_a_follower_waits_for_the_leaders_assignments(live: LiveGroup) -> None:
    leader, follower = await two_members(live)
    waiting = asyncio.create_task(live.sync(caller(follower), {}))
    await asyncio.sleep(0)
    assert not waiting.done()

    await live.sync(caller(leader), {leader.member_id: b"1", follower.member_id: b"2"})

    assert (await waiting).assignment == b"2"
    assert follower.members == ()
    assert len(leader.members) == 2


async def test_members_are_told_to_join_again_when_another_comes(live: LiveGroup) -> None:
    first = await stable(live)
    second = start(live, joining())
    await asyncio.sleep(0)

    assert live.heartbeat(caller(first)) is ErrorCode.rebalance_in_progress
    assert (await live.sync(caller(first), {})).error is ErrorCode.rebalance_in_progress
    again = await live.join(joining(first.member_id))
    assert again.generation == (await soon(second)).generation == 2


async def test_a_sync_that_waits_ends_when_another_comes(live: LiveGroup) -> None:
    _, follower = await two_members(live)
    waiting = asyncio.create_task(live.sync(caller(follower), {}))
    await asyncio.sleep(0)

    newcomer = start(live, joining())
    await asyncio.sleep(0)

    assert (await waiting).error is ErrorCode.rebalance_in_progress
    newcomer.cancel()


async def test_a_member_that_does_not_rejoin_in_time_is_left_behind(live: LiveGroup) -> None:
    slow = await stable(live, rebalance_timeout=timedelta(milliseconds=100))

    joined = await soon(start(live, joining(rebalance_timeout=timedelta(milliseconds=100))))

    assert joined.generation == 2
    assert list(live.group.members) == [joined.member_id]
    assert live.heartbeat(caller(slow)) is ErrorCode.unknown_member_id


async def test_a_member_that_never_syncs_is_removed(live: LiveGroup) -> None:
    await live.join(joining(rebalance_timeout=timedelta(milliseconds=100)))

    await asyncio.sleep(0.2)

    assert live.group.members == {}
    assert live.group.state is GroupState.EMPTY


async def test_a_silent_member_is_evicted(live: LiveGroup) -> None:
    await stable(live, session_timeout=timedelta(milliseconds=100))

    await asyncio.sleep(0.2)

    assert live.group.state is GroupState.EMPTY


async def test_heartbeats_keep_a_member(live: LiveGroup) -> None:
    joined = await stable(live, session_timeout=timedelta(milliseconds=300))

    for _ in range(5):
        await asyncio.sleep(0.1)
        assert live.heartbeat(caller(joined)) is ErrorCode.none


async def test_an_announced_newcomer_that_never_comes_does_not_hold_the_group(live: LiveGroup) -> None:
    await live.join(joining(must_return_with_id=True, session_timeout=timedelta(milliseconds=100)))

    joined = await soon(start(live, joining()))

    assert joined.error is ErrorCode.none


async def test_a_newcomer_whose_connection_breaks_does_not_hold_the_group(live: LiveGroup) -> None:
    first = await stable(live)
    lost = start(live, joining())
    await asyncio.sleep(0)
    lost.cancel()
    await asyncio.sleep(0)

    again = await soon(start(live, joining(first.member_id)))

    assert list(live.group.members) == [first.member_id]
    assert again.generation >= 2


async def test_an_older_generation_is_refused_everywhere(live: LiveGroup) -> None:
    old = await stable(live)
    again = start(live, joining(old.member_id, protocols=(("range", b"changed"),)))
    new = await soon(again)
    await live.sync(caller(new), {})

    assert live.heartbeat(caller(old)) is ErrorCode.illegal_generation
    assert live.commit_error(caller(old)) is ErrorCode.illegal_generation
    assert (await live.sync(caller(old), {})).error is ErrorCode.illegal_generation
    assert live.commit_error(caller(new)) is ErrorCode.none


async def test_only_an_empty_group_takes_commits_of_nobody(live: LiveGroup) -> None:
    nobody = Caller("", None, -1)
    assert live.commit_error(nobody) is ErrorCode.none

    await stable(live)

    assert live.commit_error(nobody) is ErrorCode.unknown_member_id


async def test_no_commits_while_assignments_are_made(live: LiveGroup) -> None:
    joined = await live.join(joining())

    assert live.commit_error(caller(joined)) is ErrorCode.rebalance_in_progress


@pytest.mark.parametrize("seconds", [0.05, 3600])
async def test_a_senseless_session_timeout_is_refused(live: LiveGroup, seconds: float) -> None:
    joined = await live.join(joining(session_timeout=timedelta(seconds=seconds)))

    assert joined.error is ErrorCode.invalid_session_timeout


@pytest.mark.parametrize(
    "changes",
    [
        {"protocols": ()},
        {"protocol_type": ""},
        {"protocol_type": "connect"},
        {"protocols": (("other", b""),)},
    ],
)
async def test_a_member_with_nothing_in_common_is_refused(live: LiveGroup, changes: dict[str, Any]) -> None:
    await stable(live)

    assert (await live.join(joining(**changes))).error is ErrorCode.inconsistent_group_protocol


async def test_an_unknown_member_is_refused(live: LiveGroup) -> None:
    await stable(live)

    assert (await live.join(joining("nobody"))).error is ErrorCode.unknown_member_id
    assert live.heartbeat(Caller("nobody", None, 1)) is ErrorCode.unknown_member_id
    assert live.leave("nobody", instance_id=None) is ErrorCode.unknown_member_id


async def test_a_static_member_that_returns_keeps_its_place_and_fences_its_former_self(
    live: LiveGroup,
) -> None:
    former = await stable(live, instance_id="a")

    back = await live.join(joining(instance_id="a"))

    assert (back.error, back.generation, back.skip_assignment) == (ErrorCode.none, 1, True)
    assert back.member_id != former.member_id
    synced = await live.sync(caller(back, instance_id="a"), {})
    assert synced.assignment == b"all"
    assert live.heartbeat(caller(former, instance_id="a")) is ErrorCode.fenced_instance_id


async def test_a_static_member_that_changed_its_subscription_rebalances(live: LiveGroup) -> None:
    await stable(live, instance_id="a")

    back = await soon(start(live, joining(instance_id="a", protocols=(("range", b"more"),))))

    assert back.generation == 2


async def test_an_administrator_removes_a_static_member_by_its_instance_id(live: LiveGroup) -> None:
    await stable(live, instance_id="a")

    assert live.leave("", instance_id="a") is ErrorCode.none
    assert live.group.state is GroupState.EMPTY
    assert live.leave("", instance_id="a") is ErrorCode.unknown_member_id


async def test_the_initial_delay_lets_a_crowd_in_with_one_generation() -> None:
    live = LiveGroup("g", initial_delay=timedelta(milliseconds=50))

    crowd = await asyncio.gather(*[live.join(joining()) for _ in range(10)])

    assert {joined.generation for joined in crowd} == {1}
    assert len({joined.leader for joined in crowd}) == 1


async def test_closing_answers_everybody_who_waits(live: LiveGroup) -> None:
    first = await stable(live)
    waiting = start(live, joining())
    await asyncio.sleep(0)

    live.close()

    assert (await soon(waiting)).error is ErrorCode.coordinator_not_available
    assert first.member_id


def member(member_id: str, *protocols: str) -> Member:
    named = tuple((name, b"") for name in protocols)
    return Member(member_id, None, "c", "h", SESSION, SESSION, named, has_joined=True)


def test_the_protocol_is_the_favourite_among_those_all_know() -> None:
    group = Group("g")
    group.add(member("1", "sticky", "range", "only-mine"))
    group.add(member("2", "range", "sticky"))
    group.add(member("3", "range", "sticky"))

    assert group.choose_protocol() == "range"
    assert group.common_protocols() == {"sticky", "range"}


def test_leadership_passes_on_when_the_leader_goes() -> None:
    group = Group("g")
    leader, follower = member("1", "range"), member("2", "range")
    group.add(leader)
    group.add(follower)

    group.remove(leader)

    assert group.leader == "2"


async def test_a_broker_that_stood_still_hears_its_members_before_it_throws_them_out(live: LiveGroup) -> None:
    joined = await stable(live, session_timeout=timedelta(milliseconds=200))

    time.sleep(1)  # the whole process is frozen
    await asyncio.sleep(0.1)

    assert live.heartbeat(caller(joined)) is ErrorCode.none


async def test_a_member_that_stays_silent_is_thrown_out_a_moment_after_a_standstill(live: LiveGroup) -> None:
    joined = await stable(live, session_timeout=timedelta(milliseconds=200))

    time.sleep(1)  # the whole process is frozen
    async with asyncio.timeout(10):
        while live.group.members:
            await asyncio.sleep(0.1)

    assert live.heartbeat(caller(joined)) is ErrorCode.unknown_member_id
