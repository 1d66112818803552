"""Makes aiokafka take a connection that has just been lost for what it is, on uvloop too.

Between a reset and the moment aiokafka hears of it lie a few turns of the loop. What is written meanwhile asyncio's own
loop drops, and aiokafka fails the request when it hears; uvloop raises RuntimeError, which aiokafka takes for no trouble
of a connection. The error ended whichever of its tasks wrote first. When that was the one that keeps the metadata,
whoever asked for metadata waited for ever, and a broker that came back was not found again.
"""

from collections.abc import Callable
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send: Callable[..., Any] = AIOKafkaConnection.send


def _send_or_be_lost(connection: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:  # noqa: FBT001, FBT002  # aiokafka's signature
    """Send as aiokafka does; raises KafkaConnectionError when the connection is gone, whatever the loop."""
    try:
        return _send(connection, request, expect_response)
    except NotImplementedError:  # the broker is too old for the request, and the connection well
        raise
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
        place = f"{connection.host}:{connection.port}"
        raise KafkaConnectionError(f"connection at {place} was lost") from error


# aiokafka has no place where one could name the class of the connections it makes.
AIOKafkaConnection.send = _send_or_be_lost  # type: ignore[method-assign]
