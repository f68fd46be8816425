from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from pathlib import Path

import pytest

import farebox
from farebox import runtime
from farebox.core import guard
from farebox.core.errors import BudgetExceeded, ConfigurationError
from farebox.core.money import Money
from farebox.testing import FakeProvider

MODEL = "gpt-4o-mini"


def ask(client, **changes):
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "Tell me of the lighthouse."}], "max_tokens": 100}
    return client.chat.completions.create(**(asked | changes))


def billed(provider) -> Money:
    total = Money(0)
    for one in provider.billed:
        cost = farebox.price(one.usage, provider="openai", model=MODEL, api="chat.completions")
        assert cost.amount is not None
        total += cost.amount
    return total


@pytest.fixture(scope="module")
def one_call():
    """What a call like `ask` is billed."""
    with FakeProvider("max") as scratch, scratch.openai_client() as client:
        ask(client)
        return billed(scratch)


def test_a_daily_limit_of_a_tenant_refuses_the_call_that_does_not_fit(provider, one_call):
    farebox.instrument()
    farebox.set_tenant_budget("acme", max_daily_cost=one_call * 4)
    with provider.openai_client(max_retries=0) as client:
        sent = refused = 0
        with farebox.tracked(tenant_id="acme"):
            for _ in range(10):
                try:
                    ask(client)
                except BudgetExceeded:
                    refused += 1
                else:
                    sent += 1
            with pytest.raises(BudgetExceeded, match="'tenants daily' for tenant_id 'acme'"):
                ask(client)
        assert sent + refused == 10
        assert 2 <= sent <= 4
        assert len(provider.billed) == sent
        assert billed(provider) <= one_call * 4
        (status,) = farebox.budget_status(tenant_id="acme")
        assert (status.name, status.bucket, status.calls) == ("tenants daily", "acme", sent)
        assert (status.spent, status.held) == (billed(provider), 0)
        with farebox.tracked(tenant_id="globex"):
            ask(client)  # nobody set a limit for it
    farebox.flush()
    with farebox.open_ledger() as ledger:
        rows = {row["status"]: row for row in ledger.by("status", tenant_id="acme")}
    assert rows["refused"]["calls"] == refused + 1
    assert Money.from_nano(rows["ok"]["cost_nano"]) == status.spent


def test_the_template_binds_every_tenant_that_is_not_named(provider, one_call):
    farebox.instrument()
    farebox.set_tenant_budget("*", max_hourly_cost=0)
    farebox.set_tenant_budget("named", max_monthly_cost=one_call * 100)
    with provider.openai_client(max_retries=0) as client:
        for tenant in ("any", None):
            with farebox.tracked(tenant_id=tenant), pytest.raises(BudgetExceeded, match="'tenants hourly'"):
                ask(client)
        with farebox.tracked(tenant_id="named"):
            ask(client)
    assert [(one.name, one.bucket, one.calls) for one in farebox.budget_status(tenant_id="named")] == [
        ("tenants monthly", "named", 1)
    ]
    assert len(provider.billed) == 1


def test_a_refusal_leaves_nothing_held_in_a_request_budget_either(provider, one_call):
    farebox.instrument()
    farebox.set_budget("one call a day", limit={"calls": 1}, window="day")
    with provider.openai_client(max_retries=0) as client, farebox.track_budget(one_call * 50) as budget:
        ask(client)
        with pytest.raises(BudgetExceeded, match="one call a day"):
            ask(client)
        assert (budget.reserved, budget.total_spent) == (0, billed(provider))


def test_a_failing_request_is_settled_at_nothing_and_a_cancelled_one_is_charged(provider, one_call):
    farebox.instrument()
    farebox.set_budget("all", limit=one_call * 100, window="24h")
    with provider.openai_client(max_retries=0) as client:
        provider.answer_next(status=400)
        with pytest.raises(Exception, match="400"):
            ask(client)
    (status,) = farebox.budget_status("all")
    assert (status.spent, status.held, status.calls) == (0, 0, 1)

    async def cancelled():
        async with provider.async_openai_client(max_retries=0) as client:
            with provider.hold():
                task = asyncio.create_task(ask(client))
                await asyncio.to_thread(provider.wait_for_requests, 2)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    asyncio.run(cancelled())
    (status,) = farebox.budget_status("all")
    assert status.held == 0
    assert status.spent > 0


def test_what_is_recorded_by_hand_is_charged_and_cannot_be_refused():
    farebox.set_budget("all", limit=1, window="day", per="task_type")
    with farebox.tracked("draft"):
        event = farebox.record_call(
            provider="openai", model=MODEL, usage={"prompt_tokens": 1000, "completion_tokens": 10}, cost=3
        )
    (status,) = farebox.budget_status("all")
    assert (status.bucket, status.spent, status.calls, status.over) == ("draft", event.cost, 1, True)


def test_settings_have_budgets_and_the_program_wins_over_them(provider, monkeypatch, tmp_path, one_call):
    (tmp_path / "farebox.toml").write_text(
        'time_zone = "Europe/Berlin"\n[[budgets]]\nname = "all"\nlimit = 0\nwindow = "month"\nmatch = { model = "gpt-4o*" }\n'
    )
    monkeypatch.chdir(tmp_path)
    farebox.instrument()
    with provider.openai_client(max_retries=0) as client:
        with pytest.raises(BudgetExceeded, match="month Europe/Berlin"):
            ask(client)
        farebox.set_budget("all", limit=one_call * 10, window="month")
        ask(client)
        farebox.configure(service="anew")
        ask(client)
    assert [one.calls for one in farebox.budget_status()] == [2]
    with pytest.raises(ConfigurationError, match="no budget 'other' here: there are 'all'"):
        farebox.budget_status("other")


@pytest.mark.parametrize("policy", ["allow", "deny"])
def test_a_store_that_fails_follows_on_gate_error(provider, one_call, policy):
    farebox.instrument(on_gate_error=policy)
    farebox.set_budget("all", limit=one_call * 10, window="day")
    guard.raise_faults(enabled=False)
    Path(runtime.current().budgets.path).write_bytes(b"no database at all, and long enough to be read as one" * 20)
    with provider.openai_client(max_retries=0) as client:
        if policy == "deny":
            with pytest.raises(BudgetExceeded, match="the budget gate failed"):
                ask(client)
            assert not provider.requests
        else:
            ask(client)
    assert any(kind.startswith("budget gate") for kind in guard.faults)


def test_a_call_that_went_while_the_store_was_locked_is_counted_afterwards(provider, one_call):
    farebox.instrument(gate_timeout=0.1)
    farebox.set_budget("all", limit=one_call * 10, window="day")
    guard.raise_faults(enabled=False)
    with provider.openai_client(max_retries=0) as client:
        ask(client)
        with contextlib.closing(sqlite3.connect(runtime.current().budgets.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            ask(client)
            assert time.monotonic() - began < 5
            other.execute("ROLLBACK")
        ask(client)
    (status,) = farebox.budget_status("all")
    assert (status.spent, status.held, status.calls) == (billed(provider), 0, 3)


def test_a_model_without_a_price_is_refused_where_money_has_a_limit(provider):
    farebox.instrument()
    farebox.set_budget("money", limit=1, window="day", match={"model": "mystery"})
    with provider.openai_client(max_retries=0) as client:
        with pytest.raises(BudgetExceeded, match="'mystery' has no price, so budget money cannot hold its cost"):
            ask(client, model="mystery")
        farebox.set_budget("money", limit={"tokens": 10**6}, window="day", match={"model": "mystery"})
        ask(client, model="mystery")
    assert farebox.budget_status("money")[0].spent == sum(
        one.usage["prompt_tokens"] + one.usage["completion_tokens"] for one in provider.billed
    )


def test_a_store_in_memory_writes_no_file(provider, one_call):
    farebox.instrument(budget_store="memory")
    farebox.set_budget("all", limit=one_call * 10, window="day")
    with provider.openai_client(max_retries=0) as client:
        ask(client)
    farebox.configure(service="anew")
    assert farebox.budget_status("all")[0].calls == 1
    assert not runtime.current().budgets.path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_and_its_parent_share_the_budget(provider, one_call):
    farebox.instrument()
    farebox.set_budget("calls", limit={"calls": 3}, window="month")
    with provider.openai_client(max_retries=0) as client:
        ask(client)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with provider.openai_client(max_retries=0) as own:
                    ask(own)
                    ask(own)
                    try:
                        ask(own)
                    except BudgetExceeded:
                        code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with pytest.raises(BudgetExceeded, match="'calls'"):
            ask(client)
    assert len(provider.billed) == 3
