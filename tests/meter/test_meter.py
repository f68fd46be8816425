from __future__ import annotations

import gc
import logging

import pytest
from flat import Flat, Kept, request

from farebox import scopes
from farebox.budgets.budget import Budget
from farebox.budgets.gate import Gate
from farebox.core import context, guard
from farebox.core.errors import BudgetExceeded, ConfigurationError
from farebox.core.money import Money
from farebox.core.usage import Usage
from farebox.meter import Meter
from farebox.pricing.assume import AssumedRates
from farebox.pricing.estimate import Estimator

USED = Usage(
    units={"input": 30, "output": 10},
    raw={"prompt_tokens": 30, "completion_tokens": 10},
    reasoning=4,
    service_tier="default",
)


def test_a_call_becomes_an_event_with_its_cost_and_attribution(meter: Meter, journal: Kept):
    with scopes.tracked("draft", tenant_id="acme", tags={"run": 1}, make_budget=None):
        call = meter.open(request())
        call.settle(USED, model="m", response_id="r1")
    (event,) = journal.events
    assert (event.cost_nano, event.cost_status, event.price_book) == (50, "priced", "book-1")
    assert (event.input_tokens, event.output_tokens, event.reasoning_tokens) == (30, 10, 4)
    assert event.raw_usage == USED.raw
    assert (event.tenant_id, event.task_type, event.tags, event.service) == ("acme", "draft", {"run": "1"}, "tests")
    assert (event.provider, event.server_address, event.request_model, event.response_id) == (
        "openai",
        "api.example",
        "m",
        "r1",
    )
    assert event.duration_ns > 0
    assert event.cost == Money("0.00000005")
    assert journal.in_flight == {}


def test_the_request_body_is_let_go_when_the_call_is_open(meter: Meter):
    asked = request()
    call = meter.open(asked)
    assert asked.body is None
    call.settle(USED)


def test_settling_twice_counts_once(meter: Meter, journal: Kept):
    call = meter.open(request())
    call.settle(USED)
    call.settle(None, status="cancelled")
    assert len(journal.events) == 1


def test_a_call_in_flight_is_noted_as_the_event_it_becomes_if_the_process_dies(meter: Meter, journal: Kept):
    call = meter.open(request())
    (noted,) = journal.in_flight.values()
    assert (noted.id, noted.status, noted.cost_status) == (call.id, "lost", "estimated")
    assert noted.cost_nano == 60 + 16 + 200
    call.settle(USED)
    meter.open(request("unknown"))
    assert next(iter(journal.in_flight.values())).cost_status == "unpriced"


def test_a_budget_holds_the_estimate_and_is_charged_the_actual_cost(meter: Meter, gate: Gate):
    with Budget("0.000001", gate=gate) as budget:
        call = meter.open(request())
        assert budget.reserved.to_nano() == 276
        call.settle(USED, model="m")
    assert (budget.total_spent.to_nano(), budget.reserved.to_nano()) == (50, 0)


def test_a_refused_call_opens_nothing_and_leaves_an_event_of_its_own(meter: Meter, gate: Gate, journal: Kept):
    with Budget("0.0000001", gate=gate, name="small"), pytest.raises(BudgetExceeded):
        meter.open(request())
    (event,) = journal.events
    assert (event.status, event.cost_nano, event.error_type, event.budget) == ("refused", 0, "BudgetExceeded", "small")
    assert meter.open_calls == set()
    assert journal.in_flight == {}


def test_after_one_call_equal_calls_use_a_budget_up_exactly(meter: Meter, gate: Gate):
    sent = 0
    with Budget("0.0000005", gate=gate) as budget:
        for _ in range(15):
            try:
                call = meter.open(request())
            except BudgetExceeded:
                continue
            sent += 1
            call.settle(USED, model="m")
    assert sent == 10
    assert budget.remaining == 0


@pytest.mark.parametrize("status", ["cancelled", "error", "abandoned"])
def test_a_call_of_unknown_outcome_is_charged_what_it_held(meter: Meter, gate: Gate, journal: Kept, status: str):
    with Budget("0.000001", gate=gate) as budget:
        meter.open(request()).settle(None, status=status, error_type="TimeoutError")
    assert budget.total_spent.to_nano() == 276
    (event,) = journal.events
    assert (event.cost_nano, event.cost_status, event.status) == (276, "estimated", status)
    assert (event.cost_low_nano, event.cost_high_nano) == (14, 276)  # the input alone, if its text is dense
    assert event.input_tokens is None


def test_what_cannot_have_been_billed_costs_nothing(meter: Meter, gate: Gate, journal: Kept):
    with Budget("0.000001", gate=gate) as budget:
        meter.open(request()).settle(None, status="error", error_type="RateLimitError", billable=False)
    assert budget.total_spent == 0
    assert budget.reserved == 0
    assert (journal.events[0].cost_nano, journal.events[0].cost_status) == (0, "priced")


def test_a_stream_that_ended_without_usage_is_estimated_by_its_pieces(meter: Meter, journal: Kept):
    meter.open(request(stream=True)).settle(None, pieces=40)
    (event,) = journal.events
    assert (event.cost_nano, event.cost_status) == (76 + 80, "estimated")
    assert event.cost_low_nano == 14
    assert event.cost_high_nano == 276


def test_a_stream_cut_with_partial_usage_keeps_the_exact_part(meter: Meter, journal: Kept):
    seen = Usage(units={"input": 30, "output": 1}, raw={})
    meter.open(request(stream=True)).settle(seen, status="abandoned", partial=True, pieces=3)
    (event,) = journal.events
    assert (event.cost_nano, event.cost_status) == (30 + 200, "estimated")
    assert event.cost_low_nano == 32
    assert event.input_tokens == 30


def test_an_unknown_model_is_unpriced_and_warned_of_once(meter: Meter, journal: Kept, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "farebox"):
        for _ in range(3):
            meter.open(request("new")).settle(USED, model="new-2026")
        meter.open(request("new")).settle(None, status="cancelled")
    assert [(event.cost_nano, event.cost_status) for event in journal.events] == [(None, "unpriced")] * 4
    assert journal.events[0].cost_missing == ("model new",)
    assert caplog.text.count("has no price") == 1


def test_the_model_asked_for_prices_an_answer_whose_name_is_unknown(meter: Meter, journal: Kept):
    meter.open(request("m")).settle(USED, model="deployment-7")
    assert journal.events[0].cost_nano == 50


def test_a_hard_budget_refuses_a_model_without_a_price_unless_told_otherwise(prices: Flat, journal: Kept, gate: Gate):
    denying = Meter(prices=prices, estimator=Estimator(prices), gate=gate, journal=journal)
    with Budget(1, gate=gate, name="b"), pytest.raises(BudgetExceeded, match=r"has no price.*on_unpriced='allow'"):
        denying.open(request("new"))
    with Budget(gate=gate) as unlimited, Budget(1, gate=gate, strength="soft"):
        denying.open(request("new")).settle(USED)
    assert unlimited.unpriced_calls == 1
    allowing = Meter(prices=prices, estimator=Estimator(prices), gate=gate, journal=journal, on_unpriced="allow")
    with Budget(1, gate=gate) as budget:
        allowing.open(request("new")).settle(USED)
    assert budget.unpriced_calls == 1


def test_suppressed_calls_write_nothing_and_still_spend(meter: Meter, gate: Gate, journal: Kept):
    with Budget("0.000001", gate=gate) as budget, scopes.Capture() as captured, scopes.Suppress():
        meter.open(request()).settle(USED, model="m")
        assert journal.in_flight == {}
    assert journal.events == []
    assert len(captured.calls) == 1
    assert budget.total_spent.to_nano() == 50


def test_a_capture_takes_calls_opened_inside_it_even_when_they_settle_later(meter: Meter):
    with scopes.Capture() as captured:
        call = meter.open(request())
    meter.open(request()).settle(USED)
    call.settle(USED, model="m")
    assert [event.id for event in captured.calls] == [call.id]


def test_a_fault_of_pricing_is_swallowed_charged_as_held_and_written_as_unpriced(
    meter: Meter, prices: Flat, gate: Gate, journal: Kept
):
    guard.raise_faults(enabled=False)
    with Budget("0.000001", gate=gate) as budget:
        call = meter.open(request())
        prices.broken = True
        call.settle(USED)
    assert budget.total_spent.to_nano() == 276
    assert (journal.events[0].cost_nano, journal.events[0].cost_missing) == (None, ("fault",))
    assert guard.faults["pricing: ArithmeticError"] == 1


def test_without_a_price_book_events_are_written_all_the_same(journal: Kept, gate: Gate):
    class Gone:
        """A book that cannot even be opened."""

        def __getattr__(self, name: str) -> object:
            raise OSError("no book")

    guard.raise_faults(enabled=False)
    meter = Meter(prices=Gone(), estimator=Estimator(Gone()), gate=gate, journal=journal)
    meter.open(request()).settle(USED, model="m")
    (event,) = journal.events
    assert (event.cost_nano, event.cost_status, event.price_book) == (None, "unpriced", None)
    assert event.input_tokens == 30


@pytest.mark.parametrize(("policy", "sent"), [("allow", True), ("deny", False)])
def test_a_gate_that_fails_does_as_configured(prices: Flat, journal: Kept, policy: str, sent: bool):
    class Failing(Gate):
        def reserve(self, *args: object) -> object:
            raise RuntimeError("gate is broken")

    gate = Failing(1)
    meter = Meter(prices=prices, estimator=Estimator(prices), gate=gate, journal=journal, on_gate_error=policy)
    with Budget(1, gate=gate):
        if sent:
            meter.open(request()).settle(USED)
        else:
            with pytest.raises(BudgetExceeded, match="on_gate_error is 'deny'"):
                meter.open(request())
    assert guard.faults["budget gate: RuntimeError"] == 1


def test_an_estimate_that_fails_lets_the_call_go_unestimated(meter: Meter, journal: Kept):
    guard.raise_faults(enabled=False)
    asked = request()
    asked.model = object()  # no name at all: not even hashable lookups may break the call
    asked.provider = []
    call = meter.open(asked)
    call.settle(None, status="cancelled")
    assert journal.events[0].cost_status == "unpriced"


def test_calls_still_open_at_exit_are_ended_with_what_their_stream_saw(meter: Meter, journal: Kept):
    plain, streaming = meter.open(request()), meter.open(request(stream=True))
    streaming.on_exit = lambda: streaming.settle(USED, model="m", status="abandoned")
    meter.settle_open_calls()
    assert sorted((event.status, event.cost_status) for event in journal.events) == [
        ("abandoned", "estimated"),
        ("abandoned", "priced"),
    ]
    plain.settle(USED)
    assert len(journal.events) == 2


def test_after_a_fork_calls_in_flight_belong_to_the_parent(meter: Meter, journal: Kept):
    call = meter.open(request())
    meter.leave_in_child()
    call.settle(USED)
    assert journal.events == []


def test_the_baseline_model_prices_the_same_usage(meter: Meter, journal: Kept):
    with scopes.tracked("t", baseline_model="m", make_budget=None):
        meter.open(request("new")).settle(USED)
    assert (journal.events[0].cost_nano, journal.events[0].baseline_cost_nano) == (None, 50)


def test_a_recorded_call_charges_budgets_and_cannot_be_refused(meter: Meter, gate: Gate, journal: Kept):
    with Budget("0.00000001", gate=gate) as budget:
        event = meter.record(request(), USED, duration_ns=5, status="error", response_id="r", started_at=7)
    assert (event.cost_nano, event.duration_ns, event.started_at, event.status) == (50, 5, 7, "error")
    assert budget.total_spent.to_nano() == 50
    assert journal.events == [event]
    assert meter.record(request(), None).cost_status == "unpriced"
    assert meter.record(request(), USED, quote=(9, "provider", ())).cost_nano == 9


def test_the_first_chunk_is_marked_once(meter: Meter, journal: Kept):
    call = meter.open(request(stream=True))
    call.first_chunk()
    call.first_chunk()
    call.settle(USED)
    assert 0 < journal.events[0].first_chunk_ns < journal.events[0].duration_ns


def test_a_settled_call_is_freed_without_the_garbage_collector(meter: Meter):
    gc.collect()
    gc.disable()
    try:
        call = meter.open(request())
        call.settle(USED)
        del call
        assert not [one for one in gc.get_objects() if type(one).__name__ == "PaidCall"]
    finally:
        gc.enable()


def test_no_scope_is_left_behind():
    assert context.current() is context.ROOT


def test_a_model_without_a_price_is_booked_at_what_is_assumed_and_stays_unpriced(
    prices: Flat, journal: Kept, gate: Gate
):
    assumed = AssumedRates({"input": "1000", "output": "2000"})
    assuming = Meter(prices=prices, estimator=Estimator(prices), gate=gate, journal=journal, on_unpriced=assumed)
    with Budget(1, gate=gate) as budget:
        assuming.open(request("new")).settle(USED)
        assert budget.total_spent == Money.from_nano(assumed.cost(USED))
        assert budget.unpriced_calls == 0
        assert journal.events[0].cost_nano is None
        assuming.record(request("new"), USED)
        assert budget.total_spent == Money.from_nano(2 * assumed.cost(USED))
        held = assuming.open(request("new"))
        assert held.reservation is not None
        before, amount = budget.total_spent, held.reservation.amount
        held.settle(None, status="cancelled")
        assert amount > 0
        assert budget.total_spent - before == Money.from_nano(amount)
    with Budget("0.000000001", gate=gate), pytest.raises(BudgetExceeded):
        assuming.open(request("new"))


def test_an_assumption_of_an_unknown_unit_is_refused():
    with pytest.raises(ConfigurationError, match="did you mean 'input'"):
        AssumedRates({"inptu": "1"})
