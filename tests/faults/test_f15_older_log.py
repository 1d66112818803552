"""F15, the whole log: what a suite of 1.0 has left to its readers says today what it said then."""

from pathlib import Path

import pytest

from tests.faults.both import kafka_in_soak
from tests.faults.ground import Kind
from tests.faults.rereading import known_parts, read_anew, recorded
from tests.faults.stack import running
from tests.faults.version_faults import OLDER
from tests.support.servers import ServerUnavailable, skip_or_fail

RECORDED = recorded(OLDER)
READ_THEN = (
    *("feedback.received", "feedback.classified", "feedback.attached", "ticket.routed", "ticket.progressed"),
    *("sla.scheduled", "sla.warned", "sla.breached", "sla.retracted", "unit.changed", "person.changed"),
)


@pytest.mark.usefixtures("alone")
@kafka_in_soak
def test_readers_with_empty_databases_make_of_an_older_log_what_its_own_made(
    kind: Kind, tmp_path: Path
) -> None:
    try:
        with running(tmp_path, kind, started=("analytics",)) as stack:
            told = read_anew(stack, RECORDED.log)
    except ServerUnavailable as missing:
        skip_or_fail(missing)

    assert known_parts(told, RECORDED.answers) == RECORDED.answers


def test_the_log_holds_every_kind_of_event_that_readers_had_then() -> None:
    versions = {each.topic: each.headers["ce_dataschema"].rpartition("/")[2] for each in RECORDED.log}

    assert versions == dict.fromkeys(READ_THEN, OLDER)


def test_the_desk_knows_running_clocks_and_met_ones_by_the_old_schedules() -> None:
    clocks = [clock for each in RECORDED.answers.values() for clock in each.get("clocks", ())]

    assert {state for _target, _cycle, state, _due_at in clocks} >= {"running", "met"}


def test_what_an_answer_says_besides_is_no_difference_and_what_it_lacks_is() -> None:
    recorded_then = {"total": {"value": 1}, "rows": [{"day": "2026-12-01"}]}
    grown = {"total": {"value": 1, "unit": "count"}, "rows": [{"day": "2026-12-01", "zone": "UTC"}]}

    assert known_parts(grown, recorded_then) == recorded_then
    assert known_parts({"total": {"value": 2}, "rows": []}, recorded_then) != recorded_then
