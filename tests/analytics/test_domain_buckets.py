"""Buckets of durations: close enough to read percentiles from."""

import random

import pytest

from huiyin_analytics.domain.buckets import bucket_of, middle_of, percentile


def test_a_bucket_stands_for_its_durations_within_a_sixteenth() -> None:
    chance = random.Random(1)
    for _ in range(2000):
        milliseconds = int(2 ** chance.uniform(0, 40))

        assert abs(middle_of(bucket_of(milliseconds)) - milliseconds) <= milliseconds / 16


def test_longer_durations_never_fall_in_lower_buckets() -> None:
    buckets = [bucket_of(milliseconds) for milliseconds in range(10_000)]

    assert buckets == sorted(buckets)
    assert set(range(max(buckets) + 1)) == set(buckets)


def test_skewed_clocks_count_as_no_time() -> None:
    assert bucket_of(-5) == 0


@pytest.mark.parametrize(("percent", "expected"), [(50, 5), (90, 9), (100, 10)])
def test_a_percentile_is_the_nearest_rank(percent: int, expected: int) -> None:
    counts = dict.fromkeys((bucket_of(milliseconds) for milliseconds in range(1, 8)), 1) | {8: 1, 9: 1, 10: 1}

    assert percentile(counts, percent) == expected


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 90) is None
    assert percentile({3: 0}, 90) is None
