"""What each kind of alert says: from facts to an `Alert`, by kind. Imports core only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from farebox.core import alert as kinds
from farebox.core import context
from farebox.core.alert import SEVERITIES, Alert
from farebox.core.errors import BudgetExceeded
from farebox.core.identity import new_id
from farebox.core.money import Money

_MILLION: Final = 1_000_000
_INFO, _WARNING, _CRITICAL = SEVERITIES
_NEAR: Final = 800_000
"""Millionths of a limit from which on it is nearly used up."""


def alert_of(kind: str, facts: Mapping[str, Any]) -> Alert:
    """The alert that the facts make; its tenant is that of the code that it happens in, where none is given."""
    now = time.time_ns()
    fields = _RULES[kind](**facts)
    fields.setdefault("tenant_id", context.current().attribution.tenant_id)
    return Alert(id=new_id(now), kind=kind, at_ns=now, **fields)


def _threshold(
    *,
    name: str | None,
    limit: int,
    spent: int,
    share: int,
    task_type: str | None = None,
    unit: str = "usd",
    **where: Any,
) -> dict[str, Any]:
    """Amounts are nano-dollars, or counts where `unit` says so; `share` is in millionths; `where` has bucket, window and tenant."""
    money = unit == "usd"
    of, used = (Money.from_nano(limit), Money.from_nano(spent)) if money else (Money(limit), Money(spent))
    whose = f"budget {name}" if name else "a budget"
    if task_type is not None:
        whose += f", task {task_type}"
    if where.get("bucket"):
        whose += f", {where['bucket']}"
    shown = f"${used} of ${of}" if money else f"{spent:,} of {limit:,} {unit}"
    data = {name: value for name, value in where.items() if name != "tenant_id" and value not in (None, "")}
    if task_type is not None:
        data["task_type"] = task_type
    if not money:
        data["unit"] = unit
    fields: dict[str, Any] = {
        "severity": _CRITICAL if share >= _MILLION else _WARNING if share >= _NEAR else _INFO,
        "subject": f"{share / 10_000:g} % of {whose}",
        "text": f"{whose[0].upper()}{whose[1:]}: {shown} is spent, which is {spent * 100 // limit} %.",
        "budget": name,
        "limit": of,
        "spent": used,
        "utilization": spent / limit,
        "data": {"threshold": share / _MILLION, **data},
    }
    if where.get("tenant_id") is not None:
        fields["tenant_id"] = where["tenant_id"]
    return fields


def _refusal(*, error: BudgetExceeded, repeated: int = 0) -> dict[str, Any]:
    facts = {"task_type": error.task_type, "reserved": error.reserved, "asked": error.asked}
    data = {name: str(value) for name, value in facts.items() if value is not None}
    more = f" {repeated} more were refused since that was last told." if repeated else ""
    return {
        "severity": _WARNING,
        "subject": f"a call was refused by {f'budget {error.budget}' if error.budget else 'a budget'}",
        "text": f"{error.reason[:1].upper()}{error.reason[1:]}{more}",
        "budget": error.budget,
        "limit": None if error.limit is None else Money(error.limit),
        "spent": None if error.spent is None else Money(error.spent),
        "utilization": float(error.spent / error.limit) if error.limit and error.spent is not None else None,
        "data": {**data, **({"repeated": repeated} if repeated else {})},
    }


def _unpriced(*, provider: str, model: str) -> dict[str, Any]:
    return {
        "severity": _WARNING,
        "subject": f"{provider}/{model} has no price",
        "text": f"Model {model} of {provider} has no price: its calls are metered with an unknown cost, and budgets do not see them.",
        "data": {"provider": provider, "model": model},
    }


def _journal(*, problem: str, count: int) -> dict[str, Any]:
    one = count == 1
    says = {
        "dropped": f"{count:,} event{'' if one else 's'} could be kept nowhere, and the ledger misses {'it' if one else 'them'}.",
        "damaged": f"{count:,} line{'' if one else 's'} of the journal could not be read: set aside beside it.",
    }
    return {
        "severity": _CRITICAL,
        "subject": f"journal: {problem}",
        "text": f"{says[problem]} farebox doctor says more.",
        "data": {"problem": problem, "count": count},
    }


def _dear_call(*, site: str, model: str | None, expected: int, above: int) -> dict[str, Any]:
    return {
        "severity": _WARNING,
        "subject": f"a dear call at {site}",
        "text": f"{site}: a call of {model} is expected to cost ${Money.from_nano(expected)}, "
        f"which is above warn_above={Money.from_nano(above)}.",
        "data": {"site": site, "model": model, "expected": str(Money.from_nano(expected))},
    }


def _test(*, service: str | None) -> dict[str, Any]:
    return {
        "severity": _INFO,
        "subject": "test alert",
        "text": f"This is a test alert of farebox{f' ({service})' if service else ''}. Nothing has happened.",
    }


_RULES: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
    kinds.THRESHOLD: _threshold,
    kinds.REFUSAL: _refusal,
    kinds.UNPRICED: _unpriced,
    kinds.JOURNAL: _journal,
    kinds.DEAR: _dear_call,
    kinds.TEST: _test,
}
