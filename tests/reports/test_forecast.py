"""The forecast: its arithmetic by hand, and its silence."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime

import pytest

from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.core.money import Money
from farebox.reports.forecast import Calendar, forecast

DAY = 86_400 * 10**9


def moment(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def spent(day, dollars, **fields):
    started = moment(day)
    return CallEvent(
        id=new_id(started),
        started_at=started,
        provider="openai",
        operation="chat",
        request_model="gpt-5",
        cost_nano=dollars * 10**9,
        cost_status="priced",
        **fields,
    )


def row(ledger, now, **more):
    (record,) = forecast(ledger, until=moment(now), **more).records()
    return record


def test_days_that_all_cost_the_same_are_forecast_exactly_and_without_a_range(ledger, store):
    store(*(spent(f"2026-11-{day:02d}T10:00", 2) for day in range(1, 11)))
    # The first day of a ledger is not whole: 2 to 9 are known; today's spending is in the sum, and its half that is left adds 1.
    assert row(ledger, "2026-11-10T12:00") == {
        "spent": Money("20.00"),
        "forecast": Money("61.00"),
        "low": Money("61.00"),
        "high": Money("61.00"),
        "days": 8,
    }


def test_below_three_whole_days_nothing_is_forecast_and_that_is_said(ledger, store):
    store(spent("2026-11-01T10:00", 1), spent("2026-11-03T10:00", 1))
    table = forecast(ledger, until=moment("2026-11-04T01:00"))
    assert table.records() == [{"spent": Money("2.00"), "forecast": None, "low": None, "high": None, "days": 2}]
    assert table.notes == ("There is no forecast: 2 whole days (UTC) are known, and 3 are needed at least.",)
    assert row(ledger, "2026-11-05T00:00")["forecast"] is not None


def test_an_empty_ledger_has_no_forecast(ledger):
    table = forecast(ledger, until=moment("2026-11-04T01:00"))
    assert (table.rows, table.totals) == ((), None)
    assert "0 whole days" in table.notes[0]


def test_weekdays_count_from_two_weeks_on(ledger, store):
    # Mondays cost 7, every other day nothing: 3 Mondays (2, 9 and 16 November), and the 23rd and 30th are to come.
    store(spent("2026-10-31T10:00", 0), *(spent(f"2026-11-{day:02d}T10:00", 7) for day in (2, 9, 16)))
    assert row(ledger, "2026-11-18T00:00")["forecast"] == Money("35.00")
    assert row(ledger, "2026-11-18T00:00")["high"] == Money("35.00")
    # With 11 days known each of the 13 that are left is taken at the average: 7 of 11 dollars on the 16th.
    short = row(ledger, "2026-11-18T00:00", since=moment("2026-11-07"))
    assert short["days"] == 11
    assert short["forecast"] == Money.from_nano(21 * 10**9 + 14 * 10**9 * 13 // 11)


def test_the_range_is_the_spread_of_days_over_those_that_are_left(ledger, store):
    # Four whole days of 1, 3, 1 and 3 dollars: mean 2, variance 4/3. Twenty-five days are left, and the mean itself is uncertain by 4/3 / 4.
    # 1.638 standard deviations of Student's t hold 80 % where three degrees of freedom are known.
    store(*(spent(f"2026-11-0{day}T10:00", dollars) for day, dollars in enumerate((0, 1, 3, 1, 3), start=1)))
    found = row(ledger, "2026-11-06T00:00")
    spread = 1.638 * (25 * 4 / 3 + 25**2 * 4 / 3 / 4) ** 0.5
    assert found["forecast"] == Money("58.00")
    assert float(found["high"]) == pytest.approx(58 + spread, abs=1e-6)
    assert float(found["low"]) == pytest.approx(58 - spread, abs=1e-6)


def test_the_low_end_is_never_below_what_is_spent(ledger, store):
    store(*(spent(f"2026-11-0{day}T10:00", dollars) for day, dollars in enumerate((0, 0, 100, 0), start=1)))
    assert row(ledger, "2026-11-05T00:00")["low"] == Money("100.00")


def test_the_month_of_december_ends_with_the_year_and_groups_have_a_total(ledger, store):
    store(
        *(spent(f"2026-12-{day:02d}T10:00", 1, tenant_id="acme") for day in range(20, 31)),
        spent("2026-12-25T10:00", 4, tenant_id=None),
    )
    table = forecast(ledger, ("tenant_id",), until=moment("2026-12-31T00:00"))
    assert table.title == "Forecast of 2026-12 by tenant, as of 2026-12-31"
    assert [(record["tenant_id"], record["forecast"]) for record in table.records()] == [
        ("acme", Money("12.00")),
        ("(none)", Money("4.40")),
    ]
    assert table.totals[:3] == ("total", Money("15.00"), Money("16.40"))


def test_unknown_costs_make_it_a_lower_bound(ledger, store, make_event):
    store(make_event(started_at=moment("2026-11-03T10:00"), cost_nano=None, cost_status="unpriced"))
    table = forecast(ledger, until=moment("2026-11-04T00:00"))
    assert "1 calls have no known price: everything here is a lower bound." in table.notes


@pytest.mark.parametrize("known", [5, 14, 28, 56])
def test_about_four_of_five_months_end_inside_the_range(known):
    choose = random.Random(known)
    spread = math.sqrt(math.log(1.25))  # days vary by half around their mean; weekends cost a third

    def cost(day):
        return int(
            (0.3 if day // DAY % 7 in (2, 3) else 1) * 10**10 * choose.lognormvariate(-spread * spread / 2, spread)
        )

    inside = 0
    for _ in range(400):
        today, left = (20_000 + choose.randrange(7)) * DAY, choose.randrange(1, 25)
        calendar = Calendar(today - (30 - left) * DAY, today + left * DAY, today, today, today - known * DAY)
        before = {today - day * DAY: cost(today - day * DAY) for day in range(1, known + 1)}
        spent, _, low, high, _ = calendar.cells(before)
        end = spent + Money.from_nano(sum(cost(day) for day in range(today, calendar.end, DAY)))
        inside += low <= end <= high
    assert 0.72 < inside / 400 < 0.88
