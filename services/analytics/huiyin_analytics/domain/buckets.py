"""Durations in buckets that grow with them, so that percentiles can be read from sums.

Eight buckets to each doubling of the milliseconds: a bucket's middle is at most 1/16 off (the idea of HdrHistogram,
in whole numbers so that every machine counts the same).
"""

from collections.abc import Mapping
from typing import Final

_BITS: Final = 3
_STEPS: Final = 1 << _BITS


def bucket_of(milliseconds: int) -> int:
    """Return the bucket of a duration; what is negative by skewed clocks counts as nothing."""
    value = max(milliseconds, 0)
    if value < _STEPS:
        return value
    shift = value.bit_length() - 1 - _BITS
    return (shift << _BITS) + (value >> shift)


def middle_of(bucket: int) -> float:
    """Return the duration in the middle of a bucket, in milliseconds."""
    if bucket < _STEPS:
        return float(bucket)
    shift = (bucket >> _BITS) - 1
    lowest = (_STEPS + (bucket & (_STEPS - 1))) << shift
    return lowest + ((1 << shift) - 1) / 2


def percentile(counts: Mapping[int, int], percent: int) -> float | None:
    """Return the duration under which `percent` of all lie, in milliseconds; None when there are none (nearest rank)."""
    everything = sum(counts.values())
    if everything <= 0:
        return None
    rank = -(-everything * percent // 100)
    passed = 0
    for bucket in sorted(counts):
        passed += counts[bucket]
        if passed >= rank:
            return middle_of(bucket)
    return None
