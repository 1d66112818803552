"""One group with its timers and everybody who waits for an answer, around the plain state in `groups`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

import structlog
from kio.schema.errors import ErrorCode

from huiyin_broker.groups import Group, GroupState, Member
from huiyin_broker.membership import Caller, Joined, Joining, Synced
from huiyin_broker.sessions import Sessions

SHORTEST_SESSION: Final = timedelta(milliseconds=100)
LONGEST_SESSION: Final = timedelta(minutes=30)
log = structlog.get_logger(__name__)


class LiveGroup:
    """One group in the event loop: joins and syncs that wait, sessions and phases that time out."""

    def __init__(self, group_id: str, *, initial_delay: timedelta) -> None:
        self.group = Group(group_id)
        self._initial_delay = initial_delay
        self._is_delaying = False
        self._joins: dict[str, asyncio.Future[Joined]] = {}
        self._syncs: dict[str, asyncio.Future[Synced]] = {}
        self._sessions = Sessions()
        self._phase: asyncio.TimerHandle | None = None

    async def join(self, joining: Joining) -> Joined:
        """Take part in the next generation; returns when it begins."""
        group = self.group
        error = self._join_error(joining)
        if error:
            return Joined(error, joining.member_id)
        if joining.member_id in group.members:
            return await self._rejoin(group.members[joining.member_id], joining)
        if joining.instance_id in group.static:
            return await self._return_static(joining)
        if not joining.member_id and joining.instance_id is None and joining.must_return_with_id:
            return self._announce(joining)
        return await self._enter(joining)

    def _join_error(self, joining: Joining) -> ErrorCode:
        group = self.group
        if not SHORTEST_SESSION <= joining.session_timeout <= LONGEST_SESSION:
            return ErrorCode.invalid_session_timeout
        if not group.accepts(joining.protocol_type, [name for name, _ in joining.protocols]):
            return ErrorCode.inconsistent_group_protocol
        if not joining.member_id or joining.member_id in group.pending:
            return ErrorCode.none
        return group.refusal(joining.member_id, instance_id=joining.instance_id)

    def _announce(self, joining: Joining) -> Joined:
        member_id = self.group.new_member_id(client_id=joining.client_id, instance_id=None)
        self.group.pending.add(member_id)
        self._sessions.watch(member_id, joining.session_timeout, self._forget_pending)
        return Joined(ErrorCode.member_id_required, member_id)

    async def _enter(self, joining: Joining) -> Joined:
        group = self.group
        if not group.members:
            group.protocol_type = joining.protocol_type
        member = Member(
            joining.member_id
            or group.new_member_id(client_id=joining.client_id, instance_id=joining.instance_id),
            joining.instance_id,
            joining.client_id,
            joining.client_host,
            joining.session_timeout,
            joining.rebalance_timeout,
            joining.protocols,
        )
        group.add(member)
        return await self._wait_to_join(member)

    async def _rejoin(self, member: Member, joining: Joining) -> Joined:
        state = self.group.state
        is_unchanged = member.protocols == joining.protocols
        member.update(joining.protocols, session=joining.session_timeout, rebalance=joining.rebalance_timeout)
        has_missed_the_answer = state is GroupState.COMPLETING and is_unchanged
        has_nothing_new = state is GroupState.STABLE and is_unchanged and member.id != self.group.leader
        if has_missed_the_answer or has_nothing_new:
            self._keep_alive(member)
            return self._joined(member)
        return await self._wait_to_join(member)

    async def _return_static(self, joining: Joining) -> Joined:
        """Let a static member that came back take its place again: in a stable group without a rebalance."""
        group = self.group
        member = group.members[group.static[joining.instance_id or ""]]
        self._stop_waiting(member, ErrorCode.fenced_instance_id)
        group.replace_static(member, group.new_member_id(client_id="", instance_id=joining.instance_id))
        is_unchanged = member.protocols == joining.protocols
        member.update(joining.protocols, session=joining.session_timeout, rebalance=joining.rebalance_timeout)
        if group.state is GroupState.STABLE and is_unchanged:
            self._keep_alive(member)
            return replace(self._joined(member), skip_assignment=member.id == group.leader)
        return await self._wait_to_join(member)

    async def _wait_to_join(self, member: Member) -> Joined:
        self._sessions.end(member.id)
        _answer(self._joins.get(member.id), Joined(ErrorCode.unknown_member_id, member.id))
        answer: asyncio.Future[Joined] = asyncio.get_running_loop().create_future()
        self._joins[member.id] = answer
        member.has_joined = True
        self._prepare()
        try:
            return await answer
        except asyncio.CancelledError:
            self._connection_lost(member, answer)
            raise

    def _connection_lost(self, member: Member, answer: "asyncio.Future[Joined]") -> None:
        if self._joins.get(member.id) is answer:
            self._remove(member, reason="connection lost while joining")

    def _prepare(self) -> None:
        """Ask everybody to join again; go on at once when everybody has."""
        group = self.group
        if group.state is GroupState.EMPTY and self._initial_delay:
            group.state = GroupState.PREPARING
            self._is_delaying = True
            self._restart_phase(self._initial_delay, self._end_initial_delay)
            return
        if group.state is not GroupState.PREPARING:
            self._begin_preparing()
        if not self._is_delaying and group.everyone_has_joined():
            self._complete_join()

    def _begin_preparing(self) -> None:
        group = self.group
        group.state = GroupState.PREPARING
        for member_id in list(self._syncs):
            self._keep_alive(group.members[member_id])
            _answer(self._syncs.pop(member_id), Synced(ErrorCode.rebalance_in_progress))
        for member in group.members.values():
            member.has_joined = member.id in self._joins
        self._restart_phase(group.rebalance_timeout(), self._complete_join)

    def _end_initial_delay(self) -> None:
        self._is_delaying = False
        if self.group.everyone_has_joined():
            self._complete_join()
        else:
            self._restart_phase(self.group.rebalance_timeout(), self._complete_join)

    def _complete_join(self) -> None:
        """Start the next generation with those who have joined; static members may be late until evicted."""
        group = self.group
        self._stop_phase()
        for member in [m for m in group.members.values() if not m.has_joined and m.instance_id is None]:
            log.info("group_member_left_behind", group=group.id, member=member.id)
            self._sessions.end(member.id)
            group.remove(member)
        if group.members and not self._joins:
            self._restart_phase(group.rebalance_timeout(), self._complete_join)
            return
        group.next_generation()
        log.info(
            "group_generation_began", group=group.id, generation=group.generation, members=len(group.members)
        )
        for member_id in list(self._joins):
            member = group.members[member_id]
            self._keep_alive(member)
            _answer(self._joins.pop(member_id), self._joined(member))
        if group.members:
            self._restart_phase(group.rebalance_timeout(), self._give_up_on_sync)

    def _joined(self, member: Member) -> Joined:
        group = self.group
        is_leader = member.id == group.leader
        return Joined(
            ErrorCode.none,
            member.id,
            group.generation,
            group.protocol_type,
            group.protocol,
            group.leader or "",
            tuple(group.members.values()) if is_leader else (),
        )

    async def sync(self, caller: Caller, assignments: Mapping[str, bytes]) -> Synced:
        """Return this member's assignment; waits until the leader has sent it."""
        group = self.group
        error = self._caller_error(caller)
        if error:
            return Synced(error)
        member = group.members[caller.member_id]
        self._keep_alive(member)
        if group.state is GroupState.PREPARING:
            return Synced(ErrorCode.rebalance_in_progress)
        member.has_synced = True
        if group.state is GroupState.STABLE:
            return self._synced(member)
        answer: asyncio.Future[Synced] = asyncio.get_running_loop().create_future()
        _answer(self._syncs.get(member.id), Synced(ErrorCode.unknown_member_id))
        self._syncs[member.id] = answer
        self._sessions.end(member.id)
        if member.id == group.leader:
            self._assign(assignments)
        try:
            return await answer
        except asyncio.CancelledError:
            self._lost_in_sync(member, answer)
            raise

    def _lost_in_sync(self, member: Member, answer: "asyncio.Future[Synced]") -> None:
        """Give a member whose connection broke one session to come back."""
        if self._syncs.get(member.id) is answer:
            del self._syncs[member.id]
            self._keep_alive(member)

    def _assign(self, assignments: Mapping[str, bytes]) -> None:
        group = self.group
        for member in group.members.values():
            member.assignment = assignments.get(member.id, b"")
        group.state = GroupState.STABLE
        for member_id in list(self._syncs):
            member = group.members[member_id]
            self._keep_alive(member)
            _answer(self._syncs.pop(member_id), self._synced(member))

    def _synced(self, member: Member) -> Synced:
        return Synced(ErrorCode.none, member.assignment, self.group.protocol_type, self.group.protocol)

    def _give_up_on_sync(self) -> None:
        for member in [m for m in self.group.members.values() if not m.has_synced and m.has_joined]:
            self._remove(member, reason="no sync within the rebalance timeout")

    def heartbeat(self, caller: Caller) -> ErrorCode:
        """Keep a member's session alive; tells it when to join again."""
        error = self._caller_error(caller)
        if error:
            return error
        self._keep_alive(self.group.members[caller.member_id])
        is_preparing = self.group.state is GroupState.PREPARING
        return ErrorCode.rebalance_in_progress if is_preparing else ErrorCode.none

    def commit_error(self, caller: Caller) -> ErrorCode:
        """Return why this caller may not commit offsets, or `none`. Commits keep the session alive."""
        group = self.group
        if caller.generation < 0 and not caller.member_id:
            return ErrorCode.none if not group.members else ErrorCode.unknown_member_id
        error = self._caller_error(caller)
        if error:
            return error
        self._keep_alive(group.members[caller.member_id])
        is_completing = group.state is GroupState.COMPLETING
        return ErrorCode.rebalance_in_progress if is_completing else ErrorCode.none

    def leave(self, member_id: str, *, instance_id: str | None) -> ErrorCode:
        """Let a member go; an administrator names a static member by its instance id alone."""
        group = self.group
        if instance_id is not None and not member_id:
            member_id = group.static.get(instance_id, "")
        if member_id in group.pending:
            self._forget_pending(member_id)
            return ErrorCode.none
        error = group.refusal(member_id, instance_id=instance_id)
        if not error:
            self._remove(group.members[member_id], reason="left")
        return error

    def _caller_error(self, caller: Caller) -> ErrorCode:
        error = self.group.refusal(caller.member_id, instance_id=caller.instance_id)
        if error:
            return error
        return ErrorCode.none if caller.generation == self.group.generation else ErrorCode.illegal_generation

    def _remove(self, member: Member, *, reason: str) -> None:
        group = self.group
        log.info("group_member_removed", group=group.id, member=member.id, reason=reason)
        self._stop_waiting(member, ErrorCode.unknown_member_id)
        group.remove(member)
        if group.state is not GroupState.EMPTY:
            self._prepare()

    def _stop_waiting(self, member: Member, error: ErrorCode) -> None:
        self._sessions.end(member.id)
        _answer(self._joins.pop(member.id, None), Joined(error, member.id))
        _answer(self._syncs.pop(member.id, None), Synced(error))

    def _evict(self, member_id: str) -> None:
        member = self.group.members.get(member_id)
        if member is not None:
            self._remove(member, reason="session timed out")

    def _forget_pending(self, member_id: str) -> None:
        self._sessions.end(member_id)
        self.group.pending.discard(member_id)
        if self.group.state is GroupState.PREPARING:
            self._prepare()

    def _keep_alive(self, member: Member) -> None:
        self._sessions.watch(member.id, member.session_timeout, self._evict)

    def _restart_phase(self, timeout: timedelta, end: Callable[[], None]) -> None:
        self._stop_phase()
        self._phase = asyncio.get_running_loop().call_later(timeout.total_seconds(), end)

    def _stop_phase(self) -> None:
        if self._phase is not None:
            self._phase.cancel()
            self._phase = None

    def close(self) -> None:
        """Stop all timers and answer everybody who waits."""
        self._stop_phase()
        self._sessions.close()
        for member_id, join in self._joins.items():
            _answer(join, Joined(ErrorCode.coordinator_not_available, member_id))
        for sync in self._syncs.values():
            _answer(sync, Synced(ErrorCode.coordinator_not_available))


T = TypeVar("T")


def _answer(waiting: "asyncio.Future[T] | None", answer: T) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(answer)
