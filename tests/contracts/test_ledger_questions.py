"""What every engine answers when it is asked by type: summaries, series, percentiles, pages; all with the same filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from farebox.core.answers import Cursor, Point, Summary
from farebox.core.errors import ConfigurationError
from farebox.core.identity import new_id
from farebox.core.money import Money

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
NOON = 1_795_000_000_000_000_000 // DAY * DAY + 12 * HOUR
MILLISECOND = 1_000_000


def put(ledger, *events):
    ledger.ingest(events, journal=new_id(0), segment=1, offset=1)


def test_a_summary_is_typed_and_knows_its_times(ledger, make_event):
    put(ledger, make_event(started_at=NOON), make_event(started_at=NOON + DAY, status="error", cost_nano=5))
    whole = ledger.summary()
    assert isinstance(whole, Summary)
    assert (whole.calls, whole.errors, whole.cost, whole.retained_since) == (2, 1, Money.from_nano(900_005), 0)
    part = ledger.summary(NOON, NOON + 1)
    assert (part.calls, part.since, part.until) == (1, NOON, NOON + 1)
    assert ledger.summary(NOON + 1, NOON + 2).calls == 0


def test_a_filter_may_be_a_keyword_or_stand_in_where(ledger, make_event):
    put(ledger, make_event(tenant_id="acme", tags={"team": "x"}), make_event(tenant_id="globex"), make_event())
    assert ledger.summary(tenant_id="acme").calls == 1
    assert ledger.summary(tenant_id=None).calls == 1
    assert ledger.summary(where={"tag:team": "x"}, tenant_id="acme").calls == 1
    assert ledger.summary(where={"tag:team": "x"}, tenant_id="globex").calls == 0
    assert ledger.by("model", tenant_id="acme")[0]["calls"] == 1
    assert [event.tenant_id for event in ledger.calls(tenant_id="globex")] == ["globex"]
    assert ledger.series("day", tenant_id="acme")[0].calls == 1


@pytest.mark.parametrize("question", ["summary", "by", "calls", "percentiles", "durations", "units"])
def test_a_filter_that_is_no_dimension_is_refused_by_every_question(ledger, question):
    with pytest.raises(ConfigurationError, match="'tenant' is no dimension: use one of model"):
        getattr(ledger, question)(tenant="acme")


def test_a_moment_may_be_a_datetime_with_its_zone(ledger, make_event):
    put(ledger, make_event(started_at=NOON), make_event(started_at=NOON + 1_000))
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=NOON // 1000 + 1)
    elsewhere = moment.astimezone(timezone(timedelta(hours=9)))
    assert ledger.summary(moment).calls == ledger.summary(elsewhere).calls == 1
    assert ledger.summary(until=moment).calls == 1
    assert len(list(ledger.calls(since=moment))) == 1
    with pytest.raises(ConfigurationError, match="names no time zone"):
        ledger.summary(moment.replace(tzinfo=None))


def test_a_series_goes_by_time_and_within_it_from_dear_to_cheap(ledger, make_event):
    put(
        ledger,
        make_event(started_at=NOON + DAY, request_model="a", cost_nano=1),
        make_event(started_at=NOON + DAY + HOUR, request_model="b", cost_nano=5),
        make_event(started_at=NOON, request_model="a", cost_nano=9),
    )
    midnight = NOON - 12 * HOUR
    points = ledger.series("day", "model")
    assert [(point.start, point.group, point.cost_nano) for point in points] == [
        (midnight, {"model": "a"}, 9),
        (midnight + DAY, {"model": "b"}, 5),
        (midnight + DAY, {"model": "a"}, 1),
    ]
    assert isinstance(points[0], Point)
    assert [point.start for point in ledger.series("hour")] == [NOON, NOON + DAY, NOON + DAY + HOUR]
    assert [point.calls for point in ledger.series("hour", since=NOON + 1, until=NOON + DAY + 1)] == [1]


def test_weeks_begin_on_monday_and_months_on_their_first(ledger, make_event):
    for day in ("2026-03-01", "2026-03-02", "2026-03-08", "2026-03-09"):
        moment = int(datetime.fromisoformat(f"{day}T23:59:59+00:00").timestamp()) * 10**9
        put(ledger, make_event(started_at=moment), make_event(started_at=moment, user_id="u"))

    def dates(**filters):
        return {
            bucket: [
                (datetime.fromtimestamp(point.start / 1e9, UTC).date().isoformat(), point.calls)
                for point in ledger.series(bucket, **filters)
            ]
            for bucket in ("week", "month")
        }

    assert dates() == {
        "week": [("2026-02-23", 2), ("2026-03-02", 4), ("2026-03-09", 2)],
        "month": [("2026-03-01", 8)],
    }
    assert dates(user_id="u")["week"] == [("2026-02-23", 1), ("2026-03-02", 2), ("2026-03-09", 1)]
    assert [row["month"] for row in ledger.by("month")] == ["2026-03"]


def test_an_unknown_bucket_span_or_percent_is_refused(ledger):
    with pytest.raises(
        ConfigurationError, match="'minute' is no bucket of a series: use one of hour, day, week, month"
    ):
        ledger.series("minute")
    with pytest.raises(ConfigurationError, match="'latency' is no span of time: use one of duration, first_chunk"):
        ledger.percentiles(span="latency")
    with pytest.raises(ConfigurationError, match="101 is no percent"):
        ledger.percentiles(percents=(50, 101))


def test_percentiles_are_those_of_the_calls_to_within_an_eighth(ledger, make_event):
    times = [number * 7 * MILLISECOND for number in range(1, 1001)]
    put(ledger, *[make_event(duration_ns=time) for time in times], make_event())
    for filters in ({}, {"session_id": None}):  # out of histograms, and call by call
        (found,) = ledger.percentiles("model", **filters)
        assert (found.group, found.calls) == ({"model": "gpt-5-mini"}, 1000)
        for percent, nanoseconds in found.percentiles.items():
            assert nanoseconds == pytest.approx(times[percent * 10 - 1], rel=0.125)
    assert ledger.percentiles(span="first_chunk") == []


def test_percentiles_of_groups_come_with_the_largest_group_first(ledger, make_event):
    put(
        ledger,
        make_event(request_model="slow", first_chunk_ns=800 * MILLISECOND),
        *[make_event(request_model="fast", first_chunk_ns=100 * MILLISECOND) for _ in range(3)],
    )
    found = ledger.percentiles("model", span="first_chunk", percents=(50,))
    assert [(one.group["model"], one.calls) for one in found] == [("fast", 3), ("slow", 1)]
    assert found[0].percentiles[50] == pytest.approx(100 * MILLISECOND, rel=0.125)
    assert ledger.percentiles("model", span="first_chunk", model="slow")[0].calls == 1


def test_a_changed_call_leaves_its_old_bucket(ledger, make_event):
    before = make_event(duration_ns=10 * MILLISECOND, status="lost")
    put(ledger, before)
    put(ledger, type(before)(**{**_fields(before), "duration_ns": 900 * MILLISECOND, "status": "ok"}), make_event())
    (found,) = ledger.percentiles()
    assert (found.calls, found.percentiles[99]) == (1, pytest.approx(900 * MILLISECOND, rel=0.125))
    assert ledger.check() == []


def _fields(event):
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_pages_follow_each_other_without_gap_or_repetition(ledger, make_event):
    events = [make_event(started_at=NOON - number // 3 * 400 * 10**9) for number in range(100)]
    put(ledger, *events)
    newest = list(ledger.calls())
    cursor, found = None, []
    while page := list(ledger.calls(limit=7, cursor=cursor)):
        found += page
        cursor = str(Cursor.after(page[-1]))
        put(
            ledger, make_event(started_at=NOON + len(found))
        )  # what comes meanwhile is newer, and does not shift the pages
    assert found == newest
    assert list(ledger.calls(cursor=Cursor.after(newest[40]), until=newest[60].started_at)) == [
        event for event in newest[41:] if event.started_at < newest[60].started_at
    ]


@pytest.mark.parametrize("text", ["", "x", "x/y", "17"])
def test_what_is_no_cursor_is_refused(ledger, text):
    with pytest.raises(ConfigurationError, match="is no cursor"):
        ledger.calls(cursor=text)


def test_a_clock_that_stepped_back_makes_no_negative_duration(ledger, make_event):
    put(ledger, make_event(duration_ns=-5))
    assert ledger.percentiles()[0].percentiles[50] == 0
    assert ledger.check() == []


def test_units_are_added_up_by_name_and_by_dimensions(ledger, make_event):
    put(
        ledger,
        make_event(units={"input": 10, "output": 3}, tenant_id="acme"),
        make_event(units={"input": 5, "seconds": 1.5}, tags={"team": "x"}),
        make_event(units=None),
        make_event(started_at=NOON - DAY, units={"input": 100}),
    )
    found = ledger.units(since=NOON - DAY + 1)
    assert [(one.unit, one.calls, one.amount) for one in found] == [
        ("input", 2, 15),
        ("output", 1, 3),
        ("seconds", 1, 1.5),
    ]
    assert [(one.group, one.unit, one.amount) for one in ledger.units("tenant_id", tenant_id="acme")] == [
        ({"tenant_id": "acme"}, "input", 10),
        ({"tenant_id": "acme"}, "output", 3),
    ]
    # json_each has columns called id and value, key, type, parent: none is taken for ours.
    assert {one.group["tag:team"] for one in ledger.units("tag:team", "id", "parent_id")} == {"x", None}


def test_the_dearest_calls_are_those_of_known_cost(ledger, make_event):
    put(
        ledger,
        *(make_event(cost_nano=nano, request_model="a") for nano in (5, 9, 7)),
        make_event(cost_nano=None, cost_status="unpriced"),
        make_event(cost_nano=8, request_model="b"),
    )
    assert [event.cost_nano for event in ledger.dearest(3)] == [9, 8, 7]
    assert [event.cost_nano for event in ledger.dearest(9, model="a")] == [9, 7, 5]
    assert ledger.dearest(3, until=1) == []
    with pytest.raises(ConfigurationError, match="'tenant' is no dimension"):
        ledger.dearest(1, tenant="acme")


def test_durations_are_counted_between_bounds_that_hold_them(ledger, make_event):
    times = [1, 900, 10**9, 10**9 + 1, 7 * 10**9]
    put(ledger, *(make_event(duration_ns=duration, user_id="u") for duration in times), make_event(duration_ns=None))
    for filters in ({}, {"user_id": "u"}):
        (found,) = ledger.durations("model", **filters)
        for (first, end), calls in found.counts.items():
            assert calls == sum(first <= duration < end for duration in times)
        assert sum(found.counts.values()) == len(times)
    assert ledger.durations(span="first_chunk") == []


def test_a_question_reaches_back_as_far_as_what_answers_it(ledger, make_event):
    put(ledger, make_event(started_at=NOON - 5 * DAY), make_event(started_at=NOON))
    assert ledger.reach("user_id") == 0
    while ledger.retain(NOON - DAY):
        pass
    midnight = (NOON - DAY) // DAY * DAY
    assert [ledger.reach(*names) for names in ((), ("model", "day"), ("tenant_id", "task_type"), ("week",))] == [0] * 4
    assert [ledger.reach(*names) for names in (("user_id",), ("model", "tenant_id"), ("tag:team",))] == [midnight] * 3
    assert (ledger.reach("model", timed=True), ledger.reach("tenant_id", timed=True)) == (0, midnight)
    with pytest.raises(ConfigurationError, match="'tenant' is no dimension"):
        ledger.reach("tenant")


def test_a_week_is_a_dimension_named_by_its_monday(ledger, make_event):
    for day in ("2026-03-01", "2026-03-02", "2026-03-08"):
        moment = int(datetime.fromisoformat(f"{day}T23:59:59+00:00").timestamp()) * 10**9
        put(ledger, make_event(started_at=moment, user_id="u"))
    expected = {"2026-02-23": 1, "2026-03-02": 2}
    assert {row["week"]: row["calls"] for row in ledger.by("week")} == expected
    assert {row["week"]: row["calls"] for row in ledger.by("week", user_id="u")} == expected
    assert ledger.summary(week="2026-03-02").calls == 2
