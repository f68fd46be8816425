from __future__ import annotations

import asyncio
import contextvars
import logging
import os

import pytest

from farebox.budgets.budget import Budget
from farebox.budgets.gate import Gate
from farebox.core import context
from farebox.core.errors import BudgetExceeded, ConfigurationError
from farebox.core.money import Money


@pytest.fixture
def gate() -> Gate:
    return Gate(1)


def inner() -> Budget | None:
    budgets = context.current().budgets
    return budgets[0] if budgets else None


def test_a_budget_binds_what_runs_inside_its_with(gate: Gate):
    with Budget(1, gate=gate) as budget:
        assert inner() is budget
        with Budget("0.5", gate=gate) as nested:
            assert context.current().budgets == (nested, budget)
        assert inner() is budget
    assert inner() is None


def test_what_an_inner_budget_spends_the_outer_one_spends_too(gate: Gate):
    with Budget(1, gate=gate) as outer, Budget(5, gate=gate) as nested:
        nested.charge("0.75", "t")
        assert outer.total_spent == Money("0.75")
        with pytest.raises(BudgetExceeded) as refused:
            nested.charge("0.50")
        assert refused.value.limit == 1
        assert nested.total_spent == Money("0.75")
    assert outer.per_task_spent == nested.per_task_spent == {"t": Money("0.75")}


def test_a_budget_works_as_async_with_and_as_decorator_of_any_kind_of_function(gate: Gate):
    seen = []

    async def main() -> None:
        async with Budget(1, gate=gate) as budget:
            assert inner() is budget
        assert inner() is None

    asyncio.run(main())

    @Budget(1, gate=gate, name="each")
    def work() -> None:
        budget = inner()
        budget.charge("0.60")
        seen.append(budget)

    work()
    work()
    assert [one.total_spent for one in seen] == [Money("0.60")] * 2
    assert seen[0] is not seen[1]
    assert seen[0].name == "each"


def test_leaving_from_another_context_raises_nothing_and_unbinds(gate: Gate):
    budget = Budget(1, gate=gate)
    budget.__enter__()
    contextvars.copy_context().run(budget.__exit__, None, None, None)
    assert inner() is None
    budget.__exit__(None, None, None)
    with budget:
        assert inner() is budget


def test_a_budget_entered_again_inside_itself_counts_once(gate: Gate):
    with Budget(1, gate=gate) as budget, budget:
        budget.charge("0.10")
        assert context.current().budgets == (budget,)
    assert budget.total_spent == Money("0.10")
    assert inner() is None


def test_one_budget_entered_by_many_tasks_is_one_budget(gate: Gate):
    budget = Budget(1, gate=gate)

    async def work() -> None:
        async with budget:
            await asyncio.sleep(0)
            budget.charge("0.10")

    async def main() -> None:
        await asyncio.gather(*(work() for _ in range(10)))

    asyncio.run(main())
    assert budget.total_spent == 1
    assert budget.remaining == 0
    assert budget.utilization == 1.0


def test_charge_takes_the_task_of_the_surrounding_scope(gate: Gate):
    with Budget(1, {"draft": "0.10"}, gate=gate) as budget:
        context.enter(attribution=context.Attribution(task_type="draft"))
        budget.charge("0.10")
        with pytest.raises(BudgetExceeded, match="for task 'draft'"):
            budget.charge("0.01")
        budget.charge("0.01", "other")
    assert budget.per_task_spent == {"draft": Money("0.10"), "other": Money("0.01")}


def test_without_a_limit_a_budget_only_counts(gate: Gate):
    budget = Budget(gate=gate)
    budget.charge(1000)
    assert (budget.total_limit, budget.remaining, budget.utilization) == (None, None, 0.0)
    assert budget.total_spent == 1000


def test_a_limit_of_nothing_refuses_what_costs_and_allows_what_is_free(gate: Gate):
    budget = Budget(0, gate=gate)
    budget.charge(0)
    with pytest.raises(BudgetExceeded):
        budget.charge("0.000000001")
    assert budget.utilization == 0.0


def test_a_soft_budget_warns_once_and_tells(gate: Gate, caplog: pytest.LogCaptureFixture):
    told = []
    budget = Budget("0.10", gate=gate, strength="soft", name="n", on_exceeded=told.append)
    with caplog.at_level(logging.WARNING, "farebox"):
        for _ in range(3):
            budget.charge("0.20")
    assert caplog.text.count("soft budget n") == 1
    assert len(told) == 1
    assert told[0].limit == Money("0.10")
    assert budget.total_spent == Money("0.60")


def test_a_refusal_is_told_to_on_exceeded(gate: Gate):
    told = []
    budget = Budget("0.10", gate=gate, on_exceeded=told.append)
    with pytest.raises(BudgetExceeded) as refused:
        budget.charge(1)
    assert told == [refused.value]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_budget_used_in_a_forked_child_warns_once_there(gate: Gate, caplog: pytest.LogCaptureFixture):
    budget = Budget(1, gate=gate, name="parents")
    gate.renew(2)  # what the fork hook does in the child
    with caplog.at_level(logging.WARNING, "farebox"):
        budget.charge("0.10")
        budget.charge("0.10")
    assert caplog.text.count("budget parents was made in process 1") == 1


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"total_limit": -1}, "total_limit=-1"),
        ({"total_limit": float("nan")}, "total_limit=nan"),
        ({"per_task_limits": {"a": "x"}}, r"per_task_limits\['a'\]='x'"),
        ({"strength": "hardest"}, "strength='hardest'.*'soft', 'hard' or 'strict'"),
    ],
)
def test_terms_that_cannot_be_used_are_refused_by_name(gate: Gate, terms: dict, message: str):
    with pytest.raises(ConfigurationError, match=message):
        Budget(**terms, gate=gate)


def test_a_budget_shows_what_it_is(gate: Gate):
    assert repr(Budget("1.50", gate=gate, name="x")) == "<Budget x hard: $0.00 of $1.50>"
    assert repr(Budget(gate=gate)) == "<Budget unnamed hard: $0.00 of no limit>"
    assert Budget(1, gate=gate).reserved == 0
