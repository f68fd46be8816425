"""Spend as it was billed: only whole closed days, and each figure says what it is and where it is from."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from farebox.core.errors import ConfigurationError
from farebox.core.money import Money
from farebox.reconcile.outcome import DayResult, MoneyRow
from farebox.reports.billed import billed

DAY = 86_400 * 10**9
FIRST = 1_794_960_000 * 10**9  # 2026-11-18T00:00:00Z, a Wednesday


@pytest.fixture
def spent(ledger, store, make_event):
    """A dollar a day of two models for three days; the second day's bill is settled."""
    store(
        *(
            make_event(started_at=FIRST + number * DAY + 5, request_model=model, cost_nano=10**9)
            for number in range(3)
            for model in ("gpt-5-mini", "gpt-5")
        ),
        make_event(started_at=FIRST + DAY + 9, request_model="gpt-5", cost_nano=0, status="refused"),
    )
    return ledger


def settled(day="2026-11-19", **fields):
    plain = {
        "provider": "openai",
        "status": "differs",
        "computed": Decimal(2),
        "billed": Decimal("3.25"),
        "unexplained": Decimal(0),
        "complete": True,
        "source": "OpenAI usage and costs",
        "fetched_at": 1,
        "money": (
            MoneyRow(item="gpt-5, input", model="gpt-5", billed=Decimal("1.5"), computed=Decimal(1)),
            MoneyRow(item="gpt-5, output", model="gpt-5", billed=Decimal("0.5"), computed=Decimal(0)),
            MoneyRow(item="gpt-5-mini, input", model="gpt-5-mini", billed=Decimal("1.75"), computed=Decimal(1)),
            MoneyRow(item="Grant", model="", billed=Decimal("-0.5"), computed=Decimal(0)),
        ),
    }
    return DayResult(day=day, **(plain | fields))


def test_each_day_says_whether_it_is_actual_or_estimated(spent):
    table = billed(spent, [settled()])
    rows = {row["day"]: (row["cost"], row["basis"], row["source"], row["calls"]) for row in table.records()}
    assert rows == {
        "2026-11-18": (Money(2), "estimated", "price book", 2),
        "2026-11-19": (Money("3.25"), "actual", "OpenAI usage and costs", 2),
        "2026-11-20": (Money(2), "estimated", "price book", 2),
    }
    assert table.totals == (
        "total",
        "",
        6,
        Money("7.25"),
        "actual and estimated",
        Money("3.25"),
        Money(4),
        "OpenAI usage and costs; price book",
    )
    assert "run farebox reconcile" in table.notes[-1]


def test_a_month_of_both_shows_both(spent):
    (row,) = billed(spent, [settled()], ("month",)).records()
    assert (row["cost"], row["actual"], row["estimated"], row["basis"]) == (
        Money("7.25"),
        Money("3.25"),
        Money(4),
        "actual and estimated",
    )
    (week,) = billed(spent, [settled()], ("week",)).records()
    assert week["week"] == "2026-11-16"
    (whole,) = billed(spent, [settled()], ()).records()
    assert whole["cost"] == Money("7.25")


def test_models_add_up_to_the_bill_and_what_is_of_none_is_said(spent):
    since = datetime(2026, 11, 19, tzinfo=UTC)
    until = datetime(2026, 11, 20, tzinfo=UTC)
    table = billed(spent, [settled()], ("model",), since=since, until=until)
    assert {row["model"]: row["cost"] for row in table.records()} == {
        "gpt-5": Money(2),
        "gpt-5-mini": Money("1.75"),
        "(none)": Money("-0.5"),
    }
    assert table.totals[2] == Money("3.25")
    assert table.notes == ()
    (row,) = billed(spent, [settled()], ("provider",), where={"model": "gpt-5-2025-08-07"}, since=since).records()
    assert (row["actual"], row["estimated"]) == (Money(2), Money(1))
    assert billed(spent, [settled()], where={"provider": "anthropic"}).rows == ()
    assert len(billed(spent, [settled()], where={"day": "2026-11-19"}).rows) == 1


@pytest.mark.parametrize("fields", [{"complete": False}, {"status": "open"}, {"status": "missing", "billed": None}])
def test_a_day_that_is_open_or_not_whole_is_computed(spent, fields):
    rows = billed(spent, [settled(**fields)]).records()
    assert {row["basis"] for row in rows} == {"estimated"}


def test_half_a_day_is_computed(spent):
    rows = billed(spent, [settled()], since=FIRST + DAY + 1).records()
    assert [row["basis"] for row in rows] == ["estimated", "estimated"]


def test_a_bill_knows_no_tenants(spent):
    with pytest.raises(ConfigurationError, match="bills do not know 'tenant_id'"):
        billed(spent, [], ("tenant_id",))
    with pytest.raises(ConfigurationError, match="bills do not know 'user_id'"):
        billed(spent, [], where={"user_id": "x"})


def test_an_empty_ledger_has_an_empty_table(ledger):
    table = billed(ledger, [])
    assert (table.rows, table.totals, table.notes) == ((), None, ())
