"""The independent counter finds nothing wrong with a run in order, and finds each thing that is tampered with."""

import ast
import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults import counter
from tests.faults.counter import INVARIANTS, NOT_APPLICABLE, gather, judge
from tests.faults.counter.databases import Databases
from tests.faults.counter.evidence import Evidence
from tests.faults.counter.history import Attempt, Injection
from tests.faults.counter.log import Log, Record
from tests.faults.counter.sequences import republished
from tests.faults.load import Load
from tests.faults.operators import Operators
from tests.faults.stack import ADMIN_KEY, SERVICES, SQLITE, Stack, running

LOAD_SECONDS = 4
# All deadlines pass while the test looks on: longer than the counter's grace beside the longest span.
SPANS = '{"ordinary": {"response": "PT1S", "resolution": "PT3S"}, "urgent": {"response": "PT1S", "resolution": "PT3S"}}'
UNTIL_ALL_IS_DUE_SECONDS = 9

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Give what a run under load left behind, its databases as copies that outlive it."""
    folder = tmp_path_factory.mktemp("counted")
    with running(folder, SQLITE, layout="together", settings={"HUIYIN_SLA_POLICIES": SPANS}) as stack:
        _live(stack)
        stack.come_to_rest()
        found = gather(stack.history.path, stack.connections(), stack.bootstrap)
        copies = {service: str(folder / f"{service}.copy") for service in SERVICES}
        for service, copy in copies.items():
            with (
                closing(sqlite3.connect(stack.database_file(service))) as original,
                closing(sqlite3.connect(copy)) as kept,
            ):
                original.backup(kept)
    return replace(found, databases=Databases(copies))


def _live(stack: Stack) -> None:
    load = Load(
        stack.address("intake"), key=ADMIN_KEY, history=stack.history, seed=7, rate=25, numbers=stack.numbers
    )
    operators = Operators(stack.address("desk"), key=ADMIN_KEY, history=stack.history, seed=7, rate=50)
    load.start()
    operators.start()
    time.sleep(LOAD_SECONDS)
    load.finish()
    operators.finish()
    time.sleep(UNTIL_ALL_IS_DUE_SECONDS)


@pytest.fixture
def tampered(evidence: Evidence, tmp_path: Path) -> Callable[[str, str], Evidence]:
    """Give a function that changes a copy of one service's database and returns the evidence with it."""

    def tamper(service: str, statement: str) -> Evidence:
        places = {each: str(tmp_path / f"{each}.db") for each in SERVICES}
        for each, place in places.items():
            shutil.copy(evidence.databases._places[each], place)
        with closing(sqlite3.connect(places[service])) as connection, connection:
            changed = connection.execute(statement).rowcount
        assert changed > 0, "nothing was tampered with"
        return replace(evidence, databases=Databases(places))

    return tamper


def broken(evidence: Evidence) -> set[str]:
    return {name for name, violations in judge(evidence).items() if violations}


def with_log(evidence: Evidence, records: Iterator[Record] | list[Record]) -> Evidence:
    return replace(evidence, whole_log=Log(list(records)))


def first_of(evidence: Evidence, topic: str) -> Record:
    return next(evidence.whole_log.of(topic))


def test_the_counter_shares_no_code_with_the_suite() -> None:
    modules = Path(counter.__file__).parent.glob("*.py")

    imported = {
        name
        for module in modules
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        for name in _imported_by(node)
    }

    assert "confluent_kafka" in imported
    assert not [name for name in imported if name.startswith("huiyin")]
    assert {name for name in imported if name.startswith("tests.")} == {"tests.faults.counter"}


def _imported_by(node: ast.AST) -> Iterator[str]:
    """Give the packages a statement imports, of the tests' own the first three names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module:
        is_ours = node.module.startswith("tests.")
        yield ".".join(node.module.split(".")[:3]) if is_ours else node.module


def test_a_run_in_order_violates_nothing(evidence: Evidence) -> None:
    found = judge(evidence)

    assert found == {name: [] for name in INVARIANTS if name not in NOT_APPLICABLE}


def test_the_run_has_what_the_rules_judge(evidence: Evidence) -> None:
    topics = set(evidence.log.topics)

    assert {"feedback.received", "feedback.classified", "feedback.attached", "ticket.routed"} <= topics
    assert {"ticket.progressed", "sla.scheduled.v2", "sla.warned", "sla.breached"} <= topics
    assert {"reviewed", "archived", "reopened"} <= {
        record.said["step"] for record in evidence.log.of("ticket.progressed")
    }
    assert any(attempt.is_refused for attempt in evidence.attempts)


@pytest.mark.parametrize(
    ("service", "statement", "invariant"),
    [
        ("intake", "DELETE FROM feedback WHERE id = (SELECT min(id) FROM feedback)", "I1"),
        (
            "intake",
            (
                "INSERT INTO feedback SELECT 'twice', channel, 'other', external_id, occurred_at, received_at, posted_by,"
                " fingerprint, content FROM feedback LIMIT 1"
            ),
            "I1",
        ),
        ("router", "DELETE FROM classification WHERE rowid = 1", "I1"),
        ("router", "UPDATE classification SET outcome = 'pending' WHERE rowid = 1", "I1"),
        ("desk", "DELETE FROM ticket WHERE rowid = 1", "I1"),
        ("desk", "UPDATE ticket_feedback SET ticket_id = 'elsewhere' WHERE rowid = 1", "I1"),
        (
            "desk",
            (
                "INSERT INTO timeline SELECT id || 'x', ticket_id, at, kind, actor, department, reason, text, details"
                " FROM timeline WHERE kind = 'dispatched' LIMIT 1"
            ),
            "I1",
        ),
        (
            "desk",
            (
                "INSERT INTO timeline SELECT id || 'x', ticket_id, at, kind, actor, department, reason, text, details"
                " FROM timeline WHERE kind = 'sla_breached' LIMIT 1"
            ),
            "I1",
        ),
        ("sla", "DELETE FROM inbox WHERE event_id = (SELECT min(event_id) FROM inbox)", "I1"),
        ("sla", "UPDATE consumer_offset SET next_offset = next_offset - 1 WHERE next_offset > 0", "I1"),
        ("sla", "DELETE FROM clock WHERE target = 'resolution' AND cycle = 1", "I2"),
        ("sla", "UPDATE clock SET due_at = '2031-01-01 00:00:00.000000' WHERE target = 'response'", "I2"),
        ("desk", "DELETE FROM ticket_clock WHERE target = 'response'", "I2"),
        ("sla", "UPDATE clock SET state = 'met' WHERE state = 'breached'", "I3"),
        ("sla", "UPDATE clock SET met_at = '2026-01-01 00:00:00.000000' WHERE state = 'met'", "I3"),
        ("analytics", "UPDATE rollup SET n = n + 1 WHERE measure = 'received'", "I4"),
        ("analytics", "UPDATE rollup SET total = total + 1 WHERE measure = 'response_time'", "I4"),
        ("analytics", "DELETE FROM rollup WHERE measure = 'breached'", "I4"),
        ("desk", "UPDATE ticket SET status = 'accepted' WHERE status = 'archived'", "I10"),
    ],
)
def test_a_tampered_database_is_found(
    tampered: Callable[[str, str], Evidence], service: str, statement: str, invariant: str
) -> None:
    assert invariant in broken(tampered(service, statement))


def test_a_buried_event_that_is_no_poison_is_found(tampered: Callable[[str, str], Evidence]) -> None:
    statement = (
        "INSERT INTO dead_letter (grp, event_id, topic, part, off, key, headers, error_class, error_text, attempts,"
        " first_at, last_at, state) VALUES ('desk', 'e', 'ticket.routed', 0, 0, 'k', '[]', 'E', 'e', 1, '', '', 'open')"
    )

    assert "I6" in broken(tampered("desk", statement))


def test_poison_that_nobody_put_aside_is_found(evidence: Evidence) -> None:
    place = first_of(evidence, "ticket.routed").place

    assert "I6" in broken(replace(evidence, injections=[Injection("poison", place)]))


def test_an_accepted_post_that_is_not_stored_is_found(evidence: Evidence) -> None:
    promised = Attempt(("wechat", "", "never stored"), 202, "some-id")

    assert "I1" in broken(replace(evidence, attempts=[*evidence.attempts, promised]))


def test_a_post_accepted_under_two_ids_is_found(evidence: Evidence) -> None:
    known = next(attempt for attempt in evidence.attempts if attempt.is_accepted)

    again = replace(known, feedback_id="another")

    assert "I1" in broken(replace(evidence, attempts=[*evidence.attempts, again]))


def test_a_refused_post_that_is_stored_is_found(evidence: Evidence) -> None:
    refused = [replace(attempt, status=422, feedback_id=None) for attempt in evidence.attempts]

    assert "I1" in broken(replace(evidence, attempts=refused))


@pytest.mark.parametrize("topic", ["feedback.received", "ticket.progressed", "sla.scheduled.v2"])
def test_a_record_lost_from_the_log_is_found(evidence: Evidence, topic: str) -> None:
    lost = first_of(evidence, topic)

    found = broken(with_log(evidence, (each for each in evidence.whole_log.records if each is not lost)))

    assert "I1" in found


def test_what_an_older_contract_told_of_a_clock_counts_where_the_newer_was_silent_and_not_against_it(
    evidence: Evidence,
) -> None:
    records = list(evidence.whole_log.records)
    told = next(each for each in evidence.log.of("sla.scheduled.v2") if _is_met(each.said["clocks"][0]))
    clock = {**told.said["clocks"][0], "ticket_id": told.case}

    outdated = with_log(evidence, [*records, _as_before(told, {**clock, "state": "running", "met_at": None})])
    unheard = with_log(evidence, [*records, _as_before(told, {**clock, "cycle": 99})])

    assert "I4" not in broken(outdated)
    assert "I4" in broken(unheard)


def _is_met(clock: Mapping[str, Any]) -> bool:
    return bool(clock["state"] == "met")


def _as_before(record: Record, said: Mapping[str, Any]) -> Record:
    return replace(record, topic="sla.scheduled", value=json.dumps(said).encode())


def test_a_gap_and_a_step_back_in_a_case_are_found(evidence: Evidence) -> None:
    records = list(evidence.whole_log.records)
    second = next(each for each in records if each.topic == "ticket.progressed" and each.sequence == 2)
    first = next(each for each in records if each.case == second.case and each.topic == second.topic)
    without = [each for each in records if each is not first]
    swapped = [second if each is first else first if each is second else each for each in records]

    assert "I5" in broken(with_log(evidence, without))
    assert "I5" in broken(with_log(evidence, swapped))


def test_a_case_in_two_partitions_is_found(evidence: Evidence) -> None:
    # Not the first of all: a case with one event cannot stand in two partitions.
    one = next(each for each in evidence.whole_log.of("ticket.progressed") if each.sequence == 2)
    moved = [replace(each, partition=99) if each is one else each for each in evidence.whole_log.records]

    assert "I5" in broken(with_log(evidence, moved))


def test_an_identical_republish_is_counted_and_no_violation(evidence: Evidence) -> None:
    one = first_of(evidence, "feedback.received")
    again = replace(one, offset=10_000)

    changed = with_log(evidence, [*evidence.whole_log.records, again])

    assert not {"I5", "I9"} & broken(changed)
    assert republished(changed) == republished(evidence) + 1
    assert republished(replace(changed, injections=[Injection("copy", again.place)])) == republished(evidence)


def test_an_id_with_two_contents_is_found(evidence: Evidence) -> None:
    one = first_of(evidence, "feedback.received")
    other = replace(one, offset=10_000, value=b"{}")

    assert "I9" in broken(with_log(evidence, [*evidence.whole_log.records, other]))


def test_a_breach_told_of_a_target_that_was_met_is_found(evidence: Evidence) -> None:
    told = first_of(evidence, "sla.breached")

    untold = (each for each in evidence.whole_log.records if each.id != told.id)

    assert "I3" in broken(with_log(evidence, untold))


def test_an_archived_ticket_without_a_review_is_found(evidence: Evidence) -> None:
    review = next(each for each in evidence.log.of("ticket.progressed") if each.said["step"] == "reviewed")

    unreviewed = (each for each in evidence.whole_log.records if each is not review)

    assert "I10" in broken(with_log(evidence, unreviewed))


def test_deadlines_are_judged_by_the_time_of_counting(evidence: Evidence) -> None:
    before_all = replace(evidence, now=datetime(2026, 1, 1, tzinfo=UTC))

    assert "I3" in broken(before_all)
