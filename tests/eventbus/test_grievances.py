"""What made a loop wait is told by whose fault it is: an outage in a line, a bug with its traceback."""

import pytest
from aiokafka.errors import KafkaConnectionError
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from huiyin_eventbus.errors import BrokerSilent
from huiyin_eventbus.grievances import TRACEBACK_EVERY, Grievances


class Hands:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        OperationalError("x", {}, ConnectionResetError("gone")),
        KafkaConnectionError(),
        BrokerSilent("desk"),
    ],
)
def test_an_outage_is_a_warning_without_a_traceback(error: Exception) -> None:
    with capture_logs() as logs:
        Grievances("consumer_waits").tell(error, group="desk")

    assert logs == [
        {"event": "consumer_waits", "log_level": "warning", "group": "desk", "error": type(error).__name__}
    ]


def test_a_bug_is_an_error_with_its_traceback_once_a_minute_for_each_kind() -> None:
    clock = Hands()
    grievances = Grievances("publish_failed", clock=clock)
    bug = TypeError("a bug of ours")

    with capture_logs() as logs:
        grievances.tell(bug)
        clock.seconds += TRACEBACK_EVERY.total_seconds() - 1
        grievances.tell(bug)
        grievances.tell(KeyError("another"))
        clock.seconds += 1
        grievances.tell(bug)

    assert [each["log_level"] for each in logs] == ["error", "warning", "error", "error"]
    assert [each.get("exc_info") for each in logs][:2] == [bug, None]


def test_kinds_without_end_do_not_fill_the_memory() -> None:
    grievances = Grievances("publish_failed")

    with capture_logs() as logs:
        for number in range(1000):
            grievances.tell(type(f"Bug{number}", (Exception,), {})())

    assert len(logs) == 1000
    assert len(grievances._told_at) <= 100
