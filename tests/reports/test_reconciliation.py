"""Tables of what reconciliations found: sums over days, rates beside each other, and what a reader must know."""

from __future__ import annotations

import io
from decimal import Decimal

from rich.console import Console

from farebox.core.money import Money
from farebox.reconcile.outcome import Cause, DayResult, MoneyRow, TokenRow
from farebox.reports import render
from farebox.reports.reconciliation import causes, money, reconciliation, tokens


def result(day="2026-11-18", **fields):
    plain = {
        "provider": "openai",
        "status": "differs",
        "computed": Decimal(10),
        "billed": Decimal("12.5"),
        "unexplained": Decimal(0),
        "complete": True,
        "source": "OpenAI usage and costs",
        "fetched_at": 1,
        "causes": (
            Cause(kind="not_metered", amount=Decimal(3), model="gpt-5", quantity=400),
            Cause(kind="credit", amount=Decimal("-0.5"), what="Grant"),
        ),
        "tokens": (
            TokenRow(model="gpt-5", tier="standard", batch=False, unit="input", metered=100, billed=500),
            TokenRow(model="gpt-5", tier="flex", batch=True, unit="output", metered=0, billed=5),
        ),
        "money": (MoneyRow(item="gpt-5, input", model="gpt-5", billed=Decimal("12.5"), computed=Decimal(10)),),
    }
    return DayResult(day=day, **(plain | fields))


def test_days_show_both_sums_the_difference_and_its_causes():
    table = reconciliation([result()])
    (row,) = table.records()
    assert row == {
        "day": "2026-11-18",
        "provider": "openai",
        "status": "differs",
        "billed": Money("12.5"),
        "computed": Money("10"),
        "difference": Money("2.5"),
        "share": Decimal("0.25"),
        "unexplained": Money(0),
        "causes": "not metered gpt-5 +$3.00; credit Grant -$0.50",
    }
    assert table.totals[3:7] == (Money("12.5"), Money("10"), Money("2.5"), Decimal("0.25"))
    assert table.notes == ()


def test_a_day_without_a_bill_is_unknown_and_said():
    missing = result(status="missing", billed=None, complete=False, causes=(), notes=("Mind this.",))
    many = tuple(Cause(kind="credit", amount=Decimal(-1), what=str(number)) for number in range(5))
    waiting = result("2026-11-19", status="open", causes=many)
    idle = result("2026-11-20", status="matched", billed=Decimal(0), computed=Decimal(0), causes=())
    table = reconciliation([missing, waiting, idle], ["openai: no admin key"])
    assert [row["billed"] for row in table.records()] == [None, Money("12.5")]
    assert table.records()[1]["causes"].endswith("; ...")
    assert table.notes == (
        "openai: no admin key",
        "Mind this.",
        "1 day is open: their bills may still grow.",
        "1 day is without a whole statement: the costs that the ledger computed stay.",
    )
    assert reconciliation([missing]).totals is None
    assert reconciliation([]).empty.startswith("No day was reconciled yet")


def test_causes_add_up_over_days_with_rates_and_meanings():
    rate = Cause(
        kind="price_row",
        amount=Decimal("0.02"),
        model="gpt-5",
        what="output",
        implied=Decimal(3),
        listed=Decimal(2),
        detail="batch",
    )
    table = causes([result(), result("2026-11-19", causes=(*result().causes, rate))])
    first, second, third = table.records()
    assert (first["cause"], first["days"], first["quantity"], first["amount"]) == ("not metered", 2, 800, Money(6))
    assert second["amount"] == Money(-1)
    assert (third["implied"], third["listed"]) == (3, 2)
    assert third["meaning"] == "the provider bills another rate than the price book has: batch"
    assert table.totals[6] == Money("5.02")
    assert causes([]).rows == ()


def test_tokens_and_money_over_all_days_or_day_by_day():
    unknown = TokenRow(model="m", tier="standard", batch=False, unit="input", metered=1, billed=None)
    results = [result(), result("2026-11-19"), result("2026-11-20", tokens=(unknown,), money=())]
    batch, plain = tokens(results).records()
    assert (plain["metered"], plain["billed"], plain["difference"], plain["share"]) == (200, 1000, 800, 4)
    assert (batch["tier"], batch["batch"], batch["share"]) == ("flex", "batch", None)
    assert [row["day"] for row in tokens(results, by_day=True).records()] == ["2026-11-18"] * 2 + ["2026-11-19"] * 2
    (row,) = money(results).records()
    assert (row["computed"], row["billed"], row["difference"], row["share"]) == (
        Money(20),
        Money(25),
        Money(5),
        Decimal("0.25"),
    )
    assert len(money(results, by_day=True).rows) == 2


def test_every_table_can_be_drawn_and_written():
    for table in (reconciliation([result()]), causes([result()]), tokens([result()]), money([result()])):
        target = io.StringIO()
        Console(file=target, width=200).print(render.to_terminal(table))
        assert "gpt-5" in target.getvalue()
        for write in (render.to_json, render.to_csv, render.to_markdown):
            assert "gpt-5" in write(table)
