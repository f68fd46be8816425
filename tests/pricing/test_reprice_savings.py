"""Pricing anew: baselines, uncached costs, operations and what local caches answered."""

from __future__ import annotations

import pytest

import farebox
from farebox.core.event import emptied
from farebox.pricing import installed
from farebox.pricing.reprice import Repricing

USAGE = {"input": 1000, "output": 100}


def price(units, model, at):
    return farebox.price(farebox.Usage(units=units), provider="openai", model=model, at=at).nano


@pytest.fixture
def reprice():
    return Repricing(installed.current())


def test_a_baseline_and_an_uncached_cost_are_filled_in(reprice, make_event):
    units = {"input": 400, "cache_read": 600, "output": 100}
    event = make_event(units=units, cost_nano=1, baseline_model="gpt-5")
    again = reprice(event)
    assert again.cost_nano == price(units, "gpt-5-mini", event.started_at)
    assert again.baseline_cost_nano == price(units, "gpt-5", event.started_at)
    assert again.uncached_cost_nano == price(USAGE, "gpt-5-mini", event.started_at)
    assert reprice(again) is None


def test_a_baseline_that_has_no_price_any_more_stays_as_it_was(reprice, make_event):
    event = make_event(units=USAGE, cost_nano=1, baseline_model="gone", baseline_cost_nano=77)
    assert reprice(event).baseline_cost_nano == 77


def test_a_lower_bound_is_held_against_nothing(reprice, make_event):
    event = make_event(units={**USAGE, "input_tool": 5}, cost_nano=None, cost_status="unpriced", baseline_model="gpt-5")
    again = reprice(event)
    assert (again.cost_status, again.baseline_cost_nano, again.uncached_cost_nano) == ("partial", None, None)


def test_a_stored_cache_would_not_have_been_made_without_one(reprice, make_event):
    event = make_event(provider="google", request_model="gemini-2.5-flash", operation="context_cache", units={"cache_token_seconds": 10**9}, cost_nano=1)  # fmt: skip
    again = reprice(event)
    assert (again.cost_nano > 0, again.uncached_cost_nano) == (True, 0)


def test_what_a_local_cache_answered_still_costs_nothing(reprice, make_event):
    event = make_event(kind="cache_hit", units=USAGE, cost_nano=0, baseline_model="gpt-5-mini", baseline_cost_nano=None)
    again = reprice(event)
    assert (again.cost_nano, again.cost_status) == (0, "priced")
    assert again.baseline_cost_nano == price(USAGE, "gpt-5-mini", event.started_at)
    assert reprice(again) is None
    assert reprice(make_event(kind="cache_hit", units=USAGE, cost_nano=0, request_model="gone")) is None
    assert reprice.tallies["openai", "gpt-5-mini"].after == 0


def test_a_batch_whose_lines_are_billed_stays_at_0(reprice, make_event):
    whole = make_event(operation="batch", batch=True, raw_usage={"input_tokens": 5, "output_tokens": 5})
    assert reprice(emptied(whole)) is None
