"""Durations in buckets, and percentiles out of buckets. Imports nothing of farebox.

Each power of two is cut into eight equal buckets, so a bucket is at most an eighth as wide as the durations in it: a percentile is
off by less than 12.5 %, and by about 1 % where a bucket is evenly filled, because it is interpolated. Integers all the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

SPANS: Final = ("duration", "first_chunk")
"""What is timed: the whole call, and the time until the first piece of a stream."""

_CUTS: Final = 3
"""Binary logarithm of the number of buckets in a power of two."""


def bucket_of(nanoseconds: int) -> int:
    """The bucket of a duration; negative ones, which a clock that stepped back makes, count as 0."""
    if nanoseconds < 1 << _CUTS:
        return max(nanoseconds, 0)
    shift = nanoseconds.bit_length() - 1 - _CUTS
    return (shift << _CUTS) + (nanoseconds >> shift)


def bounds_of(bucket: int) -> tuple[int, int]:
    """The shortest duration in a bucket, and the shortest that is too long for it, in nanoseconds."""
    if bucket < 1 << (_CUTS + 1):
        return bucket, bucket + 1
    shift, rest = (bucket >> _CUTS) - 1, (bucket & ((1 << _CUTS) - 1)) + (1 << _CUTS)
    return rest << shift, (rest + 1) << shift


def percentiles(histogram: Mapping[int, int], percents: Sequence[int]) -> dict[int, int]:
    """Nanoseconds that so many percent of the durations do not exceed.

    Args:
        histogram: bucket → how many durations.
        percents: between 0 and 100.

    Returns:
        percent → nanoseconds; empty when the histogram is.
    """
    filled = sorted((bucket, count) for bucket, count in histogram.items() if count > 0)
    total = sum(count for _, count in filled)
    return {percent: _at(filled, -(-total * percent // 100)) for percent in percents} if total else {}


def _at(filled: Sequence[tuple[int, int]], rank: int) -> int:
    """The duration at a rank counted from 1, as if each bucket were filled evenly."""
    below = 0
    for bucket, count in filled:
        if below + count >= rank:
            low, high = bounds_of(bucket)
            return low + (high - low) * (2 * max(rank - below, 1) - 1) // (2 * count)
        below += count
    raise AssertionError("a rank is at most the total")
