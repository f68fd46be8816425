"""The functions of the face, thin over the runtime. May import the runtime and everything below it."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, TypeVar, overload

from farebox import runtime, scopes
from farebox.budgets.budget import Bound, Budget, Strength
from farebox.budgets.shared import SharedBudget
from farebox.core import context
from farebox.core.errors import BudgetExceeded, ConfigurationError
from farebox.core.money import Amount, parse_amount
from farebox.core.ports import Ledger
from farebox.pricing import guess, installed
from farebox.pricing.guess import Estimate
from farebox.tier_settings import Tier

F = TypeVar("F", bound=Callable[..., Any])

_WARN_TOKENS = 10_000


def track_budget(
    total_limit: Amount | None = None,
    per_task_limits: Mapping[str, Amount] | None = None,
    *,
    tier: str | None = None,
    name: str | None = None,
    strength: Strength = "hard",
    wait: float = 0.0,
    bound: Bound | None = None,
    shared: bool = False,
    on_exceeded: Callable[[BudgetExceeded], object] | None = None,
) -> Budget:
    """A budget for the calls made inside its `with` (or `async with`, or the function it decorates).

    Args:
        total_limit: US dollars, as `int`, `float`, `str` or `Decimal`; None: no limit, only a count.
        per_task_limits: US dollars by `task_type`, beside the total.
        tier: name of a set of limits in the settings (`tiers`), which also names the budget; limits given here come before its own.
        name: what reports and errors call it.
        strength: "hard" refuses a call that will probably not fit before it is sent; "strict" holds what a call can cost at most, so that
            it is never overspent: it refuses what has no proven ceiling, and may send a call without the SDK's retries or with a lower
            cap on its output, where the money left asks for it; "soft" only warns.
        wait: seconds that a call which does not fit waits at most, where only calls in flight are in the way; 0: it is refused at once.
            It never waits on what its own task or thread holds (an open stream, say), nor in a thread whose event loop is running.
        bound: dollars that one attempt of a call outside of the table of ceilings costs at most, as you state it, or a function that
            says so of a `CallRequest` (None: it does not know); for strict budgets only.
        shared: whether other processes of this machine may spend of it: forked ones by themselves, others by
            `attach_budget(budget.token)`. It is counted beside the ledger (see the setting `budget_store`; "memory" shares it with nobody).
        on_exceeded: called with the `BudgetExceeded` when a call is refused, or a soft limit is first passed.

    Raises:
        ConfigurationError: a limit is no amount of at least 0, or something is asked for that this version lacks.
    """
    if tier is not None:
        limits = _tier(tier)
        total_limit = limits.total if total_limit is None else total_limit
        per_task_limits = {**limits.per_task, **(per_task_limits or {})}
        name = tier if name is None else name
    kind = functools.partial(SharedBudget, home=runtime.home) if shared else Budget
    return kind(
        total_limit,
        per_task_limits,
        gate=runtime.gate,
        name=name,
        strength=strength,
        wait=wait,
        bound=bound,
        on_exceeded=on_exceeded,
    )


def _tier(name: str) -> Tier:
    tiers = runtime.current().settings.tiers or {}
    if name not in tiers:
        known = (
            f"use one of {', '.join(sorted(tiers))}"
            if tiers
            else 'set one under tiers, for example [tiers.standard] total = "1.50"'
        )
        raise ConfigurationError(f"tier={name!r} is not known: {known}")
    return tiers[name]


def current_budget() -> Budget | None:
    """The innermost budget that binds calls made here, or None."""
    budgets = context.current().budgets
    return budgets[0] if budgets else None


track_request_budget = track_budget
"""The older name of `track_budget`."""

current_request_tracker = current_budget
"""The older name of `current_budget`."""


@overload
def tracked(task_type: F, /) -> F: ...


@overload
def tracked(
    task_type: str | None = None,
    *,
    tenant_id: object = None,
    workspace_id: object = None,
    user_id: object = None,
    chain_id: object = None,
    session_id: object = None,
    budget: Budget | Amount | None = None,
    baseline_model: str | None = None,
    tags: Mapping[str, object] | None = None,
) -> scopes.Tracked: ...


def tracked(
    task_type: Any = None,
    *,
    tenant_id: object = None,
    workspace_id: object = None,
    user_id: object = None,
    chain_id: object = None,
    session_id: object = None,
    budget: Budget | Amount | None = None,
    baseline_model: str | None = None,
    tags: Mapping[str, object] | None = None,
) -> Any:
    """Name the work that calls are made for: a decorator of any kind of function, or a `with`; see `scopes.tracked`."""
    return scopes.tracked(
        task_type,
        tenant_id=tenant_id,
        workspace_id=workspace_id,
        user_id=user_id,
        chain_id=chain_id,
        session_id=session_id,
        budget=budget,
        baseline_model=baseline_model,
        tags=tags,
        make_budget=track_budget,
    )


def capture() -> scopes.Capture:
    """Collect the events of the calls opened inside its `with`: `.calls`, `.usage`, `.cost`."""
    return scopes.Capture()


def suppress() -> scopes.Suppress:
    """Write no events for the calls opened inside its `with`. Budgets still count and refuse them."""
    return scopes.Suppress()


def estimate(
    content: Any,
    *,
    model: str,
    provider: str | None = None,
    max_output_tokens: int | None = None,
    client: Any = None,
) -> Estimate:
    """What a call with this content would probably cost.

    Args:
        content: a text, a list of messages, or a whole request body.
        model: as it would be asked for.
        provider: who would bill it; None: the provider of the three SDKs that has this model.
        max_output_tokens: the output cap, where the content does not say it.
        client: a synchronous client of openai, anthropic or google-genai: its provider is asked for the count of the input, by one
            request, which is free. Where it cannot count (an error, an older SDK, a Google system instruction off Vertex), the
            count is made here as without it. None: nothing is sent.

    Returns:
        Dollars, tokens, `.ceiling`, which one attempt can never pass (None where no bound is proven), and `.how`, which says where the count is from: "count_tokens" (the provider), "tiktoken" (its vocabulary,
        where it lies on this machine already) or "bytes" (an upper ratio).

    Raises:
        ConfigurationError: the content, the cap or the client cannot be used.
        PriceError: no provider was given, and none of the three has the model.
    """
    from farebox.meter.supposed import with_ceiling

    now = time.time_ns()
    found = _expected(content, model, provider, max_output_tokens, client=client, at_ns=now)
    who = guess.provider_of(model, now) if provider is None else provider
    return with_ceiling(found, content, model=model, provider=who, max_output_tokens=max_output_tokens, at_ns=now)


def _expected(content: Any, model: str, provider: str | None, cap: int | None, *, client: Any, at_ns: int) -> Estimate:
    return guess.estimate(
        content,
        model=model,
        provider=provider,
        max_output_tokens=cap,
        client=client,
        assumed_output_tokens=runtime.current().settings.assumed_output_tokens,
        at_ns=at_ns,
    )


def on_alert(function: F) -> F:
    """Have a function called with every `Alert`: budgets that run out, refusals, models without a price, journal trouble, dear calls.

    It is called in a background thread, one alert after the other; whatever it raises stays inside. Works as a decorator.

    Raises:
        ConfigurationError: it cannot be called.
    """
    if not callable(function):
        raise ConfigurationError(f"on_alert({function!r}) cannot be used: give a function of one argument")
    runtime.listen(function)
    return function


def set_price(
    *,
    provider: str,
    model: str | None = None,
    operation: str | None = None,
    rates: Mapping[str, Amount],
    effective_from: date | str | None = None,
) -> None:
    """Set what a model or another operation costs, in this process: a negotiated price, or one that the book does not know.

    It replaces the book's standard prices of that model, dated snapshots of it included, and holds for calls that start from now
    on; `farebox reprice` corrects those in the ledger by the prices of the settings.

    Args:
        provider: who bills it.
        model: its name.
        operation: instead of a model, the kind that `record_operation` is given, "vector.search" for example.
        rates: unit → US dollars for a million tokens, a thousand calls or an hour; `{"input": "0.25", "output": 2}`, for example. Units
            of an operation that no model has are priced one by one; one that is not counted has the unit "operations".
        effective_from: first day (UTC) that it holds for; None: for all time.

    Raises:
        PriceError: a unit, a price or the day cannot be used; nothing was changed.
        ConfigurationError: not exactly one of model and operation is given.
    """
    name = operation if model is None else model
    if name is None or (model is not None and operation is not None):
        raise ConfigurationError(f"model={model!r}, operation={operation!r}: give one of them")
    since = effective_from.isoformat() if isinstance(effective_from, date) else effective_from
    written = {unit: repr(given) if isinstance(given, float) else str(given) for unit, given in rates.items()}
    installed.set_price(
        provider=provider, model=name, rates=written, effective_from=since, any_unit=operation is not None
    )
    runtime.prices_changed()


def should_warn_cost(content: Any, *, model: str, tokens: int = _WARN_TOKENS, cost: Amount | None = None) -> bool:
    """Whether a prompt is longer than `tokens`, or dearer than `cost` dollars when that is given."""
    limit = None if cost is None else parse_amount(cost, what="cost")
    found = _expected(content, model, None, None, client=None, at_ns=time.time_ns())
    if found.input_tokens > tokens:
        return True
    return limit is not None and found.expected is not None and found.expected.to_nano() > limit


def open_ledger(path_or_url: str | os.PathLike[str] | None = None, *, read_only: bool = False) -> Ledger:
    """Open the ledger for questions; close it, or use it as a `with`.

    Args:
        path_or_url: default: the ledger that this process writes to.
        read_only: True: neither bring in what dead processes left, nor write anything.

    Raises:
        LedgerError: there is no such ledger, or it cannot be used.
    """
    return runtime.current().open_ledger(path_or_url, read_only=read_only)
