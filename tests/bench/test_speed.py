"""How fast the machine is, is found out around every measure."""

from dataclasses import replace

import pytest

from bench.figures import Figure, Triple
from bench.run import Bench
from bench.speed import Speedometer, bare_request_us

FIGURE = Figure(number="T9", what="x", value=Triple(1, 1, 1))


def test_a_request_to_a_bare_server_costs_some_microseconds() -> None:
    bench = Bench(scale=0.2)

    assert 5 < bare_request_us(bench) < 5000


def test_a_figure_bears_the_mean_of_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = iter([100.0, 140.0, 120.0])
    monkeypatch.setattr("bench.speed.bare_request_us", lambda _bench: next(costs))
    speedometer = Speedometer(Bench())
    speedometer.start()

    (first,) = speedometer.stamp([FIGURE])
    (second,) = speedometer.stamp([FIGURE])

    assert (first.bare_us, second.bare_us) == (120.0, 130.0)


def test_a_figure_that_was_measured_in_turns_with_the_bare_server_keeps_what_it_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.speed.bare_request_us", lambda _bench: 100.0)

    (stamped,) = Speedometer(Bench()).stamp([replace(FIGURE, bare_us=150.0)])

    assert stamped.bare_us == 150.0
