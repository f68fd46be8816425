"""The functions of the face for budgets that processes share, standing ones and others, thin over the runtime. May import the runtime and everything below it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from farebox import runtime
from farebox.budget_settings import ALERTS, BudgetRow, StandingStrength, budget_row
from farebox.budgets.budget import Budget
from farebox.budgets.shared import attach
from farebox.budgets.status import BudgetStatus, status
from farebox.core.errors import BudgetExceeded, ConfigurationError
from farebox.core.money import Amount, parse_amount

TENANT_WINDOWS: Final = {"hourly": "hour", "daily": "day", "monthly": "month"}
"""Windows of a tenant's budgets; the rows are called "tenants hourly" and so on."""

EVERY: Final = "*"
"""The template: every tenant that is not named."""


def attach_budget(token: str, *, on_exceeded: Callable[[BudgetExceeded], object] | None = None) -> Budget:
    """The budget of another process, to be used as `with`, `async with` or decorator: what is spent here is spent of it.

    It has the limits, strength and `wait` that it was made with, except for a `bound` that is a function. It is made by
    `track_budget(shared=True)` and ends where that was made; from then on calls are refused here.

    Args:
        token: the `token` of that budget, however it came here: as an argument, in the environment, by a queue.
        on_exceeded: called with the `BudgetExceeded` when a call of this process is refused, or a soft limit is first passed.

    Raises:
        ConfigurationError: it is no token, it has ended, or it is of another store (machine, or `ledger`) than this process has.
        LedgerError: the store cannot be read.
    """
    return attach(token, home=runtime.home, gate=runtime.gate, on_exceeded=on_exceeded)


def set_budget(
    name: str,
    *,
    limit: Amount | Mapping[str, int],
    window: str,
    per: str | None = None,
    match: Mapping[str, str | Sequence[str]] | None = None,
    strength: StandingStrength = "hard",
    alert_at: Sequence[float] = ALERTS,
    overrides: Mapping[str, Amount | None] | None = None,
) -> None:
    """Set a budget that holds across calls and, with the default store, across the processes of this machine.

    Args:
        name: what reports and errors call it; a budget of that name is replaced, and goes on with what it has spent if unit, window
            and `per` stay the same.
        limit: US dollars; or `{"tokens": n}` (input and output together), or `{"calls": n}`.
        window: "hour", "day", "week" (from Monday) or "month", in the setting `time_zone` or the zone named behind it
            ("month Europe/Berlin"); or a rolling length: "90m", "24h", "7d", "4w". A rolling window is counted in sixtieths of its
            length: it holds over every span of that length, and forgets what was spent up to a sixtieth late.
        per: `tenant_id`, `workspace_id`, `user_id`, `task_type`, `model`, `provider` or "tag:NAME": each value has a bucket of its own,
            and so have the calls without one.
        match: value, or values, by dimension: only calls with one of them count. A value that ends in "*" is a beginning.
        strength: "hard" refuses a call that will probably not fit before it is sent; "strict" one that might not fit, or that has no
            proven ceiling; "soft" only counts.
        alert_at: shares of the limit that alerts are sent at.
        overrides: limit by value of `per`; None: no limit for that one.

    Raises:
        ConfigurationError: a value cannot be used; the message names it and the remedy.
    """
    row = budget_row(
        name,
        limit=limit,
        window=window,
        per=per,
        match=match,
        strength=strength,
        alert_at=alert_at,
        overrides=overrides,
    )
    runtime.current().budgets.set(lambda _: [row])


def set_tenant_budget(
    tenant_id: object,
    *,
    max_hourly_cost: Amount | None = None,
    max_daily_cost: Amount | None = None,
    max_monthly_cost: Amount | None = None,
) -> None:
    """Set what a tenant may spend, in place of what was set for it before.

    Args:
        tenant_id: the tenant, as `tracked` is given it; "*" for every tenant that is not named, each by itself, and for the calls
            without a tenant, together.
        max_hourly_cost: US dollars in an hour of the clock; None: no limit.
        max_daily_cost: US dollars in a day of the setting `time_zone`; None: no limit.
        max_monthly_cost: US dollars in a month; None: no limit.

    Raises:
        ConfigurationError: not a tenant, or not an amount.
    """
    tenant = "" if tenant_id is None else str(tenant_id)
    if not tenant:
        raise ConfigurationError(
            f"tenant_id={tenant_id!r} cannot be used: give a tenant, or '*' for every one not named"
        )
    given = {"hourly": max_hourly_cost, "daily": max_daily_cost, "monthly": max_monthly_cost}
    limits = {
        which: None if amount is None else parse_amount(amount, what=f"max_{which}_cost")
        for which, amount in given.items()
    }
    for which, amount in given.items():
        if amount is not None:  # the bounds of a budget's limit, under the name that the user wrote
            budget_row(f"max_{which}_cost", limit=amount, window=TENANT_WINDOWS[which])

    def rows(before: dict[str, BudgetRow]) -> list[BudgetRow]:
        return [_tenants(before.get(f"tenants {which}"), which, tenant, limit) for which, limit in limits.items()]

    runtime.current().budgets.set(rows)


def _tenants(row: BudgetRow | None, which: str, tenant: str, limit: int | None) -> BudgetRow:
    """The row of all tenants with one tenant's limit in it."""
    if row is None:
        row = BudgetRow(name=f"tenants {which}", limit=None, unit="usd", window=TENANT_WINDOWS[which], per="tenant_id")
    if tenant == EVERY:
        return msgspec.structs.replace(row, limit=limit)
    # A tenant that is named has only the limits that it is given: without one it is in no bucket of the template's either.
    return msgspec.structs.replace(row, overrides={**row.overrides, tenant: limit})


def budget_status(name: str | None = None, *, tenant_id: object = None) -> list[BudgetStatus]:
    """How the standing budgets in force here stand, bucket by bucket, in the window of now. Holds of dead processes are charged first.

    Args:
        name: only this budget; None: all of them.
        tenant_id: only budgets that are per tenant, and of those only this tenant's bucket.

    Raises:
        ConfigurationError: there is no budget of that name.
        LedgerError: the store cannot be read.
    """
    now = time.time_ns()
    here = runtime.current().budgets
    here.standing.look(now)
    rows = [one for one in here.standing.active if name is None or one.name == name]
    if name is not None and not rows:
        names = ", ".join(repr(one.name) for one in here.standing.active) or "none"
        raise ConfigurationError(f"there is no budget {name!r} here: there are {names}")
    if not rows:
        return []
    here.standing.sweep(now)
    return status(rows, here.store(), now, tenant_id=None if tenant_id is None else str(tenant_id))
