"""Any bill as a table, by the columns that the settings name; and those settings."""

from __future__ import annotations

from decimal import Decimal

import pytest
from bill_worlds import DAYS, FIRST, call

from farebox.core.errors import ConfigurationError
from farebox.reconcile import table
from farebox.reconcile_settings import BillSource, Columns, ReconcileSettings, parse_reconcile

COLUMNS = Columns(
    day="Date",
    model="Model",
    key="Key",
    tier="Tier",
    batch="Batch",
    item="Item",
    amount="Cost",
    units={"input": "In", "cache_read": "Cached", "output": "Out"},
    input_includes_cached=True,
)
HEAD = "Date,Model,Key,Tier,Batch,Item,Cost,In,Cached,Out\n"


def lines(tmp_path, text, columns=COLUMNS):
    path = tmp_path / "bill.csv"
    path.write_text(text)
    return list(table.read(str(path), columns))


def test_every_column_means_what_the_settings_say(tmp_path):
    ((day, found),) = lines(tmp_path, HEAD + '2026-11-18,m-1,key_1,flex,true,m-1 all,"1,000.25","1,500",500,70\n')
    (usage,), (money,) = found.usage, found.money
    assert day == DAYS[0]
    assert (usage.model, usage.key, usage.tier, usage.batch) == ("m-1", "key_1", "flex", True)
    assert usage.units == {"input": 1000, "cache_read": 500, "output": 70}
    assert (money.amount, money.model, money.tier, money.batch) == (Decimal("1000.25"), "m-1", "flex", True)


def test_cents_other_days_and_credits(tmp_path):
    columns = Columns(day="when", day_format="%d.%m.%Y", item="what", amount="cents", unit="cents")
    ((_, first), (_, second)) = lines(
        tmp_path, "when,what,cents\n18.11.2026,Usage,250\n18.11.2026,Refund,-50\n", columns
    )
    assert (first.money[0].amount, first.money[0].kind) == (Decimal("2.50"), "tokens")
    assert (second.money[0].amount, second.money[0].kind, second.money[0].model) == (Decimal("-0.50"), "credit", None)


def test_a_row_may_have_no_money_or_no_quantity(tmp_path):
    found = lines(tmp_path, HEAD + "2026-11-18,m,,,,,,5,,\n2026-11-18,m,,,,,1,,,\n")
    assert [(len(one.usage), len(one.money)) for _, one in found] == [(1, 0), (0, 1)]
    assert found[1][1].money[0].item == "m"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("soon,m,,,,,1,1,,", "Date is 'soon'"),
        ("2026-11-18,m,,,,,much,1,,", "Cost is 'much'"),
        ("2026-11-18,m,,,,,1,some,,", "count is 'some'"),
        ("2026-11-18,m,,,,,1,5,9,", "9 cached tokens are more than all 5"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path, row, said):
    ((_, found),) = lines(tmp_path, HEAD + row + "\n")
    assert said in found.problems[0]
    assert "bill.csv, row 1" in found.problems[0]


def test_a_host_is_reconciled_by_its_table(world, tmp_path):
    world.meter(call(FIRST, "groq", "llama-3.3-70b-versatile", {"input": 1_000_000, "output": 100_000}), bill=False)
    (tmp_path / "groq.csv").write_text(
        f"Date,Model,Cost,In,Out\n{DAYS[0]},llama-3.3-70b-versatile,0.669,1000000,100000\n"
    )
    columns = Columns(day="Date", model="Model", amount="Cost", units={"input": "In", "output": "Out"})
    source = BillSource(files=str(tmp_path / "groq.csv"), columns=columns)
    result = world.day("groq", settings=world.settings(groq=source))
    assert (result.status, result.complete, result.unexplained) == ("matched", True, 0)
    assert result.computed == Decimal("0.669")


def test_a_table_of_money_alone_is_billed_and_not_told_apart(world, tmp_path):
    (tmp_path / "x.csv").write_text(f"Date,Cost\n{DAYS[0]},0.5\n")
    source = BillSource(files=str(tmp_path / "x.csv"), columns=Columns(day="Date", amount="Cost"))
    result = world.day("groq", settings=world.settings(groq=source))
    assert (result.billed, result.unexplained, result.complete) == (Decimal("0.5"), Decimal("0.5"), False)
    used = BillSource(files=str(tmp_path / "x.csv"), columns=Columns(day="Date", units={"input": "Cost"}))
    assert world.day("groq", settings=world.settings(groq=used)).billed is None


def test_settings_are_read_from_a_table_or_its_json():
    assert parse_reconcile("{}") == ReconcileSettings()
    found = parse_reconcile({"grace_hours": 24, "openai": {"key_file": "~/k", "our_keys": ["key_1"]}})
    assert found.sources["openai"] == BillSource(key_file="~/k", our_keys=("key_1",))
    assert parse_reconcile(found) is found
    assert parse_reconcile({"openai": BillSource()}).sources == {"openai": BillSource()}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{", "a table as JSON"),
        (5, "give a table"),
        ({"grace_hours": "long"}, "reconcile.grace_hours='long'"),
        ({"grace_hours": True}, "reconcile.grace_hours=True"),
        ({"openai": {"kee": 1}}, "reconcile.openai cannot be used: Object contains unknown field `kee`"),
        ({"openai": {"key_env": "A", "key_file": "b"}}, "both key_env and key_file"),
        ({"x": {"columns": {"day": "Date"}}}, "columns and no files"),
        ({"x": {"columns": {"model": "M"}, "files": "f"}}, "missing required field `day`"),
        ({"anthropic": {"amounts": "euros"}}, "Invalid enum value 'euros'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(value, said):
    with pytest.raises(ConfigurationError, match=said.replace("(", r"\(")):
        parse_reconcile(value)


def test_a_provider_without_a_reader_needs_columns(world):
    source = BillSource(files="x.csv")
    with pytest.raises(ConfigurationError, match="bill 'groq' is not known"):
        world.day("groq", settings=world.settings(groq=source))
