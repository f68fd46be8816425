"""Moments as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.cli.moments import parse_moment
from farebox.core.errors import ConfigurationError

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


def at(text, now=NOW):
    return datetime.fromtimestamp(parse_moment(text, now=now, what="--since") // 10**9, UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T10:15", datetime(2026, 11, 1, 10, 15, tzinfo=UTC)),
        ("2026-11-01T10:15:00+02:00", datetime(2026, 11, 1, 8, 15, tzinfo=UTC)),
        ("today", datetime(2026, 11, 22, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 21, tzinfo=UTC)),
        ("month", datetime(2026, 11, 1, tzinfo=UTC)),
        ("now", NOW),
        ("90m", NOW - timedelta(minutes=90)),
        ("24h", NOW - timedelta(days=1)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(days=14)),
    ],
)
def test_dates_words_and_times_ago_are_understood(text, moment):
    assert at(text) == moment


def test_today_is_the_day_of_utc():
    late = datetime(2026, 11, 22, 1, 0, tzinfo=timezone(timedelta(hours=5)))
    assert at("today", now=late) == datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "7", "d", "2026-13-01", "999999w"])
def test_anything_else_is_refused_with_the_remedy(text):
    with pytest.raises(ConfigurationError, match=r"--since .* is no moment: give a date such as 2026-11-22"):
        at(text)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_no_microsecond_of_a_time_is_lost(moment):
    nanoseconds = parse_moment(moment.isoformat(), now=NOW, what="--since")
    assert timedelta(microseconds=nanoseconds // 1000) == moment - datetime(1970, 1, 1, tzinfo=UTC)
