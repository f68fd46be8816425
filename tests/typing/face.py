"""User code that must type-check under mypy and pyright, strict. Never run."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import farebox
from farebox import BudgetExceeded, CallEvent, Money


def budgets() -> Money | None:
    with farebox.track_budget(2, shared=True) as shared, farebox.attach_budget(shared.token) as attached:
        print(attached.remaining)
    with farebox.track_budget(1.50, per_task_limits={"analysis": "0.75"}, name="request") as budget:
        budget.charge(Decimal("0.10"), "analysis")
        share: float = budget.utilization
        print(f"{share:.0%}", budget.per_task_spent["analysis"] / 0.75 * 100)
        spent: Money = budget.total_spent + 1
        print(spent, farebox.current_budget())
        return budget.remaining


def standing() -> list[Money | Decimal]:
    farebox.set_budget(
        "each", limit=20, window="day Europe/Berlin", per="tenant_id", overrides={"acme": "100", "free": None}
    )
    farebox.set_budget("calls", limit={"calls": 500}, window="24h", match={"model": ["gpt-5*"]}, strength="soft")
    farebox.set_tenant_budget("*", max_hourly_cost=Decimal(1), max_daily_cost=5.5)
    return [status.remaining for status in farebox.budget_status("each", tenant_id="acme") if not status.over]


@farebox.track_budget(1, strength="soft")
def decorated(count: int) -> str:
    return str(count)


async def asynchronous() -> None:
    async with farebox.track_request_budget("2.00") as budget:
        print(budget.total_limit)


@farebox.tracked(task_type="analysis", tenant_id=3, tags={"run": 1})
def tracked(text: str) -> int:
    return len(text)


@farebox.tracked
async def streaming() -> AsyncIterator[str]:
    yield "a"


@farebox.capture()
def captured() -> Iterator[int]:
    yield 1


def reading() -> list[CallEvent]:
    with farebox.capture() as seen, farebox.suppress():
        print(seen.cost, seen.usage.input_tokens, seen.unpriced)
    cost = farebox.price({"input_tokens": 1}, provider="anthropic", model="claude-sonnet-5", at=dt.datetime.now(dt.UTC))
    print(cost.amount, cost.status, [line.unit for line in cost.lines], cost.missing)
    print(farebox.estimate("text", model="gpt-5-mini").expected, farebox.should_warn_cost("text", model="gpt-5-mini"))
    print(farebox.estimate(["text"], model="claude-sonnet-5", max_output_tokens=9, client=object()).how)
    farebox.set_price(
        provider="openai", model="m", rates={"input": "1", "output": 2.5}, effective_from=dt.date(2026, 1, 1)
    )
    return seen.calls


def recording() -> CallEvent:
    return farebox.record_call(provider="openai", model="gpt-5-mini", usage={"prompt_tokens": 3}, duration=0.5)


def life() -> bool:
    farebox.configure(ledger="x.db", durability="process")
    with farebox.instrument("openai", service="api") as handle:
        print(handle.names)
    farebox.uninstrument()
    with_ledger = farebox.open_ledger("x.db", read_only=True)
    print(with_ledger.by("model"))
    return farebox.flush(1.0) and farebox.shutdown()


def refused(error: BudgetExceeded) -> tuple[str | None, Decimal | None, str | None]:
    return error.budget, error.limit, error.task_type


print(decorated(1).upper(), farebox.carry(decorated)(2).lower())
