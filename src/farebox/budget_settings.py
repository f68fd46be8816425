"""Standing budgets as rows: what `set_budget`, `[[budgets]]` in the settings and `farebox budgets set` have in common. Imports core only.

```toml
[[budgets]]
name = "each tenant, daily"
limit = "20.00"
window = "day Europe/Berlin"
per = "tenant_id"
overrides = { acme = "100.00" }
```
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal, cast, get_args

import msgspec

from farebox.core.errors import ConfigurationError
from farebox.core.money import parse_amount
from farebox.core.windows import Window

Unit = Literal["usd", "tokens", "calls"]
StandingStrength = Literal["soft", "hard", "strict"]

MOST: Final = 10**17
"""A limit may be a hundred million dollars, in nano-dollars, or as many tokens: sums of it fit the integers of every store."""

DIMENSIONS: Final = ("tenant_id", "workspace_id", "user_id", "task_type", "model", "provider")
"""What a budget may be `per`, and match; beside "tag:NAME"."""

ALERTS: Final = (0.5, 0.8, 1.0)


class BudgetRow(msgspec.Struct, frozen=True, kw_only=True):
    """One standing budget, validated. Made by `budget_row`.

    Attributes:
        name: what it is called; one row a name.
        limit: nano-dollars, tokens or calls by `unit`; None: only `overrides` have limits, and the rest is not counted.
        unit: what is counted.
        window: as the user wrote it; see `core.windows.Window`.
        per: the dimension whose every value has a bucket of its own, or None for one bucket.
        match: dimension → values; only calls with one of them count. A value that ends in "*" is a beginning.
        strength: "hard" refuses what will probably not fit, "strict" what might not fit, or has no proven ceiling; "soft" only counts.
        alert_at: shares of the limit that are told of.
        overrides: limit by value of `per`; None: no limit for that one.
    """

    name: str
    limit: int | None
    unit: Unit
    window: str
    per: str | None = None
    match: dict[str, tuple[str, ...]] = {}
    strength: StandingStrength = "hard"
    alert_at: tuple[float, ...] = ALERTS
    overrides: dict[str, int | None] = {}


def budget_row(
    name: object,
    *,
    limit: object,
    window: object,
    per: object = None,
    match: object = None,
    strength: object = "hard",
    alert_at: object = ALERTS,
    overrides: object = None,
) -> BudgetRow:
    """A row from what a user wrote.

    Raises:
        ConfigurationError: a value cannot be used; the message names it and the remedy.
    """
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"a budget's name={name!r} cannot be used: give a non-empty text")
    where = f"budget {name!r}: "
    unit, most = _limit(limit, what=f"{where}limit")
    Window(window, what=f"{where}window")
    if per is not None:
        _dimension(per, what=f"{where}per")
    if strength not in get_args(StandingStrength):
        raise ConfigurationError(f"{where}strength={strength!r} cannot be used: give 'soft', 'hard' or 'strict'")
    return BudgetRow(
        name=name.strip(),
        limit=most,
        unit=unit,
        window=str(window),
        per=None if per is None else str(per),
        match=_match(match, what=f"{where}match"),
        strength=cast("StandingStrength", strength),
        alert_at=_shares(alert_at, what=f"{where}alert_at"),
        overrides=_overrides(overrides, unit, per, what=f"{where}overrides"),
    )


def parse_budgets(value: object) -> tuple[BudgetRow, ...]:
    """The rows of the setting `budgets`: a list of tables, or its JSON text as an environment variable holds it.

    Raises:
        ConfigurationError: a key or value cannot be used.
    """
    if isinstance(value, str):
        import json

        try:
            value = json.loads(value, parse_float=Decimal)
        except ValueError as error:
            raise ConfigurationError(
                f"budgets={value!r} cannot be used: give a list of tables as JSON ({error})"
            ) from None
    if not isinstance(value, list | tuple):
        raise ConfigurationError(
            f"budgets={value!r} cannot be used: give a list of tables, [[budgets]] in farebox.toml"
        )
    rows: dict[str, BudgetRow] = {}
    for given in value:
        row = given if isinstance(given, BudgetRow) else _from_table(given)
        if row.name in rows:
            raise ConfigurationError(f"two budgets are called {row.name!r}: give each a name of its own")
        rows[row.name] = row
    return tuple(rows.values())


def _from_table(given: object) -> BudgetRow:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"budgets: {given!r} cannot be used: give a table with name, limit and window")
    for key in given:
        if key not in BudgetRow.__struct_fields__ or key == "unit":
            near = difflib.get_close_matches(str(key), BudgetRow.__struct_fields__, n=1)
            raise ConfigurationError(
                f"budgets.{key} is not a setting: {f'did you mean {near[0]!r}?' if near else 'leave it out'}"
            )
    for key in ("name", "limit", "window"):
        if key not in given:
            raise ConfigurationError(f"budgets: {dict(given)!r} has no {key}: give name, limit and window")
    return budget_row(given["name"], **{str(key): value for key, value in given.items() if key != "name"})


def _limit(value: object, *, what: str) -> tuple[Unit, int]:
    """The unit of a limit, and the limit in it."""
    unit: Unit = "usd"
    number: int
    if isinstance(value, Mapping):
        found = dict(value)
        kind = next(iter(found), None)
        number = found.get(kind)  # type: ignore[assignment] # checked below
        if len(found) != 1 or kind not in ("tokens", "calls") or type(number) is not int or number < 0:
            raise ConfigurationError(
                f'{what}={value!r} cannot be used: give dollars, {{"tokens": 1000000}} or {{"calls": 500}}'
            )
        unit = "tokens" if kind == "tokens" else "calls"
    else:
        number = parse_amount(value, what=what)
    if number > MOST:
        raise ConfigurationError(
            f"{what}={value!r} is too large: give at most {MOST // 10**9} dollars or {MOST} of others"
        )
    return unit, number


def _overrides(value: object, unit: Unit, per: object, *, what: str) -> dict[str, int | None]:
    if value is None or value == {}:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{what}={value!r} cannot be used: give limits by value, for example {{'acme': 100}}")
    if per is None:
        raise ConfigurationError(f"{what}={value!r} has nothing to go by: give per, for example per='tenant_id'")
    found: dict[str, int | None] = {}
    for name, given in value.items():
        if given is None:
            found[str(name)] = None
            continue
        other, limit = _limit(
            given if unit == "usd" or isinstance(given, Mapping) else {unit: given}, what=f"{what}[{name!r}]"
        )
        if other != unit:
            raise ConfigurationError(f"{what}[{name!r}]={given!r} counts something else than the limit: give {unit}")
        found[str(name)] = limit
    return found


def _dimension(value: object, *, what: str) -> str:
    if isinstance(value, str) and (value in DIMENSIONS or (value.startswith("tag:") and len(value) > 4)):
        return value
    raise ConfigurationError(f"{what}={value!r} is no dimension: use one of {', '.join(DIMENSIONS)}, or 'tag:NAME'")


def _match(value: object, *, what: str) -> dict[str, tuple[str, ...]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f"{what}={value!r} cannot be used: give values by dimension, for example {{'model': 'gpt-5*'}}"
        )
    found = {}
    for dimension, given in value.items():
        values = tuple(given) if isinstance(given, list | tuple | set | frozenset) else (given,)
        if not values or any(one is None or str(one) == "" for one in values):
            raise ConfigurationError(
                f"{what}[{dimension!r}]={given!r} cannot be used: give a value, or a list of values"
            )
        found[_dimension(dimension, what=what)] = tuple(str(one) for one in values)
    return found


def _shares(value: object, *, what: str) -> tuple[float, ...]:
    given = value if isinstance(value, list | tuple) else (None,)
    if any(isinstance(one, bool) or not isinstance(one, int | float | Decimal) or not 0 < one <= 10 for one in given):
        raise ConfigurationError(
            f"{what}={value!r} cannot be used: give shares of the limit, for example (0.5, 0.8, 1.0)"
        )
    return tuple(sorted({float(one) for one in given}))
