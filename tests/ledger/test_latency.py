"""Buckets of durations, and percentiles read from them."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.ledger import latency


@given(st.integers(0, 2**62))
def test_a_duration_lies_in_its_bucket_which_is_at_most_an_eighth_wide(nanoseconds):
    low, high = latency.bounds_of(latency.bucket_of(nanoseconds))
    assert low <= nanoseconds < high
    assert (high - low) * 8 <= max(low, 8)
    assert latency.bucket_of(high) == latency.bucket_of(nanoseconds) + 1


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200), st.integers(0, 100))
def test_a_percentile_lies_in_the_bucket_of_the_duration_of_its_rank(times, percent):
    histogram = {}
    for time in times:
        histogram[latency.bucket_of(time)] = histogram.get(latency.bucket_of(time), 0) + 1
    rank = max(1, -(-len(times) * percent // 100))
    found = latency.percentiles(histogram, (percent,))[percent]
    assert latency.bucket_of(found) == latency.bucket_of(sorted(times)[rank - 1])
