"""Logging is as before anybody configured it at the start of each test, whatever the one before did."""

import pytest
from structlog.testing import capture_logs

from huiyin_chassis import requests
from huiyin_chassis.logging import configure_logging


def test_first_somebody_configures_logging_and_uses_a_logger(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("error")

    requests.log.error("used_under_configuration")

    assert '"event": "used_under_configuration"' in capsys.readouterr().err


def test_then_the_same_logger_can_be_captured_again() -> None:
    with capture_logs() as logs:
        requests.log.error("captured")

    assert [entry["event"] for entry in logs] == ["captured"]
