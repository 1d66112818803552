"""How the loops of the bus tell what made them wait: they go on whatever it was, but a bug must leave a trace.

A database or broker out of reach is one line of warning per attempt. Anything else is ours: an error with its
traceback, once a minute for each kind, because the loop meets it again at every attempt.
"""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from huiyin_eventbus.errors import AssignmentMissing, BrokerSilent, ClientCancelled, LostOwnership
from huiyin_eventbus.failures import is_infrastructure

TRACEBACK_EVERY: Final = timedelta(minutes=1)
_MOST_KINDS: Final = 100
_FORESEEN: Final = (KafkaError, AssignmentMissing, BrokerSilent, ClientCancelled, LostOwnership)

log = structlog.get_logger(__name__)


class Grievances:
    """Tells the failures of one loop; `fact` names them in the log. `clock` gives seconds that never go back."""

    def __init__(self, fact: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._fact = fact
        self._clock = clock
        self._told_at: dict[type[Exception], float] = {}

    def tell(self, error: Exception, **fields: Any) -> None:
        """Log a failure: a warning when it was foreseen or told a moment ago, else an error with its traceback."""
        fields["error"] = type(error).__name__
        if is_infrastructure(error) or isinstance(error, _FORESEEN) or self._is_known(type(error)):
            log.warning(self._fact, **fields)
        else:
            log.error(self._fact, exc_info=error, **fields)

    def _is_known(self, kind: type[Exception]) -> bool:
        now = self._clock()
        told_at = self._told_at.get(kind)
        if told_at is not None and now - told_at < TRACEBACK_EVERY.total_seconds():
            return True
        if len(self._told_at) == _MOST_KINDS:
            self._told_at.clear()
        self._told_at[kind] = now
        return False
