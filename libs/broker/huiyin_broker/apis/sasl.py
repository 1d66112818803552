"""SaslHandshake and SaslAuthenticate: PLAIN for the one user "huiyin" (RFC 4616)."""

import hmac
from datetime import timedelta

import structlog
from kio.schema.errors import ErrorCode

from huiyin_broker.apis.call import Call, Route
from huiyin_broker.protocol import Values

USER = "huiyin"
_MECHANISM = "PLAIN"
log = structlog.get_logger(__name__)


async def sasl_handshake(call: Call) -> Values:
    """Agree on PLAIN."""
    if call.node.settings.password is None:
        return {"error_code": ErrorCode.illegal_sasl_state, "mechanisms": ()}
    if call.body.mechanism != _MECHANISM:
        return {"error_code": ErrorCode.unsupported_sasl_mechanism, "mechanisms": (_MECHANISM,)}
    call.session.mechanism = _MECHANISM
    return {"error_code": ErrorCode.none, "mechanisms": (_MECHANISM,)}


async def sasl_authenticate(call: Call) -> Values:
    """Check user and password; user, password and the way they are wrong take the same time."""
    if call.session.mechanism is None:
        return _answer(ErrorCode.illegal_sasl_state, "no mechanism was agreed on")
    if not _is_valid(call.body.auth_bytes, password=call.node.settings.password or ""):
        log.warning("sasl_refused", client=call.session.client_host)
        return _answer(ErrorCode.sasl_authentication_failed, "wrong user or password")
    call.session.is_authenticated = True
    return _answer(ErrorCode.none, None)


def _is_valid(token: bytes, *, password: str) -> bool:
    expected = f"{USER}\0{password}".encode()
    _, _, given = token.partition(b"\0")
    return hmac.compare_digest(given, expected)


def _answer(error: ErrorCode, message: str | None) -> Values:
    return {
        "error_code": error,
        "error_message": message,
        "auth_bytes": b"",
        "session_lifetime": timedelta(0),
    }


ROUTES = (
    Route(17, 1, 1, sasl_handshake, before_authentication=True),
    Route(36, 0, 2, sasl_authenticate, before_authentication=True),
)
