"""What was billed where a statement has the whole day, and what was computed elsewhere; each figure says which. Imports core, reconcile and reports only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from farebox.core.answers import Moment
from farebox.core.errors import ConfigurationError
from farebox.core.money import Money
from farebox.core.ports import Ledger
from farebox.reconcile import days, naming
from farebox.reconcile.outcome import DIFFERS, MATCHED, DayResult
from farebox.reports import groups
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import NOBODY, Scope, by_titles, scope

DIMENSIONS: Final = ("day", "week", "month", "provider", "model")
"""What bills tell apart."""
ACTUAL: Final = "actual"
ESTIMATED: Final = "estimated"
BOOK: Final = "price book"
_FINEST: Final = ("day", "provider", "model")


class _Figure(msgspec.Struct):
    """One row while it is added up; `actual` and `estimated` are None where there is nothing of the kind."""

    calls: int = 0
    actual: Decimal | None = None
    estimated: Decimal | None = None
    sources: set[str] = msgspec.field(default_factory=set)

    def bill(self, amount: Decimal, source: str) -> None:
        self.actual = (self.actual or Decimal(0)) + amount
        self.sources.add(source)

    def compute(self, amount: Decimal) -> None:
        self.estimated = (self.estimated or Decimal(0)) + amount
        self.sources.add(BOOK)

    @property
    def cells(self) -> tuple[Cell, ...]:
        basis = [name for name, value in ((ACTUAL, self.actual), (ESTIMATED, self.estimated)) if value is not None]
        return (
            self.calls,
            Money((self.actual or 0) + (self.estimated or 0)),
            " and ".join(basis),
            Money(self.actual or 0),
            Money(self.estimated or 0),
            "; ".join(sorted(self.sources)),
        )


def billed(
    ledger: Ledger,
    results: Sequence[DayResult],
    by: Sequence[str] = ("day", "provider"),
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """Spend as it was billed, for closed days whose statement is whole; as it was computed, for all others.

    Args:
        ledger: where the events are.
        results: days that were reconciled, as `reconcile.store.stored_results` gives them.
        by: some of `DIMENSIONS`.
        since: first moment that counts.
        until: first moment that no longer counts.
        where: `provider` or `model` → value.

    Raises:
        ConfigurationError: a dimension that bills do not know.
    """
    asked = scope(since, until, where)
    for name in (*by, *asked.where):
        if name not in DIMENSIONS:
            raise ConfigurationError(
                f"bills do not know {name!r}: with --billed, use {', '.join(DIMENSIONS)}; without it, costs are computed"
            )
    settled = {(result.day, result.provider): result for result in results if _is_settled(result, asked)}
    found: dict[tuple[str, ...], _Figure] = {}
    rows = groups.grouped(ledger, _FINEST, Scope(asked.since, asked.until, _ledgers(asked)))
    for row in rows:
        day, provider = str(row["day"]), str(row["provider"])
        model = naming.canonical(provider, row["model"], day)
        if not _meant(asked, day, provider, model):
            continue
        figure = found.setdefault(_key(by, day, provider, model), _Figure())
        figure.calls += row["calls"]
        if (day, provider) not in settled:
            figure.compute(Decimal(Money.from_nano(row["cost_nano"])))
    for (day, provider), result in settled.items():
        for model, amount in _by_model(result):
            if _meant(asked, day, provider, model):
                found.setdefault(_key(by, day, provider, model), _Figure()).bill(amount, result.source)
    return _table(
        by, asked, found, rows=[row for row in rows if (str(row["day"]), str(row["provider"])) not in settled]
    )


def _is_settled(result: DayResult, asked: Scope) -> bool:
    """Whether the bill counts: closed, whole, and all of the day is asked for."""
    start = days.start_ns(result.day)
    end = start + days.DAY_SECONDS * days.NANO
    inside = (asked.since is None or asked.since <= start) and (asked.until is None or end <= asked.until)
    return inside and result.complete and result.status in (MATCHED, DIFFERS)


def _ledgers(asked: Scope) -> Mapping[str, str | None]:
    """Conditions that the ledger can answer: its models may have other names than the book's."""
    return {name: value for name, value in asked.where.items() if name != "model"}


def _meant(asked: Scope, day: str, provider: str, model: str) -> bool:
    facts = {"provider": provider, "model": model, "day": day, "week": _week(day), "month": day[:7]}
    for name, value in asked.where.items():
        wanted = naming.canonical(provider, value, day) if name == "model" and value else value or ""
        if facts[name] != wanted:
            return False
    return True


def _by_model(result: DayResult) -> Iterable[tuple[str, Decimal]]:
    """What was billed of each model; "" for what is of none. It adds up to the bill."""
    sums: dict[str, Decimal] = {"": result.billed or Decimal(0)}
    for row in result.money:
        if row.model:
            sums[row.model] = sums.get(row.model, Decimal(0)) + row.billed
            sums[""] -= row.billed
    return [(model, amount) for model, amount in sums.items() if amount]


def _key(by: Sequence[str], day: str, provider: str, model: str) -> tuple[str, ...]:
    facts = {"day": day, "week": _week(day), "month": day[:7], "provider": provider, "model": model or NOBODY}
    return tuple(facts[name] for name in by)


def _week(day: str) -> str:
    """The Monday of its week."""
    found = date.fromisoformat(day)
    return (found - timedelta(days=found.weekday())).isoformat()


def _table(
    by: Sequence[str], asked: Scope, found: Mapping[tuple[str, ...], _Figure], rows: Sequence[groups.Group]
) -> Table:
    ordered = sorted(found.items(), key=lambda item: (_times(by, item[0]), -Decimal(str(item[1].cells[1])), item[0]))
    total = _Figure()
    for _, figure in ordered:
        total.calls += figure.calls
        if figure.actual is not None:
            total.actual = (total.actual or Decimal(0)) + figure.actual
        if figure.estimated is not None:
            total.estimated = (total.estimated or Decimal(0)) + figure.estimated
        total.sources |= figure.sources
    notes = [*groups.cautions(groups.summed(rows))]
    if total.estimated is not None:
        notes.append(
            "Days that are open, or whose statement is not whole, are computed: run farebox reconcile to bring bills in."
        )
    return Table(
        title=f"Spend as billed{by_titles(by)}{asked}",
        columns=(
            *groups.columns_of(by),
            Column("calls", "calls", "count"),
            Column("cost", "cost", "money"),
            Column("basis", "basis"),
            Column("actual", "actual", "money"),
            Column("estimated", "estimated", "money"),
            Column("source", "source"),
        ),
        rows=tuple((*key, *figure.cells) for key, figure in ordered),
        totals=(*groups.total_of(by), *total.cells) if ordered and by else None,
        notes=tuple(notes),
    )


def _times(by: Sequence[str], key: Sequence[str]) -> tuple[str, ...]:
    return tuple(value for name, value in zip(by, key, strict=True) if name in groups.TIMES)
