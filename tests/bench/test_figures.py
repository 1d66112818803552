"""How figures of several rounds are told and judged."""

import pytest

from bench.figures import Figure, Triple, short
from bench.targets import Bar


def test_a_triple_is_the_median_with_the_least_and_the_most() -> None:
    assert Triple.of([3.0, 1.0, 2.0]) == Triple(2.0, 1.0, 3.0)


def test_a_figure_needs_a_round() -> None:
    with pytest.raises(ValueError, match="at least one round"):
        Triple.of([])


def test_ratios_are_taken_round_by_round_so_that_a_slow_moment_counts_for_both() -> None:
    ratios = Triple.ratios([100.0, 30.0, 100.0], [200.0, 60.0, 200.0])

    assert ratios == Triple(0.5, 0.5, 0.5)


def test_ratios_of_unequal_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        Triple.ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.456, "0.46"),
        (12.34, "12.3"),
        (432.1, "432"),
        (1234.0, "1.23 k"),
        (12345.0, "12.3 k"),
        (123456.0, "123 k"),
    ],
)
def test_numbers_are_told_with_three_digits(value: float, told: str) -> None:
    assert short(value) == told


@pytest.mark.parametrize(
    ("sign", "median", "verdict"),
    [
        ("≥", 0.8, "stretch"),
        ("≥", 0.7, "stretch"),
        ("≥", 0.5, "bar"),
        ("≥", 0.44, "**missed**"),
        ("≤", 0.4, "stretch"),
        ("≤", 0.6, "bar"),
        ("≤", 0.8, "**missed**"),
    ],
)
def test_a_bar_judges_the_median_alone(sign: str, median: float, verdict: str) -> None:
    bar = Bar("≥", 0.45, 0.70) if sign == "≥" else Bar("≤", 0.70, 0.45)

    assert bar.verdict(Triple(median, 0.0, 9.0)) == verdict


def test_a_figure_comes_back_from_json_as_it_was() -> None:
    figure = Figure(
        number="T1",
        what="accepted/s",
        value=Triple(1.0, 0.5, 2.0),
        bar="T1",
        reference="bare",
        reference_value=Triple(2.0, 2.0, 2.0),
        details={"ours": [1.0]},
    )

    assert Figure.from_json(figure.as_json()) == figure
