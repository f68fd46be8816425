from __future__ import annotations

import time

import pytest
from flat import request

from farebox import scopes
from farebox.budget_settings import budget_row
from farebox.budgets.budget import Budget
from farebox.budgets.memory_store import MemoryBudgetStore
from farebox.budgets.standing import StandingBudgets
from farebox.core.errors import BudgetExceeded
from farebox.core.event import LINE_BY_LINE, CallRequest, Told
from farebox.core.usage import Usage


def used(prompt, out=0):
    return Usage(units={"input": prompt, "output": out}, raw={"input_tokens": prompt, "output_tokens": out})


def told(key, usage=None, *, operation="chat", model="m", **facts):
    return Told(key, CallRequest("openai", operation, "responses", model), usage, model, key, 1_795_000_000, **facts)


def test_what_is_told_twice_is_written_and_charged_once(meter, journal, gate):
    with Budget("0.001", gate=gate) as budget, scopes.Capture() as captured:
        for _ in range(3):
            meter.tell(told("resp_1", used(10, 20)))
    assert [event.cost_nano for event in journal.events] == [50]
    assert journal.events[0].started_at == 1_795_000_000 * 10**9
    assert (budget.total_spent.to_nano(), len(captured.calls)) == (50, 1)


def test_background_work_keeps_the_scope_that_it_was_begun_under_and_is_charged_the_difference(meter, journal, gate):
    with Budget("0.001", gate=gate) as budget, scopes.tracked("research", tenant_id="t", make_budget=None):
        meter.open(request()).settle(None, key="resp_1", created=1_795_000_000, pending=True, response_id="resp_1")
        begun = journal.events[0]
        assert (begun.cost_status, begun.cost_nano, budget.total_spent.to_nano()) == ("estimated", 276, 276)
        with scopes.tracked("polling", make_budget=None):
            meter.tell(told("resp_1", pending=True))
            meter.tell(told("resp_1", used(10, 20)))
        assert budget.total_spent.to_nano() == 50
    later = journal.events[-1]
    assert (len(journal.events), later.id, later.started_at) == (2, begun.id, begun.started_at)
    assert (later.tenant_id, later.task_type, later.cost_nano, later.cost_status) == ("t", "research", 50, "priced")


def test_a_capture_around_both_tellings_holds_one_event(meter):
    with scopes.Capture() as captured:
        meter.open(request()).settle(None, key="resp_1", created=5, pending=True)
        meter.tell(Told("resp_1", CallRequest("openai", "chat", "responses", "m"), used(1), "m", created=5))
    assert [event.cost_nano for event in captured.calls] == [1]


def test_the_slot_of_a_call_takes_the_id_of_what_was_billed(meter, journal):
    call = meter.open(request())
    before = call.id
    call.settle(used(1), key="resp_1")
    assert journal.renamed == [(0, before, call.id)]
    assert journal.events[0].id == call.id != before


def test_an_answer_whose_id_was_seen_before_is_a_call_of_its_own(meter, journal):
    for _ in range(2):
        meter.open(request()).settle(used(1), key="the_same_for_every_answer")
    first, second = journal.events
    assert first.id != second.id


@pytest.mark.parametrize("first", ["whole", "lines"])
def test_of_a_batch_and_its_lines_the_lines_count(meter, journal, gate, first):
    whole = told("batch_1", used(30, 30), operation="batch", group="file_1")
    lines = [told(f"line_{number}", used(10, 10), group="file_1") for number in range(3)]
    with Budget("0.001", gate=gate) as budget, scopes.Capture() as captured:
        for one in (whole, *lines) if first == "whole" else (*lines, whole):
            meter.tell(one)
    assert captured.cost.to_nano() == budget.total_spent.to_nano() == 90
    batch = next(event for event in captured.calls if event.operation == "batch")
    assert (batch.cost_nano, batch.usage_notes, batch.batch) == (0, (LINE_BY_LINE,), True)
    assert {event.parent_id for event in captured.calls} == {batch.parent_id}


def test_lines_that_cost_more_than_their_batch_are_charged_what_is_beyond_it(meter, gate):
    with Budget("0.001", gate=gate) as budget:
        meter.tell(told("batch_1", used(30), operation="batch", group="file_1"))
        meter.tell(told("line_1", used(20), group="file_1"))
        assert budget.total_spent.to_nano() == 30
        meter.tell(told("line_2", used(25), group="file_1"))
    assert budget.total_spent.to_nano() == 45


def test_a_batch_that_goes_on_has_no_price_and_one_that_failed_costs_nothing(meter, journal):
    meter.tell(told("batch_1", used(0), operation="batch", pending=True))
    meter.tell(told("batch_1", operation="batch", void=True, status="error"))
    meter.tell(told("batch_1", operation="batch", void=True, status="error"))
    going, failed = journal.events
    assert (going.cost_status, going.cost_nano) == ("unpriced", None)
    assert "not finished" in going.cost_missing[0]
    assert (failed.id, failed.cost_nano, failed.status) == (going.id, 0, "error")


def test_what_grows_is_told_anew_and_charged_its_growth(meter, journal, gate):
    with Budget("0.001", gate=gate) as budget:
        meter.tell(told("session_1", used(10)))
        meter.tell(told("session_1", used(25)))
    assert [event.cost_nano for event in journal.events] == [10, 25]
    assert budget.total_spent.to_nano() == 25


def test_a_thing_without_a_price_is_counted_as_such_once(meter, gate, journal):
    with Budget(gate=gate) as budget:
        meter.tell(told("x", used(1), model="unknown"))
        meter.tell(told("x", used(1), model="unknown"))
    assert (budget.unpriced_calls, len(journal.events)) == (1, 1)


def test_memory_is_bounded_and_what_is_forgotten_is_told_again(meter, journal, monkeypatch):
    monkeypatch.setattr("farebox.meter.retold._REMEMBERED", 2)
    for key in ("a", "b", "c", "c", "a"):
        meter.tell(told(key, used(1)))
    assert len(journal.events) == 4
    assert len({event.id for event in journal.events}) == 3


def test_attempts_that_nobody_answered_are_charged_beside_the_answer(meter, journal, gate):
    with Budget("0.01", gate=gate) as budget:
        meter.open(request()).settle(used(10, 20), attempts=3, unanswered=2)
    (event,) = journal.events
    assert (event.cost_nano, event.cost_status, event.attempts) == (50 + 2 * 276, "estimated", 3)
    assert event.cost_low_nano == 50
    assert event.cost_high_nano >= event.cost_nano
    assert budget.total_spent.to_nano() == event.cost_nano


def test_an_unanswered_attempt_of_a_model_without_a_price_changes_nothing(meter, journal):
    meter.open(request("unknown")).settle(used(10), unanswered=1)
    assert journal.events[0].cost_status == "unpriced"


def test_what_was_inferred_from_an_answer_is_an_estimate(meter, journal):
    meter.open(request()).settle(used(10), rough=True)
    (event,) = journal.events
    assert (event.cost_nano, event.cost_status, event.cost_low_nano) == (10, "estimated", 10)
    assert event.cost_high_nano == 276


def test_a_rough_usage_without_a_price_stays_unpriced(meter, journal):
    meter.open(request("unknown")).settle(used(10), rough=True)
    assert journal.events[0].cost_nano is None


def counted(meter):
    """What budgets of money, tokens and calls have counted, over all time."""
    standing = meter.holding.standing
    readings = [standing._store().read(one.name, one.terms, 0) for one in standing.active]
    return {
        one.name: (sum(r.spent for r in read), sum(r.held for r in read))
        for one, read in zip(standing.active, readings, strict=True)
    }


@pytest.fixture
def standing(meter):
    store = MemoryBudgetStore()
    meter.holding.standing = StandingBudgets(
        [
            budget_row("money", limit=1, window="month"),
            budget_row("tokens", limit={"tokens": 10**6}, window="day"),
            budget_row("calls", limit={"calls": 10}, window="24h"),
        ],
        store=lambda: store,
        stored=lambda: False,
    )


def test_standing_budgets_are_charged_the_difference_of_background_work(meter, standing):
    now = time.time_ns() // 10**9
    call = meter.open(request())
    held = counted(meter)["tokens"][1]
    assert counted(meter) == {"money": (0, 276), "tokens": (0, held), "calls": (0, 1)}
    call.settle(None, key="resp_1", created=now, pending=True)
    assert counted(meter) == {"money": (276, 0), "tokens": (held, 0), "calls": (1, 0)}
    for _ in range(2):
        meter.tell(Told("resp_1", CallRequest("openai", "chat", "responses", "m"), used(10, 20), "m", created=now))
    assert counted(meter) == {"money": (50, 0), "tokens": (30, 0), "calls": (1, 0)}


@pytest.mark.parametrize("first", ["whole", "lines"])
def test_standing_budgets_count_the_lines_of_a_batch_in_its_place(meter, standing, first):
    whole = told("batch_1", used(30, 30), operation="batch", group="file_1")
    lines = [told(f"line_{number}", used(10, 10), group="file_1") for number in range(3)]
    for one in (whole, *lines) if first == "whole" else (*lines, whole):
        meter.tell(one)
    assert (counted(meter)["money"], counted(meter)["tokens"]) == ((90, 0), (60, 0))


def test_a_call_that_was_cut_is_charged_as_its_event_is_and_a_refused_one_is_not(meter, journal, standing):
    meter.open(request()).settle(None, status="cancelled")
    meter.open(request()).settle(None, status="error", billable=False)
    assert [event.cost_nano for event in journal.events] == [276, 0]
    assert counted(meter)["money"] == (276, 0)
    meter.holding.standing.set(budget_row("calls", limit={"calls": 2}, window="24h"))
    with pytest.raises(BudgetExceeded, match="'calls'"):
        meter.open(request())
    assert (journal.events[-1].status, journal.events[-1].cost_nano) == ("refused", 0)
    assert counted(meter)["money"] == (276, 0)
