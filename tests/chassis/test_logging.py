"""One JSON object per line, whatever is logged and by whom, and nothing of a customer's in it."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Database
from huiyin_chassis.logging import REDACTED, configure_logging, redact
from huiyin_eventbus.tracing import traced
from tests.chassis.example.models import notes

CANARY = "canary-7f3a"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_fact_is_one_line_of_json_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    with traced("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
        structlog.get_logger().info("ticket_routed", ticket_id="T1", department="logistics", count=2)

    (line,) = lines(capsys)
    assert line.pop("timestamp")
    assert line == {
        "event": "ticket_routed",
        "level": "info",
        "ticket_id": "T1",
        "department": "logistics",
        "count": 2,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }


def test_libraries_speak_json_too_and_only_when_it_matters(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    logging.getLogger("uvicorn.error").info("Started %s", "server")
    logging.getLogger("aiokafka.consumer").info("chatter")
    logging.getLogger("aiokafka.consumer").warning("lost the broker")

    assert [line["event"] for line in lines(capsys)] == ["Started server", "lost the broker"]


def test_below_the_level_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning")

    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")

    assert [line["event"] for line in lines(capsys)] == ["loud"]


@pytest.mark.parametrize(
    "name",
    [
        "text",
        "name",
        "customer_name",
        "phone",
        "author_email",
        "Authorization",
        "password",
        "api_key",
        "body",
    ],
)
def test_what_is_named_after_personal_data_or_secrets_is_hidden(name: str) -> None:
    event = redact(
        None, "info", {"event": "e", name: CANARY, "nested": {name: CANARY}, "many": [{name: CANARY}]}
    )

    assert CANARY not in json.dumps(event)
    assert event[name] == REDACTED


def test_ids_and_numbers_stay_readable() -> None:
    fields = {"ticket_id": "T1", "text_length": 5, "keys": ["a"], "ok": True, "none": None, "share": 0.5}

    assert redact(None, "info", dict(fields)) == fields


def test_forged_lines_and_terminal_codes_are_inert(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    structlog.get_logger().info("seen", path='\n{"event": "forged"}\r\x1b[31mred\x00\u202e\u2028')

    (line,) = lines(capsys)
    assert line["event"] == "seen"
    assert not set("\r\x1b\x00\u202e\u2028") & set(str(line["path"]))


def test_long_values_are_cut_and_deep_ones_folded() -> None:
    deep: dict[str, object] = {}
    for _ in range(100):
        deep = {"in": deep}

    event = redact(None, "info", {"event": "e", "long": "x" * 100_000, "deep": deep, "odd": object})

    assert len(json.dumps(event)) < 5000


def test_an_exception_is_told_in_the_same_line_without_local_variables(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging()
    local = CANARY

    try:
        raise RuntimeError("boom")  # noqa: TRY301  # the traceback is the point
    except RuntimeError:
        structlog.get_logger().exception("failed", length=len(local))

    (line,) = lines(capsys)
    assert "RuntimeError: boom" in str(line["exception"])
    assert CANARY not in json.dumps(line)


async def test_a_row_that_the_database_refuses_stays_out_of_the_log(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging()
    row = {"id": "a", "body": CANARY, "likes": None, "extra": None, "written_at": utc_now()}

    try:
        async with database.writing() as tx:
            await tx.execute(insert(notes).values(**row))
    except IntegrityError as refused:
        structlog.get_logger().exception("write_failed")
        logging.getLogger("asyncio").warning("forgotten", exc_info=RuntimeError("boom"))
        try:
            raise LookupError("a rule's own words") from refused  # noqa: TRY301  # the chain is the point
        except LookupError:
            structlog.get_logger().exception("rule_failed")

    told = [str(line["exception"]) for line in lines(capsys)]
    assert CANARY not in "".join(told)
    assert told[0].startswith("IntegrityError: ")
    assert "likes" in told[0]
    assert __file__ in told[0]
    assert told[1] == "RuntimeError: boom"
    assert told[2].startswith("LookupError: a rule's own words")
    assert "caused by IntegrityError" in told[2]


def test_every_exception_of_a_group_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    structlog.get_logger().error("failed", exc_info=ExceptionGroup("two", [ValueError("a"), KeyError("b")]))

    (line,) = lines(capsys)
    assert "among them ValueError: a" in str(line["exception"])
    assert "among them KeyError: 'b'" in str(line["exception"])
