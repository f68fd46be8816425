from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.core.errors import ConfigurationError
from farebox.core.windows import CALENDAR, PIECES, Window

NANO = 10**9
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "America/Havana", "Asia/Beirut", "Pacific/Apia")
MOMENTS = st.integers(946_684_800 * NANO, 2_208_988_800 * NANO)  # 2000 to 2040


def nano(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * NANO


def span(window: Window, now: int) -> list[str]:
    start, since, end = window.place(now)
    assert start == since
    return [datetime.fromtimestamp(edge // NANO, UTC).strftime("%Y-%m-%dT%H:%M") for edge in (start, end)]


@pytest.mark.parametrize(
    ("window", "now", "edges"),
    [
        ("hour", "2026-11-25T16:49:59", ["2026-11-25T16:00", "2026-11-25T17:00"]),
        ("hour Asia/Kathmandu", "2026-11-25T16:49:59", ["2026-11-25T16:15", "2026-11-25T17:15"]),
        ("day", "2026-11-25T00:00:00", ["2026-11-25T00:00", "2026-11-26T00:00"]),
        ("day Europe/Berlin", "2026-11-25T23:30:00", ["2026-11-25T23:00", "2026-11-26T23:00"]),
        ("day Europe/Berlin", "2026-03-29T12:00:00", ["2026-03-28T23:00", "2026-03-29T22:00"]),  # 23 hours
        ("day Europe/Berlin", "2026-10-25T12:00:00", ["2026-10-24T22:00", "2026-10-25T23:00"]),  # 25 hours
        ("day America/Havana", "2026-03-08T12:00:00", ["2026-03-08T05:00", "2026-03-09T04:00"]),  # no midnight
        ("week", "2026-11-29T23:59:59", ["2026-11-23T00:00", "2026-11-30T00:00"]),
        ("month", "2026-12-31T23:59:59", ["2026-12-01T00:00", "2027-01-01T00:00"]),
        ("month", "2028-02-29T10:00:00", ["2028-02-01T00:00", "2028-03-01T00:00"]),
        ("month Europe/Berlin", "2026-10-31T23:30:00", ["2026-10-31T23:00", "2026-11-30T23:00"]),
    ],
)
def test_calendar_windows_have_the_edges_of_their_time_zone(window, now, edges):
    assert span(Window(window), nano(now)) == edges


@given(unit=st.sampled_from(sorted(CALENDAR)), zone=st.sampled_from(ZONES), now=MOMENTS)
def test_a_moment_lies_in_its_window_and_so_do_the_edges_and_windows_follow_one_another(unit, zone, now):
    window = Window(unit, zone)
    start, since, end = window.place(now)
    assert start == since <= now < end
    for inside in (start, end - 1):
        assert Window(unit, zone).place(inside) == (start, start, end)
    assert Window(unit, zone).place(end)[0] == end
    assert Window(unit, zone).place(start - 1)[2] == start
    assert window.place(end)[0] == end  # the span that it remembers does not stick
    assert window.place(now) == (start, start, end)


@given(
    length=st.sampled_from(["1m", "90m", "24h", "7d", "4w"]), now=MOMENTS, age=st.integers(0, 2 * 4 * 7 * 86_400 * NANO)
)
def test_a_rolling_window_holds_over_its_length_and_forgets_a_sixtieth_late(length, now, age):
    window = Window(length)
    seconds = {"1m": 60, "90m": 5400, "24h": 86_400, "7d": 7 * 86_400, "4w": 28 * 86_400}[length] * NANO
    piece, since, until = window.place(now)
    before = window.place(now - age)[0]
    if age <= seconds:
        assert before >= since
    if age >= seconds + 2 * seconds // PIECES:
        assert before < since
    assert window.place(until - 1)[1] <= piece < window.place(until)[1]
    assert window.leaves(piece) == until


def test_a_window_names_its_zone_and_equals_one_of_the_same_name():
    assert Window("day").text == "day UTC"
    assert Window("day", "Europe/Berlin") == Window("day Europe/Berlin") != Window("day")
    assert Window("24h", "Europe/Berlin").text == "24h"
    assert len({Window("day"), Window("day UTC")}) == 1


@pytest.mark.parametrize("text", ["", "year", "0h", "24", "24 h", "367d", "day Mars/Olympus", "day ../UTC", 24, None])
def test_what_is_no_window_is_named_with_what_would_do(text):
    with pytest.raises(ConfigurationError, match=r"w=.*give (an IANA name|'hour')"):
        Window(text, what="w")


def test_a_zone_that_is_not_there_is_named():
    with pytest.raises(ConfigurationError, match="time_zone='Mars' is no time zone here"):
        Window("day", "Mars")
