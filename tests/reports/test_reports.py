"""What reports say beside their numbers, and that the registry has all of them."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from farebox.budgets.status import BudgetStatus
from farebox.core.errors import ConfigurationError
from farebox.core.money import Money
from farebox.ledger.queries import DIMENSIONS
from farebox.reports.budgets import budgets
from farebox.reports.registry import REPORTS
from farebox.reports.report import Table

DAY = 86_400 * 10**9
NOON = 1_795_608_000_000_000_000  # 2026-11-25T12:00:00Z
OF_LEDGERS = {name: report for name, report in REPORTS.items() if report.asks == "ledger"}


@pytest.mark.parametrize("name", REPORTS)
def test_a_row_of_the_registry_says_what_its_function_takes(name):
    report = REPORTS[name]
    module, _, function = report.place.partition(":")
    signature = inspect.signature(getattr(__import__(module, fromlist=[function]), function)).parameters
    if report.asks == "ledger":
        assert {*signature} - {"ledger", "since", "until", "where"} == set(report.arguments)
    if "by" in report.arguments:
        assert signature["by"].default == report.by
    assert report.title
    assert report.about.endswith(".")


@pytest.mark.parametrize("name", OF_LEDGERS)
def test_every_report_answers_an_empty_ledger_and_refuses_what_is_no_dimension(ledger, name):
    report = REPORTS[name]
    assert isinstance(report.run(ledger), Table)
    with pytest.raises(ConfigurationError, match="'tenant' is no dimension"):
        report.run(ledger, where={"tenant": "acme"})
    if "by" in report.arguments:
        with pytest.raises(ConfigurationError, match="'modle' is no dimension"):
            report.run(ledger, by=("modle",))
    if "limit" in report.arguments:
        with pytest.raises(ConfigurationError, match="limit=0 cannot be used"):
            report.run(ledger, limit=0)


@pytest.mark.parametrize("name", [name for name, report in OF_LEDGERS.items() if "by" in report.arguments])
def test_every_dimension_can_be_told_apart_by_every_report(told, name):
    one = told(3, count=40)
    for dimension in (*DIMENSIONS, "tag:team"):
        assert REPORTS[name].run(one.ledger, by=(dimension,)).rows


@pytest.mark.parametrize("name", OF_LEDGERS)
def test_moments_may_be_datetimes_with_a_zone(told, name):
    one = told(5, count=40)
    until = datetime(2026, 11, 25, 10, tzinfo=UTC)
    asked = {"since": until - timedelta(days=20), "until": until}
    as_numbers = {key: int(moment.timestamp()) * 10**9 for key, moment in asked.items()}
    assert REPORTS[name].run(one.ledger, **asked) == REPORTS[name].run(one.ledger, **as_numbers)


def test_calls_of_which_only_sums_are_left_are_said_where_they_cannot_be_told_apart(ledger, store, make_event):
    store(make_event(started_at=NOON - 3 * DAY, user_id="u"), make_event(started_at=NOON, user_id="u"))
    while ledger.retain(NOON - DAY):
        pass
    note = "1 calls before 2026-11-24 are kept as sums only, which do not tell this apart: they are left out."
    assert REPORTS["spend"].run(ledger).notes == ()
    assert REPORTS["spend"].run(ledger).totals[1] == 2
    for name in ("spend", "models", "average", "cache", "errors", "latency", "forecast", "tokens"):
        table = REPORTS[name].run(ledger, by=("user_id",))
        assert note in table.notes, name
    for name in ("unpriced", "calls", "latest"):
        assert note in REPORTS[name].run(ledger).notes
    assert note in REPORTS["compare"].run(ledger, by=("user_id",), since=NOON - 2 * DAY, until=NOON + 1).notes
    assert REPORTS["spend"].run(ledger, by=("user_id",), since=NOON - DAY // 2).notes == ()
    assert REPORTS["latency"].run(ledger, by=("model",)).notes == ()


def test_a_ledger_that_lost_no_calls_has_nothing_to_say_of_them(ledger, store, make_event):
    store(make_event(started_at=NOON, user_id="u"))
    while ledger.retain(NOON - DAY):
        pass
    assert REPORTS["spend"].run(ledger, by=("user_id",)).notes == ()


def test_a_rate_of_errors_is_of_the_calls_that_are_kept(ledger, store, make_event):
    old = [make_event(started_at=NOON - 3 * DAY) for _ in range(7)]
    store(*old, make_event(started_at=NOON), make_event(started_at=NOON, status="error", error_type="TimeoutError"))
    while ledger.retain(NOON - DAY):
        pass
    (row,) = REPORTS["errors"].run(ledger).records()
    assert (row["error_type"], row["calls"], row["rate"]) == ("TimeoutError", 1, Decimal("0.5"))


def test_unpriced_models_come_with_a_reason_and_a_remedy(ledger, store, make_event):
    unknown = {"cost_nano": None, "cost_status": "unpriced"}
    store(
        make_event(request_model="gpt-9", cost_missing=("model gpt-9 of openai",), **unknown),
        make_event(request_model="gpt-9", cost_missing=("model gpt-9 of openai",), **unknown),
        make_event(request_model="gpt-5", cost_missing=("usage",), **unknown),
        make_event(request_model="gpt-5", cost_missing=("web_search",), cost_status="partial"),
        make_event(request_model=None, **unknown),
    )
    rows = REPORTS["unpriced"].run(ledger).records()
    assert [(row["model"], row["calls"], row["cost"], row["why"]) for row in rows] == [
        ("gpt-9", 2, None, "model gpt-9 of openai"),
        ("(none)", 1, None, "the model"),
        ("gpt-5", 1, None, "usage"),
        ("gpt-5", 1, Money("0.0009"), "web_search"),
    ]
    assert '[prices.rates] "openai/gpt-9"' in rows[0]["remedy"]
    assert "bill" in rows[2]["remedy"]
    assert rows[3]["remedy"] == rows[1]["remedy"] == "farebox prices update"
    only = REPORTS["unpriced"].run(ledger, where={"cost_status": "partial"})
    assert [row["calls"] for row in only.records()] == [1]


def test_the_dearest_calls_say_how_many_cannot_be_ranked(ledger, store, make_event):
    store(make_event(cost_nano=None, cost_status="unpriced"), make_event(cost_nano=5), make_event(cost_nano=7))
    table = REPORTS["calls"].run(ledger, limit=1)
    assert [row["cost"] for row in table.records()] == [Money.from_nano(7)]
    assert table.notes == ("1 calls of unknown cost cannot be ranked: see farebox report unpriced.",)


def test_a_comparison_says_where_the_period_before_is_not_whole(ledger, store, make_event):
    week = {"since": NOON - 7 * DAY, "until": NOON}
    nothing = "The ledger has no calls of the period before: there is nothing to compare with."
    store(make_event(started_at=NOON - DAY))
    assert REPORTS["compare"].run(ledger, **week).notes == (nothing,)
    store(make_event(started_at=NOON - 9 * DAY))
    assert REPORTS["compare"].run(ledger, **week).notes == (
        "The ledger begins on 2026-11-16 12:00: the period before is not whole.",
    )
    store(make_event(started_at=NOON - 14 * DAY))  # in the first hour of the period before
    assert REPORTS["compare"].run(ledger, **week).notes == ()
    store(make_event(started_at=NOON - 30 * DAY))
    table = REPORTS["compare"].run(ledger, **week)
    assert table.notes == ()
    assert (
        table.title
        == "Spend by model from 2026-11-18 12:00 to 2026-11-25 12:00 against 2026-11-11 12:00 to 2026-11-18 12:00"
    )
    with pytest.raises(ConfigurationError, match="is empty: since must be before until"):
        REPORTS["compare"].run(ledger, since=NOON, until=NOON)


def test_a_comparison_without_times_is_of_the_last_seven_days(ledger, store, make_event):
    import time

    now = time.time_ns()
    store(
        make_event(started_at=now - DAY, cost_nano=3),
        make_event(started_at=now - 10 * DAY, cost_nano=None, cost_status="unpriced"),
    )
    (row,) = REPORTS["compare"].run(ledger).records()
    assert (row["calls"], row["calls_before"], row["cost_before"], row["difference"]) == (1, 1, None, None)


def status(**fields):
    start = datetime(2026, 11, 25, tzinfo=UTC)
    plain = {
        "name": "each tenant",
        "bucket": "acme",
        "window": "day UTC",
        "start": start,
        "end": start + timedelta(days=1),
        "unit": "usd",
        "limit": Money("10"),
        "spent": Money("6"),
        "held": Money(0),
        "remaining": Money("4"),
        "utilization": 0.6,
        "calls": 12,
        "strength": "hard",
    }
    return BudgetStatus(**(plain | fields))


@pytest.mark.parametrize(
    ("fields", "rate", "exhausted"),
    [
        ({}, "0.50", "2026-11-25T20:00:00+00:00"),
        ({"spent": Money("4")}, "0.333333333", None),
        ({"spent": Money("0")}, "0.00", None),
        ({"spent": Money("11")}, "0.916666667", "now"),
        ({"window": "24h", "start": datetime(2026, 11, 24, 12, tzinfo=UTC)}, "0.25", None),
        ({"unit": "calls", "limit": Decimal(100), "spent": Decimal(90)}, "7.5", "2026-11-25T13:20:00+00:00"),
    ],
)
def test_a_budget_says_how_fast_it_is_spent_and_when_it_is_gone(fields, rate, exhausted):
    (row,) = budgets([status(**fields)], now=NOON).records()
    assert (row["burn_per_hour"], row["exhausted_at"]) == (rate, exhausted)


def test_budgets_that_are_used_up_and_what_is_held_are_said():
    table = budgets([status(), status(spent=Money("10"), held=Money("1"))], now=NOON)
    assert table.notes == (
        "1 of 2 is used up.",
        "What calls in flight hold is not spent yet, and cannot be spent twice.",
    )
    assert budgets([]).empty == "No budgets."
