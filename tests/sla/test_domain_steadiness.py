"""Time that cannot be is not believed at once."""

from datetime import UTC, datetime, timedelta

from huiyin_sla.domain.steadiness import Steadiness

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


STARTED = Steadiness.first(NOON, monotonic=seconds(100), stored=None)


def test_a_clock_that_goes_with_the_monotonic_one_is_believed() -> None:
    later = STARTED.observe(NOON + seconds(3600), monotonic=seconds(3700))

    assert not later.is_held
    assert later.jump is None


def test_small_corrections_in_either_direction_are_believed() -> None:
    back = STARTED.observe(NOON - seconds(4), monotonic=seconds(101))
    forward = STARTED.observe(NOON + seconds(60), monotonic=seconds(101))

    assert not back.is_held
    assert not forward.is_held


def test_a_step_back_holds_for_a_minute() -> None:
    held = STARTED.observe(NOON - seconds(5), monotonic=seconds(101))
    soon = held.observe(NOON + seconds(54.9), monotonic=seconds(160.9))
    after = held.observe(NOON + seconds(55), monotonic=seconds(161))

    assert held.is_held
    assert held.jump == seconds(-6)
    assert soon.is_held
    assert not after.is_held


def test_a_jump_forward_holds_for_a_minute() -> None:
    held = STARTED.observe(NOON + seconds(62), monotonic=seconds(101))

    assert held.is_held
    assert held.jump == seconds(61)


def test_another_jump_while_held_begins_the_minute_anew() -> None:
    held = STARTED.observe(NOON + seconds(3600), monotonic=seconds(101))
    again = held.observe(NOON + seconds(50), monotonic=seconds(150))

    assert again.observe(NOON + seconds(100), monotonic=seconds(200)).is_held
    assert not again.observe(NOON + seconds(110), monotonic=seconds(210)).is_held


def test_any_time_may_pass_between_two_processes_but_not_backwards() -> None:
    later = Steadiness.first(NOON + seconds(86_400), monotonic=seconds(1), stored=NOON)
    earlier = Steadiness.first(NOON - seconds(6), monotonic=seconds(1), stored=NOON)

    assert not later.is_held
    assert earlier.is_held
