"""Sums by dimensions as reports count them: refused calls apart, unknown costs never 0. Imports core and reports only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

from farebox.core import semconv
from farebox.core.money import Money
from farebox.core.ports import Ledger
from farebox.reports.report import Cell, Column
from farebox.reports.scope import NOBODY, Scope, title

TIMES: Final = frozenset({"month", "week", "day", "hour"})
"""Dimensions that read from early to late; every other reads from dear to cheap."""

COUNTS: Final = ("errors", "unpriced", "partial", "estimated", "refused", "lost")
"""Counted only where there are any; the last two by their status."""

SUMS: Final = (
    *("calls", *COUNTS, "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "cost_nano"),
)

Group: TypeAlias = Mapping[str, Any]


def grouped(ledger: Ledger, by: Sequence[str], asked: Scope) -> list[dict[str, Any]]:
    """Groups with their `SUMS`, times in order, then dearest first."""
    return _folded(by, ledger.by(*dict.fromkeys((*by, "status")), **asked.filters))


def _folded(by: Sequence[str], rows: Iterable[Group]) -> list[dict[str, Any]]:
    """Groups over their statuses. A refused call is no call: it was never sent, so it is counted apart."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in by)
        group = groups.setdefault(key, {**dict(zip(by, key, strict=True)), **dict.fromkeys(SUMS, 0)})
        status = str(row["status"])
        if status == semconv.STATUS_REFUSED:
            group["refused"] += row["calls"]
            continue
        for name in SUMS:
            group[name] += row["calls"] if name == status else row.get(name) or 0
    ordered = sorted(groups.values(), key=lambda group: (-group["cost_nano"], -group["calls"]))
    for dimension in reversed([name for name in by if name in TIMES]):
        ordered.sort(key=lambda group: str(group[dimension]))
    return ordered


def summed(groups: Iterable[Group]) -> dict[str, Any]:
    """One group of several."""
    total = dict.fromkeys(SUMS, 0)
    for group in groups:
        for name in SUMS:
            total[name] += group[name]
    return total


def columns_of(by: Sequence[str]) -> tuple[Column, ...]:
    """A column for each dimension."""
    return tuple(
        Column(name, f"{title(name)} (UTC)", "time") if name in TIMES else Column(name, title(name)) for name in by
    )


def values_of(by: Sequence[str], group: Group) -> tuple[str, ...]:
    """A group's cells under `columns_of`."""
    return tuple(NOBODY if group[name] is None else str(group[name]) for name in by)


def total_of(by: Sequence[str]) -> tuple[str, ...]:
    """The last row's cells under `columns_of`."""
    return tuple("total" if at == 0 else "" for at in range(len(by)))


def is_unknown(group: Group) -> bool:
    """Whether nothing is known of the group's cost."""
    return bool(group["calls"]) and group["unpriced"] == group["calls"]


def cost_of(group: Group) -> Money | None:
    """What is known of the group's cost; None where nothing is."""
    return None if is_unknown(group) else Money.from_nano(group["cost_nano"])


def ratio(part: int, whole: int) -> Decimal | None:
    """Part of the whole, to four places; None when there is no whole."""
    return None if not whole else (Decimal(part) / Decimal(whole)).quantize(Decimal("0.0001"))


def share(name: str, group: Group, total: Group) -> Cell:
    """A group's share of a sum; of unknown costs there is none."""
    return None if name == "cost_nano" and is_unknown(group) else ratio(group[name], total[name])


def cautions(total: Group) -> tuple[str, ...]:
    """What a plain sum would hide, as notes."""
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
