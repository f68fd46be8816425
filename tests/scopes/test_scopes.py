from __future__ import annotations

import asyncio
import contextvars

import pytest

from farebox import scopes
from farebox.budgets.budget import Budget
from farebox.budgets.gate import Gate
from farebox.core import context
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.core.money import Money

GATE = Gate(1)


def tracked(*args, **kwargs):
    return scopes.tracked(*args, make_budget=lambda amount: Budget(amount, gate=GATE), **kwargs)


def who() -> context.Attribution:
    return context.current().attribution


def test_tracked_names_the_work_of_a_function():
    @tracked("draft", tenant_id=42, tags={"run": 7})
    def work() -> context.Attribution:
        return who()

    assert work() == context.Attribution(task_type="draft", tenant_id="42", tags={"run": "7"})
    assert who() == context.NOBODY


def test_bare_tracked_names_the_task_after_the_function():
    @tracked
    def summarise() -> str | None:
        return who().task_type

    assert summarise() == "summarise"


def test_tracked_works_as_with_and_async_with_and_nests():
    with tracked("outer", chain_id="c", session_id="s"), tracked("inner", user_id="u", workspace_id="w"):
        assert who() == context.Attribution(
            task_type="inner", chain_id="c", session_id="s", user_id="u", workspace_id="w"
        )

    async def main() -> str | None:
        async with tracked("there"):
            return who().task_type

    assert asyncio.run(main()) == "there"


def test_tracked_leaves_a_generator_from_another_context():
    @tracked("stream")
    def work():
        yield who().task_type
        yield who().task_type

    generator = work()
    assert next(generator) == "stream"
    assert who().task_type is None
    assert contextvars.copy_context().run(next, generator) == "stream"
    contextvars.copy_context().run(generator.close)
    assert context.current() is context.ROOT


def test_an_amount_gives_each_call_a_budget_of_its_own_and_a_budget_is_shared():
    seen = []

    def work() -> None:
        budget = context.current().budgets[0]
        budget.charge("0.10")
        seen.append(budget)

    each = tracked("t", budget="0.15")(work)
    each()
    each()
    shared = tracked("t", budget=Budget(1, gate=GATE))(work)
    shared()
    shared()
    assert seen[0] is not seen[1]
    assert seen[2] is seen[3]
    assert seen[3].total_spent == Money("0.20")


def test_a_limit_that_cannot_be_used_is_refused_where_it_is_written():
    with pytest.raises(ConfigurationError, match="total_limit=-1"):
        tracked("t", budget=-1)
    with pytest.raises(ConfigurationError, match="tags="):
        tracked("t", tags="x")


def test_a_misspelt_argument_is_a_type_error():
    with pytest.raises(TypeError, match="tenant"):
        tracked("t", tenant="acme")


def test_capture_sums_up_what_is_known_and_counts_the_rest():
    captured = scopes.Capture()
    with captured:
        assert context.current().captures == (captured,)
    captured.calls.append(
        CallEvent(
            id="a", started_at=1, provider="p", operation="chat", units={"input": 3}, cost_nano=5, reasoning_tokens=1
        )
    )
    captured.calls.append(
        CallEvent(id="b", started_at=1, provider="p", operation="chat", units={"input": 4, "output": 1})
    )
    assert captured.usage.units == {"input": 7, "output": 1}
    assert captured.usage.reasoning == 1
    assert captured.cost.to_nano() == 5
    assert captured.unpriced == 1


def test_capture_and_suppress_decorate_too():
    captured = scopes.Capture()
    assert captured(lambda: context.current().captures)() == (captured,)
    assert scopes.Suppress()(lambda: context.current().suppressed)() is True
    assert context.current() is context.ROOT


def test_carry_binds_a_function_to_the_scope_it_was_made_in():
    with tracked("starter"):
        plain = scopes.carry(lambda: who().task_type)

        @scopes.carry
        async def later() -> str | None:
            return who().task_type

        @scopes.carry
        def pieces():
            yield who().task_type
            yield who().task_type

        assert contextvars.Context().run(list, pieces()) == ["starter", "starter"]
        assert contextvars.Context().run(plain) == "starter"
        assert contextvars.Context().run(asyncio.run, later()) == "starter"
    assert plain() is None  # the scope is closed: what was carried ends with it
