"""Somebody sets the clock of a machine: an hour on, an hour back, a few seconds off.

On SQLite it is the machine of the services; on PostgreSQL deadlines follow the server's clock, and that one jumps: a
function before the server's own on the search path.
"""

import time
from pathlib import Path
from typing import Final

from tests.faults.caller import Caller
from tests.faults.counter.log import read_log
from tests.faults.outboxes import run_sql
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import ADMIN_KEY, Stack, eventually

JUMPING: Final = ("sla", "desk", "router")
_FOLDER: Final = Path(__file__).parent / "jumping_clock"
_HOUR: Final = 3600
_DRIFT: Final = 10
# Within the hour by which the clock jumps, and far beyond the whole test.
_SPANS: Final = '{"response": "PT40M", "resolution": "PT50M"}'
POLICIES: Final = (
    f'{{"classification": "PT30M", "ordinary": {_SPANS}, "urgent": {_SPANS}, "complex": {_SPANS}}}'
)
_NOTICED_WITHIN_SECONDS: Final = 45


def _jumping(stage: Stage) -> None:
    stack = stage.stack
    _lay_server_clock(stack)
    try:
        for service in JUMPING:
            _set(stack, service, 0)
            stack.processes[service].end()
            stack.processes[service].start(
                PYTHONPATH=str(_FOLDER), JUMPING_CLOCK_FILE=str(_clock_file(stack, service))
            )
        for off_by in (_HOUR, -_HOUR):
            _jump_and_back(stage, off_by)
        _drift(stage)
    finally:
        _remove_server_clock(stack)
        for service in JUMPING:
            _set(stack, service, 0)
            stack.processes[service].end()
            stack.processes[service].start()
    told = len(read_log(stack.bootstrap).events("sla.breached"))
    stage.figures["early_breaches"] = told
    stage.expect("nothing is called missed before its time", holds=told == 0)


def _jump_and_back(stage: Stage, off_by: int) -> None:
    """Set the clock of sla, see that it says so and holds, and set it right within the minute for which it holds."""
    stack = stage.stack

    def has_noticed() -> bool:
        return "wall clock jumped" in _readiness(stack, "sla")

    _set_deadlines_clock(stack, off_by)
    noticed = eventually(has_noticed, within_seconds=_NOTICED_WITHIN_SECONDS)
    stage.figures["noticed_seconds"] = max(round(noticed, 2), stage.figures.get("noticed_seconds", 0.0))
    time.sleep(stage.seconds)
    _set_deadlines_clock(stack, 0)
    time.sleep(1)
    stage.expect("a clock set right is held too", holds=has_noticed())


def _drift(stage: Stage) -> None:
    """Let hosts be a few seconds apart, in both directions."""
    _set(stage.stack, "desk", -_DRIFT)
    _set(stage.stack, "router", _DRIFT)
    time.sleep(stage.seconds)


def _set_deadlines_clock(stack: Stack, off_by: int) -> None:
    """Set the clock that deadlines follow."""
    if stack.postgresql is None:
        _set(stack, "sla", off_by)
        return
    run_sql(stack, "sla", [f"UPDATE jumping.off_by SET seconds = {off_by}"])  # noqa: S608  # a number
    stack.history.fault("clock", service="sla", off_by_seconds=off_by)


def _lay_server_clock(stack: Stack) -> None:
    """Have the sla service's next connections ask a clock that can be set."""
    if stack.postgresql is None:
        return
    now = "pg_catalog.clock_timestamp() + make_interval(secs => (SELECT seconds FROM jumping.off_by))"
    statements = [
        "CREATE SCHEMA jumping",
        "CREATE TABLE jumping.off_by AS SELECT 0 AS seconds",
        f"CREATE FUNCTION jumping.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT {now}'",
        "ALTER DATABASE sla SET search_path = jumping, public, pg_catalog",
    ]
    run_sql(stack, "sla", statements)


def _remove_server_clock(stack: Stack) -> None:
    if stack.postgresql is not None:
        run_sql(
            stack, "sla", ["UPDATE jumping.off_by SET seconds = 0", "ALTER DATABASE sla RESET search_path"]
        )


def _clock_file(stack: Stack, service: str) -> Path:
    return stack.folder / f"{service}.clock"


def _set(stack: Stack, service: str, off_by: int) -> None:
    partial = _clock_file(stack, service).with_suffix(".partial")
    partial.write_text(str(off_by))
    partial.replace(_clock_file(stack, service))
    stack.history.fault("clock", service=service, off_by_seconds=off_by)


def _readiness(stack: Stack, service: str) -> str:
    caller = Caller(stack.address(service), ADMIN_KEY)
    answer = caller.get("/readyz")
    caller.close()
    return str(answer.body)


F10 = Scenario(
    "F10",
    "clocks jump an hour on and back, and hosts drift apart",
    _jumping,
    short=Terms(outage_seconds=5),
    long=(Terms(outage_seconds=40, rate=20, rest_seconds=600),),
    settings={"HUIYIN_SLA_POLICIES": POLICIES},
)
