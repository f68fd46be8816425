"""Anthropic's statement: disjoint units, cents, places, and what only the costs have."""

from __future__ import annotations

from decimal import Decimal

import pytest
from bill_worlds import DAYS, FIRST, call

from farebox.reconcile.pages import StatementError
from farebox.reconcile.sources import anthropic_reader
from farebox.reconcile_settings import BillSource


def reader(world, **settings):
    source = BillSource(key_env="TEST_ADMIN_KEY", url=world.billing.url, **settings)
    return anthropic_reader("anthropic", source, world.clock())


def lines(world, part, *rows, **settings):
    bucket = {"starting_at": f"{DAYS[0]}T00:00:00Z", "ending_at": f"{DAYS[1]}T00:00:00Z", "results": list(rows)}
    world.billing.answer_next(body={"data": [bucket], "has_more": False, "next_page": None})
    ((day, found),) = reader(world, **settings).read(part, DAYS[0], DAYS[0])
    assert day == DAYS[0]
    return found


def test_usage_and_costs_of_the_same_calls(world):
    world.meter(
        call(
            FIRST,
            "anthropic",
            "claude-opus-5",
            {"input": 10, "cache_read": 20, "cache_write_5m": 30, "cache_write_1h": 40, "output": 50},
        ),
        call(FIRST, "anthropic", "claude-opus-5", {"input": 1, "output": 2, "web_search": 3}, batch=True),
        call(FIRST, "anthropic", "claude-opus-5", {"input": 4, "output": 5}, geo="us"),
    )
    ((_, found),) = reader(world).read("messages", DAYS[0], DAYS[0])
    usage = {(line.tier, line.batch, line.geo): line.units for line in found.usage}
    assert usage == {
        ("standard", False, None): {
            "input": 10,
            "cache_read": 20,
            "cache_write_5m": 30,
            "cache_write_1h": 40,
            "output": 50,
        },
        (None, True, None): {"input": 1, "output": 2, "web_search": 3},
        ("standard", False, "us"): {"input": 4, "output": 5},
    }
    ((_, found),) = reader(world).read("cost_report", DAYS[0], DAYS[0])
    money = {(line.units, line.batch, line.geo): line.amount for line in found.money}
    assert money[("output",), False, ""] == Decimal("0.00125")
    assert money[("output",), True, ""] == Decimal("0.000025")
    assert money[("input",), False, "us"] == Decimal("0.000022")
    assert money[("web_search",), None, None] == Decimal("0.03")
    result = world.day("anthropic")
    assert (result.complete, result.unexplained) == (True, 0)
    assert {cause.kind for cause in result.causes} <= {"rounding"}


def test_amounts_are_cents_unless_the_settings_say_dollars(world):
    row = {
        "amount": "123.78912",
        "currency": "USD",
        "cost_type": "tokens",
        "token_type": "output_tokens",
        "model": "claude-opus-5",
    }
    assert [line.amount for line in lines(world, "cost_report", row).money] == [Decimal("1.2378912")]
    assert [line.amount for line in lines(world, "cost_report", row, amounts="dollars").money] == [Decimal("123.78912")]


@pytest.mark.parametrize(
    ("row", "kind", "units"),
    [
        ({"cost_type": "code_execution", "description": "Code Execution Usage"}, "other", ()),
        ({"cost_type": "web_search", "description": "Web Search Usage"}, "tool", ("web_search",)),
        (
            {"cost_type": "tokens", "token_type": "cache_creation.ephemeral_1h_input_tokens"},
            "tokens",
            ("cache_write_1h",),
        ),
        ({"cost_type": "tokens", "token_type": "new_output_tokens"}, "tokens", ("output",)),
        ({"cost_type": None, "description": None}, "other", ()),
        ({"cost_type": "credit", "description": "Promotional credit"}, "credit", ()),
    ],
)
def test_kinds_of_money(world, row, kind, units):
    found = lines(world, "cost_report", {"amount": "100", "currency": "USD", **row})
    assert [(line.kind, line.units, line.amount) for line in found.money] == [(kind, units, Decimal(1))]


@pytest.mark.parametrize(
    ("part", "row", "said"),
    [
        ("cost_report", {"amount": "1", "currency": "EUR"}, "the currency is 'EUR'"),
        ("cost_report", {"amount": None, "currency": "USD"}, "amount is missing"),
        ("messages", {"output_tokens": 1}, "uncached_input_tokens is missing"),
        ("messages", {"uncached_input_tokens": 1, "output_tokens": 1, "cache_creation": 5}, "should be objects"),
        ("messages", 5, "a result is 5"),
    ],
)
def test_what_is_not_understood_is_named(world, part, row, said):
    found = lines(world, part, row)
    assert said in found.problems[0]


def test_a_changed_interface_is_told(world):
    world.billing.answer_next(body={"data": [{"results": []}]})
    with pytest.raises(StatementError, match="no starting_at"):
        list(reader(world).read("messages", DAYS[0], DAYS[0]))
    world.billing.answer_next(body={"data": [{"starting_at": f"{DAYS[0]}T00:00:00Z"}]})
    ((_, found),) = reader(world).read("messages", DAYS[0], DAYS[0])
    assert "results is missing" in found.problems[0]
