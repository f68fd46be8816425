"""Causes that the random worlds do not have, what cannot be told, and what a day without a whole statement says."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from bill_worlds import DAYS, FIRST, call, estimated

from farebox.reconcile_settings import BillSource
from farebox.testing.billing.causes import OTHER_KEY, BilledOtherwise, Late, OtherCalls, OtherRate
from farebox.testing.billing.traffic import OUR_KEY, Used

HOUR = 3600 * 10**9
MINI = {"input": 100_000, "cache_read": 50_000, "output": 20_000}


def causes(result):
    """(cause, model) → dollars, rounding left out."""
    return {(cause.kind, cause.model): cause.amount for cause in result.causes if cause.kind != "rounding"}


def three_models(world):
    world.meter(
        call(FIRST + HOUR, "openai", "gpt-5-mini", MINI),
        call(FIRST + HOUR, "openai", "gpt-4o-mini", {"input": 500_000, "output": 10_000}),
        call(FIRST + HOUR, "openai", "gpt-5", {"input": 70_000, "output": 10_000}),
    )


def test_the_same_share_off_everything_is_a_discount(world):
    three_models(world)
    for model in ("gpt-5-mini", "gpt-4o-mini", "gpt-5"):
        world.billing.inject(OtherRate("openai", DAYS[0], model, Fraction(9, 10)))
    result = world.day("openai")
    (cause,) = [cause for cause in result.causes if cause.kind != "rounding"]
    assert (cause.kind, cause.what) == ("discount", "10.00%")
    assert cause.amount == result.difference == -result.computed / 10
    assert result.status == "differs"


def test_a_dearer_day_of_one_model_only_is_no_discount(world):
    three_models(world)
    world.billing.inject(OtherRate("openai", DAYS[0], "gpt-5", Fraction(9, 10)))
    assert set(causes(world.day("openai"))) == {("price_row", "gpt-5")}


def test_another_rate_is_shown_beside_the_books(world):
    three_models(world)
    world.billing.inject(OtherRate("openai", DAYS[0], "gpt-5-mini", Fraction(3, 2), frozenset({"output"})))
    (cause,) = [cause for cause in world.day("openai").causes if cause.kind == "price_row"]
    assert (cause.model, cause.what, cause.quantity) == ("gpt-5-mini", "output", 20_000)
    assert (cause.implied, cause.listed, cause.amount) == (Decimal(3), Decimal(2), Decimal("0.02"))


def test_a_rate_over_several_tiers_says_that_it_is_their_average(world):
    world.meter(call(FIRST, "openai", "gpt-5-mini", MINI), call(FIRST, "openai", "gpt-5-mini", MINI, batch=True))
    world.billing.inject(OtherRate("openai", DAYS[0], "gpt-5-mini", Fraction(2), frozenset({"output"})))
    (cause,) = [cause for cause in world.day("openai").causes if cause.kind == "price_row"]
    assert cause.detail == "average over batch, standard"


def test_a_model_without_a_price_is_priced_by_the_bill(world):
    world.meter(call(FIRST, "openai", "gpt-99", {"input": 1000, "output": 500}), bill=False)
    money = [
        {"amount": {"value": "0.003", "currency": "usd"}, "line_item": "gpt-99, input_tokens"},
        {"amount": {"value": "0.006", "currency": "usd"}, "line_item": "gpt-99, output_tokens"},
    ]
    usage = [{"input_tokens": 1000, "output_tokens": 500, "model": "gpt-99", "num_model_requests": 1}]
    answers(world, usage, money)
    result = world.day("openai")
    rates = {cause.what: (cause.kind, cause.implied) for cause in result.causes}
    assert rates == {"input": ("unpriced", Decimal(3)), "output": ("unpriced", Decimal(12))}
    assert (result.computed, result.difference) == (0, Decimal("0.009"))


def answers(world, usage, money):
    """The parts of one day of OpenAI's, in the order in which they are asked for."""

    def body(rows):
        start = FIRST // 10**9
        return {"data": [{"start_time": start, "end_time": start + 86_400, "results": rows}], "has_more": False}

    world.billing.answer_next(body=body(usage))
    for _ in range(6):
        world.billing.answer_next(body=body([]))
    world.billing.answer_next(body=body(money))


def test_a_ledger_priced_by_an_older_book_says_so(world):
    world.meter(call(FIRST, "openai", "gpt-5-mini", MINI, cost_nano=1_000_000))
    result = world.day("openai")
    assert causes(result) == {("old_prices", ""): result.difference}


def test_calls_that_a_closed_day_does_not_have_were_not_billed_and_an_open_ones_are_late(world):
    for number in (0, 4):
        at = FIRST + number * 24 * HOUR
        world.meter(
            call(at + HOUR, "openai", "gpt-5-mini", MINI), call(at + 2 * HOUR, "openai", "gpt-5-mini", {"output": 7000})
        )
        world.billing.inject(Late("openai", at + 2 * HOUR, at + 24 * HOUR))
    assert causes(world.day("openai")) == {("not_billed", "gpt-5-mini"): Decimal("-0.014")}
    assert causes(world.day("openai", DAYS[4])) == {("late_data", "gpt-5-mini"): Decimal("-0.014")}


def test_a_deficit_that_is_not_the_last_calls_is_told_without_a_moment(world):
    at = FIRST + 4 * 24 * HOUR
    world.meter(
        call(at + HOUR, "openai", "gpt-5-mini", MINI), call(at + 2 * HOUR, "openai", "gpt-5-mini", {"output": 7000})
    )
    world.billing.inject(Late("openai", at + HOUR, at + HOUR + 1))
    (cause, *_) = [cause for cause in world.day("openai", DAYS[4]).causes if cause.kind == "late_data"]
    assert cause.detail == ""


def test_tokens_without_money_on_a_closed_day_are_free_ones_and_on_an_open_day_late(world):
    for number, kind in ((0, "free_tokens"), (4, "late_data")):
        at = FIRST + number * 24 * HOUR
        world.meter(call(at + HOUR, "openai", "gpt-5-mini", {"input": 100_000}), bill=False)
        usage = {"input_tokens": 100_000, "model": "gpt-5-mini", "num_model_requests": 1, "output_tokens": 0}
        start = at // 10**9
        page = {"data": [{"start_time": start, "results": [usage]}], "has_more": False}
        world.billing.answer_next(body=page)
        assert causes(world.day("openai", DAYS[number])) == {(kind, "gpt-5-mini"): Decimal("-0.025")}


def test_priority_tokens_that_were_metered_as_such_are_paid_by_commitment(world):
    world.meter(
        call(FIRST, "anthropic", "claude-opus-5", {"input": 1_000_000}, tier="priority"),
        call(FIRST, "anthropic", "claude-opus-5", {"input": 10}),
    )
    assert causes(world.day("anthropic")) == {("commitment", "claude-opus-5"): Decimal(-5)}


@pytest.mark.parametrize(
    ("provider", "model", "tier"), [("anthropic", "claude-opus-5", "priority"), ("openai", "gpt-5-mini", "scale")]
)
def test_tokens_of_a_commitment_that_was_not_known_are_counted_once(world, provider, model, tier):
    world.meter(
        call(FIRST, provider, model, {"input": 9000, "output": 1000}), call(FIRST, provider, model, {"input": 10})
    )
    world.billing.inject(BilledOtherwise(lambda used: used.units.get("output"), tier=tier))
    (cause,) = [cause for cause in world.day(provider).causes if cause.kind != "rounding"]
    assert (cause.kind, cause.what, cause.quantity) == ("commitment", tier, 10_000)
    assert cause.amount < 0


def test_keys_that_the_settings_name_as_ours_make_every_other_one_anothers(world):
    world.meter(call(FIRST, "openai", "gpt-5-mini", MINI))
    others = tuple(Used("openai", "gpt-5-mini", FIRST + HOUR, {"output": 1000}) for _ in range(3))
    world.billing.inject(OtherCalls(others, key="key_2"))
    world.billing.inject(OtherCalls(others, key=OUR_KEY))
    source = BillSource(key_env="TEST_ADMIN_KEY", url=world.billing.openai_url, our_keys=(OUR_KEY,))
    result = world.day("openai", settings=world.settings(openai=source))
    assert causes(result) == {
        ("other_key", "gpt-5-mini"): Decimal("0.006"),
        ("not_metered", "gpt-5-mini"): Decimal("0.006"),
    }
    assert [cause.what for cause in result.causes if cause.kind == "other_key"] == ["key_2"]


def test_too_many_keys_to_choose_among_are_left_to_the_settings(world):
    world.meter(call(FIRST, "openai", "gpt-5-mini", MINI))
    for number in range(14):
        world.billing.inject(
            OtherCalls((Used("openai", "gpt-5-mini", FIRST, {"output": 1000 + number}),), key=f"key_{number}")
        )
    assert set(causes(world.day("openai"))) == {("not_metered", "gpt-5-mini")}


def test_a_request_count_tells_an_estimate_from_another_program(world):
    world.meter(call(FIRST, "openai", "gpt-5-mini", MINI), estimated(FIRST + HOUR, "openai", "gpt-5-mini", 20_000_000))
    others = tuple(Used("openai", "gpt-5-mini", FIRST + HOUR, {"output": 5000}) for _ in range(4))
    world.billing.inject(OtherCalls(others))
    found = causes(world.day("openai"))
    assert found["not_metered", "gpt-5-mini"] == Decimal("0.02")
    assert abs(found.get(("estimated", "gpt-5-mini"), 0)) < Decimal("0.0001")


def test_an_estimate_explains_no_more_than_its_bound(world):
    world.meter(
        call(FIRST, "anthropic", "claude-opus-5", MINI), estimated(FIRST, "anthropic", "claude-opus-5", 10_000_000)
    )
    world.billing.inject(OtherCalls((Used("anthropic", "claude-opus-5", FIRST, {"output": 40_000}),)))
    found = causes(world.day("anthropic"))
    assert found == {("estimated", "claude-opus-5"): Decimal("0.02"), ("not_metered", "claude-opus-5"): Decimal("0.97")}


def test_a_surcharge_is_no_residency_where_the_book_knows_none(world):
    world.meter(call(FIRST, "openai", "gpt-5-mini", MINI))
    world.billing.inject(OtherRate("openai", DAYS[0], "gpt-5-mini", Fraction(11, 10)))
    assert set(causes(world.day("openai"))) == {("price_row", "gpt-5-mini")}


def test_a_bill_that_only_has_a_total_is_compared_in_one(world):
    world.meter(call(FIRST, "openai", "gpt-5-mini", MINI), bill=False)
    usage = {"input_tokens": 150_000, "input_cached_tokens": 50_000, "output_tokens": 20_000, "model": "gpt-5-mini"}
    answers(world, [usage], [{"amount": {"value": "0.06625", "currency": "usd"}, "line_item": "Completions"}])
    result = world.day("openai")
    assert (result.status, result.difference, result.complete) == ("matched", 0, True)


def test_a_line_item_of_nothing_known_was_not_metered_here(world):
    world.meter(call(FIRST, "openai", "gpt-5-mini", MINI), bill=False)
    usage = {"input_tokens": 150_000, "input_cached_tokens": 50_000, "output_tokens": 20_000, "model": "gpt-5-mini"}
    money = [
        {"amount": {"value": "0.06625", "currency": "usd"}, "line_item": "gpt-5-mini, all tokens"},
        {"amount": {"value": "3", "currency": "usd"}, "line_item": "Vector store storage"},
    ]
    answers(world, [usage], money)
    result = world.day("openai")
    assert [(cause.kind, cause.what, cause.amount) for cause in result.causes] == [
        ("not_metered", "Vector store storage", 3)
    ]


@pytest.mark.parametrize("factor", ["100", "0.01"])
def test_amounts_in_another_unit_than_documented_are_not_used(world, factor):
    world.meter(call(FIRST, "anthropic", "claude-opus-5", {"output": 4_000_000}))
    world.billing.inject(OtherRate("anthropic", DAYS[0], "claude-opus-5", Fraction(factor)))
    result = world.day("anthropic")
    assert (result.status, result.billed, result.complete) == ("missing", None, False)
    assert result.computed == 100
    assert "reconcile.anthropic.amounts" in result.notes[0]


def test_costs_without_usage_are_billed_and_not_told_apart(world):
    world.meter(call(FIRST, "anthropic", "claude-opus-5", {"output": 1000}))
    world.billing.inject(OtherRate("anthropic", DAYS[0], "claude-opus-5", Fraction(2)))
    world.billing.answer_next(403)
    result = world.day("anthropic")
    assert (result.status, result.complete) == ("missing", False)
    assert (result.billed, result.computed, result.unexplained) == (Decimal("0.05"), Decimal("0.025"), Decimal("0.025"))


def test_usage_without_costs_compares_tokens_and_keeps_the_computed_cost(world):
    world.meter(call(FIRST, "openai", "gpt-5-mini", MINI))
    for _ in range(7):
        world.billing.answer_next(body={"data": [{"start_time": FIRST // 10**9, "results": []}], "has_more": False})
    world.billing.answer_next(403)
    result = world.day("openai")
    assert (result.status, result.billed, result.computed) == ("missing", None, Decimal("0.06625"))
    assert {(row.unit, row.metered, row.billed) for row in result.tokens} == {
        (unit, number, 0) for unit, number in MINI.items()
    }


def test_money_that_answers_stated_is_compared_by_model(world):
    stated = call(FIRST, "openai", "gpt-5-mini", {}, units=None, cost_nano=5_000_000, cost_status="provider")
    world.meter(stated, bill=False)
    assert causes(world.day("openai")) == {("not_billed", "gpt-5-mini"): Decimal("-0.005")}


def test_refused_calls_and_local_answers_are_on_no_bill(world):
    world.meter(
        call(FIRST, "openai", "gpt-5-mini", {"input": 10**6}, status="refused"),
        call(FIRST, "openai", "gpt-5-mini", {"input": 10**6}, kind="cache_hit"),
        bill=False,
    )
    result = world.day("openai")
    assert (result.status, result.computed, result.causes) == ("matched", 0, ())


def test_calls_moved_from_batch_to_the_plain_interface_cost_more(world):
    world.meter(call(FIRST, "openai", "gpt-5-mini", MINI, batch=True))
    world.billing.inject(BilledOtherwise(lambda used: used.batch, batch=False))
    (cause,) = world.day("openai").causes
    assert (cause.kind, cause.what) == ("batch", "not billed as batch")
    assert cause.amount > 0


def test_a_day_without_calls_or_bill_matches(world):
    result = world.day("openai")
    assert (result.status, result.complete, result.computed, result.billed) == ("matched", True, 0, 0)


def test_the_other_key_of_the_stub_is_another_one():
    assert OTHER_KEY != OUR_KEY
