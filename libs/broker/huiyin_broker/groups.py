"""A consumer group as plain state: members, generation, chosen protocol. No clock, no waiting; see `coordinator`.

The states and rules are those of Kafka's classic group protocol (org.apache.kafka.coordinator.group.classic).
Protocol metadata and assignments are opaque: eager and cooperative assignors look the same from here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from uuid import uuid4

from kio.schema.errors import ErrorCode


class GroupState(StrEnum):
    """The states as Kafka's tools print them."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


@dataclass(slots=True, eq=False)
class Member:
    """One member; `protocols` are (name, metadata) in order of preference."""

    id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout: timedelta
    rebalance_timeout: timedelta
    protocols: tuple[tuple[str, bytes], ...]
    assignment: bytes = b""
    has_joined: bool = False
    has_synced: bool = False

    def update(
        self, protocols: tuple[tuple[str, bytes], ...], *, session: timedelta, rebalance: timedelta
    ) -> None:
        """Take over what the member says of itself when it joins again."""
        self.protocols = protocols
        self.session_timeout = session
        self.rebalance_timeout = rebalance

    def metadata_of(self, protocol: str | None) -> bytes:
        """Return what the member said under this protocol."""
        return next((metadata for name, metadata in self.protocols if name == protocol), b"")


@dataclass(slots=True, eq=False)
class Group:
    """The members of one group and the generation they agree on."""

    id: str
    state: GroupState = GroupState.EMPTY
    generation: int = 0
    protocol_type: str | None = None
    protocol: str | None = None
    leader: str | None = None
    members: dict[str, Member] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    static: dict[str, str] = field(default_factory=dict)

    def new_member_id(self, *, client_id: str, instance_id: str | None) -> str:
        """Return an id nobody had before, readable in the tools."""
        return f"{instance_id or client_id}-{uuid4()}"

    def add(self, member: Member) -> None:
        """Take a member in; the first one leads."""
        self.members[member.id] = member
        self.pending.discard(member.id)
        if member.instance_id is not None:
            self.static[member.instance_id] = member.id
        if self.leader is None:
            self.leader = member.id

    def remove(self, member: Member) -> None:
        """Let a member go; leadership passes to whoever has joined."""
        self.members.pop(member.id, None)
        if member.instance_id is not None and self.static.get(member.instance_id) == member.id:
            del self.static[member.instance_id]
        if self.leader == member.id:
            self.leader = next(iter(self.members), None)

    def replace_static(self, member: Member, new_id: str) -> None:
        """Give a static member that came back its new id; the old id is fenced from now on."""
        del self.members[member.id]
        if self.leader == member.id:
            self.leader = new_id
        member.id = new_id
        self.add(member)

    def refusal(self, member_id: str, *, instance_id: str | None) -> ErrorCode:
        """Return why this caller is no member, or `none`."""
        if instance_id is not None:
            known = self.static.get(instance_id)
            if known is None:
                return ErrorCode.unknown_member_id
            return ErrorCode.none if known == member_id else ErrorCode.fenced_instance_id
        return ErrorCode.none if member_id in self.members else ErrorCode.unknown_member_id

    def accepts(self, protocol_type: str, protocols: Iterable[str]) -> bool:
        """Whether a member speaking these could take part: same type and one protocol that all others know."""
        names = set(protocols)
        if not names or not protocol_type:
            return False
        if not self.members:
            return True
        return protocol_type == self.protocol_type and not self.common_protocols().isdisjoint(names)

    def common_protocols(self) -> set[str]:
        """Return the protocols that every member knows."""
        known = [{name for name, _ in member.protocols} for member in self.members.values()]
        return set.intersection(*known) if known else set()

    def choose_protocol(self) -> str | None:
        """Return the protocol most members prefer among the common ones; the name breaks a tie."""
        common = self.common_protocols()
        votes: dict[str, int] = {}
        for member in self.members.values():
            favourite = next((name for name, _ in member.protocols if name in common), None)
            if favourite is not None:
                votes[favourite] = votes.get(favourite, 0) + 1
        return max(sorted(votes), key=lambda name: votes[name], default=None)

    def everyone_has_joined(self) -> bool:
        """Whether no member and no announced newcomer is missing."""
        return not self.pending and all(member.has_joined for member in self.members.values())

    def next_generation(self) -> None:
        """Start the generation of those who have joined."""
        self.generation += 1
        if self.leader not in self.members or not self.members[self.leader].has_joined:
            joined = (member.id for member in self.members.values() if member.has_joined)
            self.leader = next(joined, self.leader)
        self.protocol = self.choose_protocol()
        self.state = GroupState.COMPLETING if self.members else GroupState.EMPTY
        for member in self.members.values():
            member.has_synced = False
            member.assignment = b""

    def rebalance_timeout(self) -> timedelta:
        """Return how long the slowest member may take to join again."""
        return max((member.rebalance_timeout for member in self.members.values()), default=timedelta(0))
