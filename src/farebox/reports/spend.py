"""What was spent, on what: sums of the ledger grouped by dimensions. Imports core and reports only.

An unknown cost is said and never counted as 0; what is estimated, lost or refused is said too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from farebox.core import semconv
from farebox.core.money import Money
from farebox.core.ports import Ledger
from farebox.reports.report import Cell, Column, Table

TIMES: Final = frozenset({"month", "day", "hour"})
"""Dimensions that read from early to late; every other reads from dear to cheap."""

NOBODY: Final = "(none)"
"""How a report names calls that have no value in a dimension."""


def spend(
    ledger: Ledger,
    by: Sequence[str] = ("model",),
    *,
    since: int | None = None,
    until: int | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """Calls, tokens and cost by dimensions, dearest first; days and hours in order.

    Args:
        ledger: where the events are.
        by: dimensions that the ledger knows, for example ("tenant_id", "model").
        since: first moment that counts, nanoseconds UTC.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.

    Raises:
        ConfigurationError: the ledger does not know a dimension.
    """
    dimensions = dict.fromkeys((*by, "status"))
    groups = _folded(by, ledger.by(*dimensions, since=since, until=until, where=where))
    total = _sum(groups)
    columns, picked = _columns(by, total)
    return Table(
        title=f"Spend by {', '.join(map(_title, by))}{_period(since, until)}{_condition(where)}",
        columns=columns,
        rows=tuple(tuple(_cell(name, group, total) for name in picked) for group in groups),
        totals=_totals(by, picked, total) if groups else None,
        notes=_notes(total),
    )


_COUNTS: Final = ("errors", "unpriced", "partial", "estimated", "refused", "lost")
"""Counted only where there are any; the last two by their status."""

_SUMS: Final = ("calls", *_COUNTS, "input_tokens", "cache_read_tokens", "output_tokens", "cost_nano")


def _folded(by: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Groups over their statuses. A refused call is no call: it was never sent, so it is counted apart."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in by)
        group = groups.setdefault(key, {**dict(zip(by, key, strict=True)), **dict.fromkeys(_SUMS, 0)})
        status = str(row["status"])
        if status == semconv.STATUS_REFUSED:
            group["refused"] += row["calls"]
            continue
        for name in _SUMS:
            group[name] += row["calls"] if name == status else row.get(name) or 0
    ordered = sorted(groups.values(), key=lambda group: (-group["cost_nano"], -group["calls"]))
    for dimension in reversed([name for name in by if name in TIMES]):
        ordered.sort(key=lambda group: str(group[dimension]))
    return ordered


def _sum(groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: sum(group[name] for group in groups) for name in _SUMS}


def _columns(by: Sequence[str], total: Mapping[str, Any]) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The columns, and the name of what each shows. Those of `_COUNTS` appear only when there is something to count."""
    columns = [Column(name, _title(name), "time" if name in TIMES else "text") for name in by]
    columns.append(Column("calls", "calls", "count"))
    columns += [Column(name, name, "count") for name in _COUNTS if total[name]]
    columns += [
        Column("input_tokens", "tokens in", "count"),
        Column("cached", "cached", "percent"),
        Column("output_tokens", "tokens out", "count"),
        Column("cost", "cost", "money"),
        Column("share", "share", "percent"),
    ]
    return tuple(columns), tuple(column.name for column in columns)


def _title(dimension: str) -> str:
    return dimension.removesuffix("_id").removesuffix("_type").replace("_", " ")


def _cell(name: str, group: Mapping[str, Any], total: Mapping[str, Any]) -> Cell:
    if name == "cost":
        return None if _unknown(group) else Money.from_nano(group["cost_nano"])
    if name == "share":
        return None if _unknown(group) else _ratio(group["cost_nano"], total["cost_nano"])
    if name == "cached":
        return _ratio(group["cache_read_tokens"], group["input_tokens"])
    value: Cell = group[name]
    return value if name in _SUMS or value is not None else NOBODY


def _unknown(group: Mapping[str, Any]) -> bool:
    """Whether nothing is known of the group's cost."""
    return bool(group["calls"]) and group["unpriced"] == group["calls"]


def _totals(by: Sequence[str], picked: Sequence[str], total: Mapping[str, Any]) -> tuple[Cell, ...]:
    return tuple(
        ("total" if index == 0 else "") if index < len(by) else _cell(name, total, total)
        for index, name in enumerate(picked)
    )


def _ratio(part: int, whole: int) -> Decimal | None:
    """Part of the whole, to four places; None when there is no whole."""
    return None if not whole else (Decimal(part) / Decimal(whole)).quantize(Decimal("0.0001"))


def _notes(total: Mapping[str, Any]) -> tuple[str, ...]:
    notes = []
    if total["unpriced"]:
        notes.append(f"{_calls(total['unpriced'])} no known price: every sum over them is a lower bound.")
    if total["partial"]:
        notes.append(
            f"{_calls(total['partial'])} a price for only a part of what was used: their cost is a lower bound."
        )
    if total["estimated"]:
        notes.append(f"{_calls(total['estimated'])} an estimated cost: the provider never said what was used.")
    if total["lost"]:
        notes.append(f"{_calls(total['lost'])} no end: the process died while they were in flight.")
    if total["refused"]:
        notes.append(f"{_calls(total['refused'])} been refused by a budget: nothing was sent or paid.")
    return tuple(notes)


def _calls(number: int) -> str:
    return "1 call has" if number == 1 else f"{number} calls have"


def _period(since: int | None, until: int | None) -> str:
    start = "" if since is None else f" from {_moment(since)}"
    return start + ("" if until is None else f" to {_moment(until)}")


def _moment(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    return f"{moment:%Y-%m-%d}" if moment.time() == datetime.min.time() else f"{moment:%Y-%m-%d %H:%M}"


def _condition(where: Mapping[str, str | None] | None) -> str:
    return "".join(f", {name} = {NOBODY if value is None else value}" for name, value in (where or {}).items())
