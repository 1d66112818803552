"""What members of a consumer group ask and are answered, apart from any version of the protocol."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kio.schema.errors import ErrorCode

from huiyin_broker.groups import Member

_UNCHOSEN: Final = -1


@dataclass(frozen=True, slots=True)
class Joining:
    """A JoinGroup request."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout: timedelta
    rebalance_timeout: timedelta
    protocol_type: str
    protocols: tuple[tuple[str, bytes], ...]
    must_return_with_id: bool
    """Whether a newcomer gets its id first and joins with it (version 4 on, KIP-394)."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The answer to a join. Only the leader gets to see the members."""

    error: ErrorCode
    member_id: str
    generation: int = _UNCHOSEN
    protocol_type: str | None = None
    protocol: str | None = None
    leader: str = ""
    members: tuple[Member, ...] = ()
    skip_assignment: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who says it is a member of which generation."""

    member_id: str
    instance_id: str | None
    generation: int


@dataclass(frozen=True, slots=True)
class Synced:
    """The answer to a sync: this member's assignment."""

    error: ErrorCode
    assignment: bytes = b""
    protocol_type: str | None = None
    protocol: str | None = None
