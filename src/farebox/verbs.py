"""The functions of the face, thin over the runtime. May import the runtime and everything below it."""

from __future__ import annotations

import difflib
import functools
import os
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar, overload

from farebox import runtime, scopes
from farebox.budgets.budget import Bound, Budget, Strength
from farebox.budgets.shared import SharedBudget
from farebox.core import context, semconv
from farebox.core.errors import BudgetExceeded, ConfigurationError
from farebox.core.event import CallEvent, CallRequest
from farebox.core.money import Amount, parse_amount
from farebox.core.ports import Ledger
from farebox.core.usage import Usage
from farebox.extraction.read import read
from farebox.pricing import guess, installed
from farebox.pricing.guess import Estimate
from farebox.tier_settings import Tier

F = TypeVar("F", bound=Callable[..., Any])

_LONGEST = 10**9
"""Seconds; a call that took thirty years is a mistake."""
_WARN_TOKENS = 10_000
_STATUSES = {
    semconv.STATUS_OK,
    semconv.STATUS_ERROR,
    semconv.STATUS_CANCELLED,
    semconv.STATUS_ABANDONED,
}


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
    *, provider: str, model: str, rates: Mapping[str, Amount], effective_from: date | str | None = None
) -> None:
    """Set what a model costs, in this process: a negotiated price, or one that the book does not know.

    It replaces the book's standard prices of that model, dated snapshots of it included, and holds for calls that start from now
    on; `farebox reprice` corrects those in the ledger by the prices of the settings.

    Args:
        provider: who bills it.
        model: its name.
        rates: unit → US dollars for a million tokens, a thousand calls or an hour; `{"input": "0.25", "output": 2}`, for example.
        effective_from: first day (UTC) that it holds for; None: for all time.

    Raises:
        PriceError: a unit, a price or the day cannot be used; nothing was changed.
    """
    since = effective_from.isoformat() if isinstance(effective_from, date) else effective_from
    written = {unit: repr(given) if isinstance(given, float) else str(given) for unit, given in rates.items()}
    installed.set_price(provider=provider, model=model, rates=written, effective_from=since)
    runtime.prices_changed()


def should_warn_cost(content: Any, *, model: str, tokens: int = _WARN_TOKENS, cost: Amount | None = None) -> bool:
    """Whether a prompt is longer than `tokens`, or dearer than `cost` dollars when that is given."""
    limit = None if cost is None else parse_amount(cost, what="cost")
    found = _expected(content, model, None, None, client=None, at_ns=time.time_ns())
    if found.input_tokens > tokens:
        return True
    return limit is not None and found.expected is not None and found.expected.to_nano() > limit


def record_call(
    *,
    provider: str,
    model: str,
    usage: Usage | Mapping[str, Any],
    operation: str = semconv.CHAT,
    cost: Amount | None = None,
    duration: float | None = None,
    status: str = semconv.STATUS_OK,
    response_id: str | None = None,
    started_at: datetime | None = None,
    tags: Mapping[str, object] | None = None,
) -> CallEvent:
    """Write a call that no instrument saw, for example one of another client library. Budgets around it are charged.

    Args:
        provider: who bills it.
        model: the model that answered.
        usage: the provider's usage object, as plain data or as the SDK gives it; or a `Usage`. Empty where the provider told only
            money or time: the cost is then `cost`, else unknown.
        operation: OpenTelemetry's operation name.
        cost: dollars, when the provider stated them; None: priced by the book.
        duration: seconds.
        status: "ok", "error", "cancelled" or "abandoned".
        response_id: the provider's id of the answer.
        started_at: when it was sent; default: now. Must have a time zone.
        tags: more names to group by.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    _check_record(operation, status, started_at, duration, provider, model, usage)
    found = usage if isinstance(usage, Usage) else read(usage, api=None, provider=provider)
    request = CallRequest(provider=provider, operation=operation, api="", model=model)
    nano = None if cost is None else parse_amount(cost, what="cost")
    with tracked(tags=tags):
        return runtime.current().meter.record(
            request,
            found,
            quote=None if nano is None else (nano, semconv.COST_PROVIDER, ()),
            duration_ns=None if duration is None else int(Decimal(repr(duration)).scaleb(9)),
            started_at=None if started_at is None else int(started_at.timestamp() * 1_000_000) * 1000,
            status=status,
            response_id=None if response_id is None else str(response_id),
        )


def _check_record(*given: Any) -> None:
    """Refuse what `record_call` cannot use, whatever its type is."""
    operation, status, started_at, duration, provider, model, usage = given
    if operation not in semconv.OPERATIONS:
        raise ConfigurationError(
            f"operation={operation!r} is not known: use one of {', '.join(sorted(semconv.OPERATIONS))}"
        )
    if status not in _STATUSES:
        raise ConfigurationError(f"status={status!r} is not known: use one of {', '.join(sorted(_STATUSES))}")
    if started_at is not None and (not isinstance(started_at, datetime) or started_at.tzinfo is None):
        raise ConfigurationError(
            f"started_at={started_at!r} is no moment with a time zone: give datetime.now(UTC), for example"
        )
    if duration is not None and (
        isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 <= duration < _LONGEST
    ):
        raise ConfigurationError(f"duration={duration!r} cannot be used: give seconds of at least 0")
    for what, name in (("provider", provider), ("model", model)):
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"{what}={name!r} cannot be used: give a name")
    if not isinstance(usage, Usage | Mapping) and not hasattr(usage, "model_dump"):
        raise ConfigurationError(f"usage={usage!r} cannot be used: give the provider's usage object")
    if (less := _negative(usage.units if isinstance(usage, Usage) else usage)) is not None:
        raise ConfigurationError(f"usage has {less!r}, which is less than nothing: give counts of at least 0")


def _negative(value: Any) -> Any:
    """The first number below 0 in a usage object, or None."""
    if isinstance(value, Mapping):
        return next((less for item in value.values() if (less := _negative(item)) is not None), None)
    return value if isinstance(value, int | float | Decimal) and value < 0 else None


def open_ledger(path_or_url: str | os.PathLike[str] | None = None, *, read_only: bool = False) -> Ledger:
    """Open the ledger for questions; close it, or use it as a `with`.

    Args:
        path_or_url: default: the ledger that this process writes to.
        read_only: True: neither bring in what dead processes left, nor write anything.

    Raises:
        LedgerError: there is no such ledger, or it cannot be used.
    """
    return runtime.current().open_ledger(path_or_url, read_only=read_only)


LATER = {
    "CostTracker": "reports",
    "compat": "reports",
    "query_with_tracking": "reconciliation",
    "record_cache_hit": "savings",
    "record_operation": "reports",
    "record_route": "savings",
}
"""Names of the agreed face that come with a later part."""


def missing(name: str, available: list[str]) -> AttributeError:
    """What `farebox.<name>` raises for a name that it does not have."""
    if name in LATER:
        return AttributeError(f"farebox.{name} comes with a later version ({LATER[name]}); this one does not have it")
    near = difflib.get_close_matches(name, available, n=1)
    hint = f": did you mean {near[0]!r}?" if near else ""
    return AttributeError(f"module 'farebox' has no attribute {name!r}{hint}")
