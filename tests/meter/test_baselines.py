"""What a call would have cost otherwise, as the meter writes it."""

from __future__ import annotations

import pytest
from flat import Kept, request

from farebox import scopes
from farebox.core import context
from farebox.core.context import Attribution
from farebox.core.usage import Usage
from farebox.meter import Meter

USED = Usage(units={"input": 30, "output": 10}, raw={"prompt_tokens": 30, "completion_tokens": 10})


def tracked(model):
    return scopes.tracked(baseline_model=model, make_budget=None)


def test_a_call_in_flight_carries_its_baseline_and_the_reason(meter: Meter, journal: Kept):
    with scopes.tracked("t", make_budget=None):
        context.route(Attribution(baseline_model="m", route_reason="short"))
        call = meter.open(request())
    (noted,) = journal.in_flight.values()
    assert (noted.status, noted.baseline_model, noted.route_reason) == ("lost", "m", "short")
    assert noted.baseline_cost_nano is None
    call.settle(USED)
    (event,) = journal.events
    assert (event.baseline_model, event.route_reason, event.baseline_cost_nano) == ("m", "short", 50)


def test_the_price_of_a_baseline_is_asked_for_only_where_there_is_one(meter: Meter, prices, monkeypatch):
    asked = []
    plain = prices.quote
    monkeypatch.setattr(prices, "quote", lambda usage, **more: asked.append(more["model"]) or plain(usage, **more))
    meter.open(request()).settle(USED)
    assert asked == ["m"]
    with tracked("x"):
        meter.open(request()).settle(USED)
    assert asked == ["m", "m", "x", "x", "x"]  # of the call's own provider, and of two others
    meter.open(request()).settle(Usage(units={"input": 3, "cache_read": 4}, raw={"prompt_tokens": 7}))
    assert asked[5:] == ["m", "m"]


@pytest.mark.parametrize("ending", [{"partial": True}, {"rough": True}, {"unanswered": 1}, {"pending": True}])
def test_an_estimate_is_held_against_nothing(meter: Meter, journal: Kept, ending: dict):
    with tracked("m"):
        meter.open(request()).settle(Usage(units={"input": 30, "cache_read": 5}, raw={"prompt_tokens": 35}), **ending)
    (event,) = journal.events
    assert event.cost_status in ("estimated", "unpriced")
    assert (event.baseline_model, event.baseline_cost_nano, event.uncached_cost_nano) == ("m", None, None)


def test_a_fault_of_the_book_costs_no_event(meter: Meter, prices, journal: Kept):
    from farebox.core import guard

    guard.raise_faults(enabled=False)
    prices.broken = True
    with tracked("m"):
        meter.record(request(), USED, quote=(5, "provider", ()))
    hit = meter.record_hit(request(), USED, cache="local")
    assert [(one.cost_nano, one.baseline_cost_nano) for one in journal.events] == [(5, None), (0, None)]
    assert hit is journal.events[1]
