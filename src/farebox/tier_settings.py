"""Tiers: named sets of limits for request budgets, as settings. Imports core only."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import msgspec

from farebox.core.errors import ConfigurationError
from farebox.core.money import Money, parse_amount


class Tier(msgspec.Struct, frozen=True):
    """The limits of one kind of request.

    Attributes:
        total: dollars for the whole request; None: no limit, only a count.
        per_task: dollars by `task_type`, beside the total.
    """

    total: Money | None = None
    per_task: dict[str, Money] = {}


def parse_tiers(value: object) -> dict[str, Tier]:
    """Tiers by name, from a table `{name: {total: ..., per_task: {task: ...}}}`; in a variable it is JSON.

    Raises:
        ConfigurationError: a name or an amount cannot be used; the message says where it stands.
        ValueError: it is no table.
    """
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise ValueError(f'valid JSON, for example {{"standard": {{"total": "1.50"}}}} ({error})') from None
    if not isinstance(value, Mapping):
        raise ValueError(  # noqa: TRY004 - what every setting's reader raises
            'a table, for example {"standard": {"total": "1.50", "per_task": {"analysis": "0.75"}}}'
        )
    return {str(name): _tier(str(name), row) for name, row in value.items()}


def _tier(name: str, row: object) -> Tier:
    if isinstance(row, Tier):
        return row
    if not isinstance(row, Mapping):
        raise ConfigurationError(f"tiers.{name}={row!r} cannot be used: give a table with total and per_task")
    for key in row:
        if key not in Tier.__struct_fields__:
            near = difflib.get_close_matches(str(key), Tier.__struct_fields__, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "use total or per_task"
            raise ConfigurationError(f"tiers.{name}.{key} is not known: {hint}")
    tasks: Any = row.get("per_task", {})
    if not isinstance(tasks, Mapping):
        raise ConfigurationError(f"tiers.{name}.per_task={tasks!r} cannot be used: give amounts by task_type")
    total = row.get("total")
    return Tier(
        None if total is None else _dollars(total, f"tiers.{name}.total"),
        {str(task): _dollars(amount, f"tiers.{name}.per_task.{task}") for task, amount in tasks.items()},
    )


def _dollars(value: Any, what: str) -> Money:
    return Money.from_nano(parse_amount(value, what=what))
