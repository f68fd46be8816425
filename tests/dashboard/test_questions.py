"""Addresses are read strictly, ranges are reckoned in the view's own days, and nothing that is sent breaks anything."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import NOW

from farebox.core.errors import ConfigurationError
from farebox.dashboard import period
from farebox.dashboard.question import Question, question

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Beirut",
)
MOMENTS = st.integers(
    int(datetime(1975, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2150, 1, 1, tzinfo=UTC).timestamp())
)


@given(MOMENTS, st.sampled_from(ZONES), st.sampled_from([*period.RANGES, "all"]))
def test_pieces_cover_the_range_without_gaps_and_the_time_before_is_as_long_as_what_has_passed(seconds, zone, name):
    now = seconds * 10**9
    times = period.named(name, now, ZoneInfo(zone), first=now - 900 * 86_400 * 10**9)
    assert times.since <= now < times.until
    assert (times.edges[0], times.edges[-1]) == (times.since, times.until)
    assert all(one < other for one, other in zip(times.edges, times.edges[1:], strict=False))
    assert len(times.edges) <= 102
    since, until = times.before
    assert since <= until <= times.since
    assert until - since == min(now - times.since, times.since - since)


@given(MOMENTS, st.sampled_from(ZONES))
def test_days_begin_at_midnight_there_also_where_clocks_change(seconds, zone):
    times = period.named("30d", seconds * 10**9, ZoneInfo(zone))
    assert len(times.edges) in (30, 31)  # Samoa left a day out in 2011
    for edge in times.edges:
        here = datetime.fromtimestamp(edge / 1e9, ZoneInfo(zone))
        # Where midnight is skipped, the day begins when the clock has skipped it.
        assert (here.hour, here.minute) == (0, 0) or datetime.fromtimestamp(
            edge / 1e9 - 1, ZoneInfo(zone)
        ).date() < here.date()


def test_a_day_that_a_zone_left_out_is_no_piece():
    now = int(datetime(2011, 12, 31, 12, tzinfo=ZoneInfo("Pacific/Apia")).timestamp()) * 10**9
    assert len(period.named("7d", now, ZoneInfo("Pacific/Apia")).edges) == 7


def test_the_day_on_which_clocks_are_set_back_has_25_hours():
    zone = ZoneInfo("Europe/Berlin")
    for hour in (0, 1, 2, 12):
        now = int(datetime(2026, 10, 25, hour, 30, tzinfo=UTC).timestamp()) * 10**9
        today = period.named("today", now, zone)
        assert (today.until - today.since, len(today.edges)) == (25 * 3600 * 10**9, 26)
        assert len(period.named("24h", now, zone).edges) == 25


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ([("range", "2h")], "use one of 1h"),
        ([("zone", "Mars/Olympus")], "is no time zone here"),
        ([("zone", "../../etc/passwd")], "is no time zone here"),
        ([("by", "prompt")], "is no dimension"),
        ([("by", 'tag:a"b')], "is no dimension"),
        ([("tenant", "acme")], "is no dimension"),
        ([("tenant_id", "a"), ("tenant_id", "b")], "given twice"),
        ([("tenant_id", "a" * 600)], "asks too much"),
        ([("tag:" + str(at), "x") for at in range(60)], "asks too much"),
        ([("limit", "0")], "limit='0' cannot be used"),
        ([("limit", "-1")], "cannot be used"),
        ([("limit", "9" * 400)], "cannot be used"),
        ([("limit", "²")], "cannot be used"),
    ],
)
def test_an_address_that_cannot_be_answered_is_told_why(given_, message):
    with pytest.raises(ConfigurationError, match=message):
        question(given_, zone="UTC").period(None, NOW)


@pytest.mark.parametrize(
    "query",
    [
        "since=0001-01-01&until=9999-12-31",
        "since=1970-01-01",
        "since=9999-12-31",
        "since=2026-11-01&until=2026-11-01",
        "until=2026-11-01",
        "since=2026-11-02&until=2026-11-01",
        "since=0001-01-01T00:00:00%2B23:59&until=9999-12-31T23:59:59-23:59&zone=Pacific/Kiritimati",
        "since=-1&until=1e309",
        "range=all",
        "range=custom",
        "since=%00&until=%F0%9F%92%B8",
        "cursor=9999999999999999999999/x&range=all",
        "cursor=-9999999999999999999999/x&range=all",
        "cursor=x",
        "tenant_id=%ED%A0%80",
        "tenant_id=%00",
        "tenant_id=' OR 1=1 --",
        "tag:x'y=1",
        "name=" + "x" * 400,
    ],
)
@pytest.mark.parametrize(
    "panel", ["totals", "timeline", "calls", "spend", "latency", "reports/spend", "reports/compare", "explain", "burn"]
)
def test_whatever_is_sent_is_answered_or_refused_and_nothing_breaks(dashboard, write, make_event, panel, query):
    write(make_event(started_at=NOW))
    answer = dashboard.ask(f"/api/{panel}?{quote(query, safe='=&%:/+')}")
    assert answer.status in (200, 400), answer.text
    assert ("error" in answer.json) == (answer.status == 400)
    assert "Traceback" not in answer.text
    assert dashboard.panel("totals").rows[0]["calls"] == 1


def test_a_huge_range_has_few_pieces(dashboard, write, make_event):
    write(make_event(started_at=NOW))
    rows = dashboard.panel("timeline", since="0001-01-01", until="9999-12-31").rows
    assert len(rows) <= 240
    assert sum(row["calls"] for row in rows) == 1


def test_two_tabs_with_the_same_view_ask_the_same_question():
    one = question([("tenant_id", "a"), ("model", "b"), ("range", "7d")], zone="UTC")
    other = question([("range", "7d"), ("model", "b"), ("tenant_id", "a"), ("zone", "UTC")], zone="UTC")
    assert one == other
    assert hash(one) == hash(other)
    assert isinstance(one, Question)


def test_unknown_panels_reports_and_formats_list_those_there_are(dashboard):
    for path, status, message in (
        ("/api/nothing", 404, "use one of totals"),
        ("/api/reports/nothing", 404, "use one of"),
        ("/api/spend?format=exe", 400, "use one of json, csv"),
        ("/api/spend/x/y", 404, "nothing at this address"),
    ):
        answer = dashboard.ask(path)
        assert (answer.status, message in answer.json["error"]) == (status, True)


def test_the_zone_of_the_settings_is_the_one_where_an_address_names_none(serve, path, write):
    import farebox
    from farebox.dashboard import app

    farebox.configure(time_zone="Asia/Tokyo", ledger=path)
    shown = serve(app(token=None, clock=lambda: NOW))
    assert shown.ask("/api/about").json["zone"] == "Asia/Tokyo"
    assert shown.panel("totals", range="today").rows[0]["since"].endswith("T00:00:00+09:00")
