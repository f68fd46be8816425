"""What budgets say when they cannot pay: which one, how much is left, when there will be money again. Imports core, accounts and the port."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from farebox.budgets.store import Denied, Draw
from farebox.core.errors import BudgetExceeded
from farebox.core.money import Money

if TYPE_CHECKING:
    from farebox.budgets.account import Account
    from farebox.budgets.matching import Standing
    from farebox.budgets.reservation import Holder


def counted(unit: str, amount: int) -> Decimal:
    """An amount as people compute with it: dollars, or the plain number."""
    return Money.from_nano(amount) if unit == "usd" else Decimal(amount)


def said(unit: str, amount: int) -> str:
    """An amount in a sentence."""
    return f"${Money.from_nano(amount)}" if unit == "usd" else f"{amount:,} {unit if amount != 1 else unit.rstrip('s')}"


def named(standing: Standing, bucket: str) -> str:
    """A budget and its bucket in a sentence."""
    per = standing.row.per
    if per is None:
        return f"budget {standing.name!r}"
    return (
        f"budget {standing.name!r} for {per} {bucket!r}"
        if bucket
        else f"budget {standing.name!r} for calls without {per}"
    )


def moment(nanoseconds: int) -> datetime:
    """A moment in UTC."""
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC)


def refusal(standing: Standing, draw: Draw, denied: Denied) -> BudgetExceeded:
    """The error for a call that does not fit."""
    unit, limit = draw.unit, draw.limit or 0
    window = standing.window
    resets_at = moment(window.leaves(denied.oldest) if window.rolling else draw.until)
    in_flight = f" and {said(unit, denied.held)} held by calls in flight" if denied.held else ""
    again = "its oldest part leaves the window" if window.rolling else "it starts anew"
    about = "that can take up to" if standing.row.strength == "strict" else "of about"
    return BudgetExceeded(
        f"{named(standing, draw.bucket)}, {said(unit, limit)} in {'' if window.rolling else 'one '}{window.text}, cannot pay a call "
        f"{about} {said(unit, draw.amount)}: {said(unit, denied.spent)} spent{in_flight}; {again} at {resets_at:%Y-%m-%d %H:%M:%S} UTC. "
        "Nothing was sent.",
        budget=standing.name,
        limit=counted(unit, limit),
        spent=counted(unit, denied.spent),
        reserved=counted(unit, denied.held),
        asked=counted(unit, draw.amount),
        bucket=draw.bucket or None,
        window=window.text,
        resets_at=resets_at,
        unit=unit,
        strength=standing.row.strength,
    )


def cannot_pay(budget: Holder, account: Account, amount: int, ceiling: int, task_type: str | None) -> BudgetExceeded:
    """The error for a call that does not fit into a request budget, or its limit for a task."""
    of_task = task_type is not None and account is not budget.account
    limit, spent, held = (Money.from_nano(value) for value in (account.limit or 0, account.spent, account.held))
    asked = Money.from_nano(ceiling if account.strict else amount)
    whose = f"budget {budget.name!r}" if budget.name else "the budget"
    which = f"the limit of {whose} for task {task_type!r}" if of_task else whose
    in_flight = f" and ${held} held by calls in flight" if account.held else ""
    what = f"that can cost up to ${asked}" if account.strict else f"of about ${asked}"
    return BudgetExceeded(
        f"{which}, ${limit}, cannot pay a call {what}: ${spent} spent{in_flight}. Nothing was sent.",
        budget=budget.name,
        limit=limit,
        spent=spent,
        reserved=held,
        asked=asked,
        task_type=task_type if of_task else None,
        strength="strict" if account.strict else "hard",
        holder=budget,
    )


def closed(budget: Holder) -> BudgetExceeded:
    """The error for a shared budget of which nothing can be held any more."""
    return BudgetExceeded(
        f"shared budget {budget.name or '(unnamed)'} has ended: the process that made it has left its `with` or ended itself, "
        "or its store was removed. Nothing was sent.",
        budget=budget.name,
        strength=budget.strength,
        holder=budget,
    )


def in_another_process(budget: Holder) -> BudgetExceeded:
    """The error for a strict budget that is used in a child of the process that made it."""
    return BudgetExceeded(
        f"strict budget {budget.name or '(unnamed)'} was made in process {budget.owner} and is used in another one, where its money is "
        "a copy that would be spent twice. Nothing was sent. Make the budget with shared=True, or inside this process.",
        budget=budget.name,
        limit=None if budget.account.limit is None else Money.from_nano(budget.account.limit),
        strength="strict",
        holder=budget,
    )
