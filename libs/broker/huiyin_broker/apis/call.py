"""What an API handler is given and what a route is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kio.schema.errors import ErrorCode

from huiyin_broker.coordinator import Coordinator
from huiyin_broker.log import Log
from huiyin_broker.protocol import Head, Values, encode_response
from huiyin_broker.settings import BrokerSettings

NODE_ID: Final = 1
NO_TRANSACTIONS: Final = ErrorCode.transactional_id_authorization_failed
"""The refusal of transactions: the one code that every client takes as final instead of trying again."""


@dataclass(slots=True)
class Session:
    """What is known of one connection: where it comes from and whether it has shown the password."""

    client_host: str
    is_authenticated: bool
    mechanism: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """The broker's parts that handlers use. `port` is the port in use."""

    settings: BrokerSettings
    port: int
    log: Log
    coordinator: Coordinator
    routes: "Mapping[int, Route]"


@dataclass(frozen=True, slots=True)
class Call:
    """One request: kio's object in `body`, and the connection it came on."""

    node: Node
    session: Session
    version: int
    client_id: str
    body: Any

    def field(self, name: str, default: Any = None) -> Any:
        """Return a request field, or the default when this version does not have it."""
        return getattr(self.body, name, default)


Handler = Callable[[Call], Awaitable[Values | None]]
"""Answers a call; None means that the client expects no answer."""
Encode = Callable[[Head, Values], bytes]
"""Makes the whole frame of an answer."""


@dataclass(frozen=True, slots=True)
class Route:
    """One API: its key, the versions that work, those advertised when they differ, its handler and its encoder."""

    key: int
    oldest: int
    newest: int
    handler: Handler
    advertised_oldest: int | None = None
    before_authentication: bool = False
    encode: Encode = encode_response
