"""The small rules of the bus, each alone: floods, sequences, backoff, traces, whose fault an error is."""

import errno
from collections.abc import Sequence
from datetime import timedelta
from socket import gaierror

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus import tracing
from huiyin_eventbus.errors import SubscribedTwice, TransientFailure
from huiyin_eventbus.failures import describe, is_infrastructure
from huiyin_eventbus.flood import FloodGate, FloodLimits
from huiyin_eventbus.kafka import KafkaSettings
from huiyin_eventbus.parking import Backoff
from huiyin_eventbus.sequences import Irregularities, SequenceWatch
from huiyin_eventbus.subscriptions import Received, Subscriptions
from tests.eventbus.driver import Probe, probe_event, store_effects


class PostgresqlError(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class SqliteError(Exception):
    def __init__(self, sqlite_errorname: str) -> None:
        super().__init__(sqlite_errorname)
        self.sqlite_errorname = sqlite_errorname


def counted(gate: FloodGate, events: Sequence[bool]) -> bool:
    return [gate.count(poison=poison) for poison in events][-1]


def test_more_than_twenty_poisonous_events_in_a_row_are_a_flood() -> None:
    gate = FloodGate(FloodLimits())

    assert not counted(gate, [True] * 20)
    assert gate.count(poison=True)


def test_a_good_event_between_them_begins_the_row_anew() -> None:
    gate = FloodGate(FloodLimits())

    assert not counted(gate, [True] * 20 + [False] + [True] * 20)


@pytest.mark.parametrize(("poison", "is_flood"), [(20, False), (21, True)])
def test_more_than_a_twentieth_of_the_last_four_hundred_is_a_flood(poison: int, *, is_flood: bool) -> None:
    gate = FloodGate(FloodLimits())
    spread = [n % 19 == 0 and n // 19 < poison for n in range(400)]

    assert sum(spread) == poison
    assert counted(gate, spread) is is_flood


def test_a_short_history_proves_nothing_and_old_poison_is_forgotten() -> None:
    gate = FloodGate(FloodLimits())

    assert not counted(gate, [True] * 10 + [False] * 10)
    assert not counted(gate, [False] * 390)
    assert not counted(gate, [True] * 15)


@given(st.lists(st.booleans(), max_size=1200))
def test_the_gate_agrees_with_a_recount(events: list[bool]) -> None:
    limits = FloodLimits(run=20, share=0.05, window=100)
    gate = FloodGate(limits)

    for n, poison in enumerate(events, start=1):
        found = gate.count(poison=poison)

        last = events[max(0, n - limits.window) : n]
        in_a_row = n >= 21 and all(events[n - 21 : n])
        assert found == (in_a_row or (len(last) == limits.window and sum(last) > 5))


def test_gaps_and_overtaken_events_are_noticed() -> None:
    watch = SequenceWatch()

    found = [watch.observe("topic", "key", sequence=number) for number in (5, 6, 8, 7, 9)]

    quiet = Irregularities()
    assert found == [quiet, quiet, Irregularities(gaps=1), Irregularities(stale=1), quiet]


def test_keys_and_topics_are_watched_apart_and_only_so_many_of_them() -> None:
    watch = SequenceWatch(remembered=2)
    for topic, key in [("t", "a"), ("t", "b"), ("u", "a")]:
        watch.observe(topic, key, sequence=1)

    forgotten = watch.observe("t", "a", sequence=9)
    remembered = watch.observe("u", "a", sequence=9)
    watch.forget()
    begun_anew = watch.observe("u", "a", sequence=20)

    assert (forgotten.gaps, remembered.gaps, begun_anew.gaps) == (0, 1, 0)


@given(st.integers(min_value=1, max_value=10_000))
def test_a_pause_doubles_up_to_its_cap_with_full_jitter(attempt: int) -> None:
    backoff = Backoff()

    pause = backoff.pause(attempt)

    assert timedelta() <= pause <= min(timedelta(minutes=15), timedelta(seconds=2 ** min(attempt, 30)))


def test_a_traceparent_has_children_in_the_same_trace() -> None:
    parent = tracing.new_traceparent()

    child = tracing.child_of(parent)

    assert child
    assert child != parent
    assert tracing.trace_id(child) == tracing.trace_id(parent)
    assert child.endswith("-01")


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        "",
        "00-xyz",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
        f"00-{'A' * 32}-{'1' * 16}-01",
    ],
)
def test_nonsense_is_no_trace(nonsense: str | None) -> None:
    assert tracing.child_of(nonsense) is None
    assert tracing.trace_id(nonsense) is None


def test_the_current_trace_ends_with_its_block() -> None:
    with tracing.traced("outer"):
        with tracing.traced("inner"):
            assert tracing.current_traceparent() == "inner"
        assert tracing.current_traceparent() == "outer"
    assert tracing.current_traceparent() is None


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("x", {}, PostgresqlError("57P01")),
        DBAPIError("x", {}, PostgresqlError("40P01")),
        DBAPIError("x", {}, PostgresqlError("55P03")),
        OperationalError("x", {}, SqliteError("SQLITE_BUSY_SNAPSHOT")),
        OperationalError("x", {}, SqliteError("SQLITE_FULL")),
        OperationalError("x", {}, SqliteError("SQLITE_IOERR_WRITE")),
        OperationalError("x", {}, None, connection_invalidated=True),  # type: ignore[arg-type]  # as after a lost connection
        OperationalError("x", {}, PostgresqlError("25006")),
        PostgresqlError("57P03"),
        ConnectionResetError("gone"),
        gaierror(-2, "no such host"),
        OSError("Multiple exceptions: [Errno 111] ('::1', 1), [Errno 111] ('127.0.0.1', 1)"),
        OSError(errno.EHOSTUNREACH, "no route"),
        TimeoutError(),
        OSError(errno.ENOSPC, "full"),
        MemoryError(),
    ],
)
def test_what_the_event_is_not_to_blame_for_makes_the_consumer_wait(error: Exception) -> None:
    assert is_infrastructure(error)


@pytest.mark.parametrize(
    "error",
    [
        IntegrityError("x", {}, PostgresqlError("23505")),
        DBAPIError("x", {}, PostgresqlError("22021")),
        IntegrityError("x", {}, SqliteError("SQLITE_CONSTRAINT_UNIQUE")),
        OperationalError("x", {}, SqliteError("SQLITE_ERROR")),
        PostgresqlError("42601"),
        FileNotFoundError(errno.ENOENT, "a handler's own"),
        OSError("a handler's own"),
        TransientFailure("later"),
        KeyError("rule"),
    ],
)
def test_what_the_event_or_its_handler_is_to_blame_for_does_not(error: Exception) -> None:
    assert not is_infrastructure(error)


def test_a_dead_letters_text_is_bounded_and_without_statement_or_parameters() -> None:
    told = SqliteError("UNIQUE constraint failed\x00")
    error = IntegrityError("INSERT", {"text": "customer's words"}, told)

    assert describe(error) == "UNIQUE constraint failed"
    assert len(describe(ValueError("x" * 9999))) == 500


def test_a_dead_letters_text_repeats_no_row_and_no_value() -> None:
    class Answer(BaseModel):
        text: int

    native = PostgresqlError("23502")
    native.args = ("DETAIL: Failing row contains (customer's words)",)
    native.column_name = "assignee"  # type: ignore[attr-defined]  # as asyncpg does
    argument = ValueError("invalid input for query argument $1: customer's words")
    with pytest.raises(ValidationError) as unfit:
        Answer.model_validate({"text": "customer's words"})

    assert describe(DBAPIError("INSERT", {}, native)) == "PostgresqlError 23502 assignee"
    assert describe(native) == "PostgresqlError 23502 assignee"
    assert describe(StatementError("x", "INSERT", {}, argument)) == "ValueError"
    assert describe(unfit.value) == "Answer does not fit: int_parsing"


def test_an_event_has_one_handler() -> None:
    subscriptions = Subscriptions()
    event = probe_event("probe.once")
    subscriptions.on(event)(store_effects)

    async def another(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None: ...

    with pytest.raises(SubscribedTwice, match=r"probe\.once"):
        subscriptions.on(event)(another)
    assert subscriptions.topics == ("probe.once",)
    assert subscriptions.handler("probe.once") is store_effects
    assert subscriptions.model("probe.other") is None


def test_the_password_is_not_in_the_settings_text() -> None:
    settings = KafkaSettings(
        bootstrap="a:1,b:2", security="SASL_PLAINTEXT", username="u", password="secret-word"
    )

    assert "secret-word" not in repr(settings)
    assert settings.client()["bootstrap_servers"] == ["a:1", "b:2"]
    assert settings.client()["ssl_context"] is None
    assert KafkaSettings(bootstrap="a:1", security="SSL").client()["ssl_context"] is not None


def test_a_handler_of_several_events_stands_once_in_the_order_of_calls() -> None:
    subscriptions = Subscriptions()
    for event_type in ("probe.once", "probe.twice"):
        subscriptions.on(probe_event(event_type))(store_effects)

    assert subscriptions.by_handler() == {store_effects: {"probe.once", "probe.twice"}}


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_a_gate_counts_batches_as_it_counts_events(size: int) -> None:
    limits = FloodLimits(run=5, share=0.1, window=20)
    events = [number % 9 == 0 or 40 <= number < 47 for number in range(60)]
    one, all_at_once = FloodGate(limits), FloodGate(limits)

    singly = [one.count(poison=each) for each in events]
    batches = [
        all_at_once.count_all(events[first : first + size])
        for first in range(0, singly.index(True) + 1, size)
    ]

    assert any(singly)
    assert batches.index(True) == singly.index(True) // size
