"""Bills beside the ledger: days, causes, tokens and money, from what the last reconciliations found. Imports core, reconcile and reports only.

Reads results that are stored: nothing is fetched, and no call is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from farebox.core.money import Money
from farebox.reconcile.outcome import DIFFERS, MATCHED, MEANINGS, MISSING, OPEN, Cause, DayResult
from farebox.reports.report import Cell, Column, Table

_FIT = Decimal("0.0001")


def reconciliation(results: Sequence[DayResult], gaps: Iterable[str] = ()) -> Table:
    """Day by day: what was billed, what the ledger computed, and the causes of the difference.

    Args:
        results: what `StatementStore.results` gives.
        gaps: what could not be had, for the notes.
    """
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            result.day,
            result.provider,
            result.status,
            None if result.billed is None else Money(result.billed),
            Money(result.computed),
            None if result.difference is None else Money(result.difference),
            _share(result.difference, result.computed),
            Money(result.unexplained) if result.billed is not None else None,
            "; ".join(map(_brief, result.causes[:3])) + ("; ..." if len(result.causes) > 3 else ""),
        )
        for result in results
        if result.billed or result.computed or not result.complete
    )
    known = [result for result in results if result.billed is not None]
    billed = sum((result.billed or Decimal(0) for result in known), Decimal(0))
    computed = sum((result.computed for result in known), Decimal(0))
    unexplained = sum((result.unexplained for result in known), Decimal(0))
    return Table(
        title="Bills against the ledger",
        columns=(
            Column("day", "day", "time"),
            Column("provider", "provider"),
            Column("status", "status"),
            Column("billed", "billed", "money"),
            Column("computed", "computed", "money"),
            Column("difference", "difference", "money"),
            Column("share", "of computed", "percent"),
            Column("unexplained", "unexplained", "money", detail=True),
            Column("causes", "causes"),
        ),
        rows=rows,
        totals=(
            "total",
            "",
            "",
            Money(billed),
            Money(computed),
            Money(billed - computed),
            _share(billed - computed, computed),
            Money(unexplained),
            "",
        )
        if rows and known
        else None,
        notes=_notes(results, gaps),
        empty="No day was reconciled yet: run farebox reconcile.",
    )


def causes(results: Sequence[DayResult]) -> Table:
    """What makes up the differences, over all days, the largest first; a rate beside that of the price book."""
    sums: dict[tuple[str, str, str, str], list[tuple[DayResult, Cause]]] = defaultdict(list)
    for result in results:
        for cause in result.causes:
            sums[result.provider, cause.kind, cause.model, cause.what].append((result, cause))
    ordered = sorted(sums.items(), key=lambda item: (-abs(_sum(item[1])), item[0]))
    return Table(
        title="Causes of the differences",
        columns=(
            Column("provider", "provider"),
            Column("cause", "cause"),
            Column("model", "model"),
            Column("what", "what"),
            Column("days", "days", "count", detail=True),
            Column("quantity", "quantity", "count"),
            Column("amount", "amount", "money"),
            Column("implied", "billed rate", "number"),
            Column("listed", "book's rate", "number"),
            Column("meaning", "meaning"),
        ),
        rows=tuple(
            (
                provider,
                kind.replace("_", " "),
                model,
                what,
                len({result.day for result, _ in found}),
                sum(cause.quantity for _, cause in found) or None,
                Money(_sum(found)),
                found[-1][1].implied,
                found[-1][1].listed,
                ": ".join(filter(None, (MEANINGS.get(kind, ""), found[-1][1].detail))),
            )
            for (provider, kind, model, what), found in ordered
        ),
        totals=(
            "total",
            *[""] * 3,
            None,
            None,
            Money(_sum(pair for _, found in ordered for pair in found)),
            None,
            None,
            "",
        )
        if ordered
        else None,
        empty="Nothing differs.",
    )


def tokens(results: Sequence[DayResult], *, by_day: bool = False) -> Table:
    """Quantities of the bill beside those of the ledger, by model, tier, interface and unit.

    Args:
        results: what `StatementStore.results` gives.
        by_day: whether each day has rows of its own.
    """
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for result in results:
        for row in result.tokens:
            if row.billed is None:
                continue
            day = (result.day,) if by_day else ()
            batch = "batch" if row.batch else ""
            found = sums[*day, result.provider, row.model, row.tier, batch, row.unit]
            found[0] += row.metered
            found[1] += row.billed
    names = (("day",) if by_day else ()) + ("provider", "model", "tier", "batch", "unit")
    return Table(
        title="Tokens and other quantities",
        columns=(
            *(Column(name, name, "time" if name == "day" else "text") for name in names),
            Column("metered", "metered", "count"),
            Column("billed", "billed", "count"),
            Column("difference", "difference", "count"),
            Column("share", "of metered", "percent"),
        ),
        rows=tuple(
            (*key, metered, billed, billed - metered, _share(Decimal(billed - metered), Decimal(metered)))
            for key, (metered, billed) in sorted(sums.items())
        ),
        empty="No quantities: no statement of usage could be had.",
    )


def money(results: Sequence[DayResult], *, by_day: bool = False) -> Table:
    """Money of the bill beside that of the ledger, by line item.

    Args:
        results: what `StatementStore.results` gives.
        by_day: whether each day has rows of its own.
    """
    sums: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for result in results:
        for row in result.money:
            found = sums[(*((result.day,) if by_day else ()), result.provider, row.item)]
            found[0] += row.computed
            found[1] += row.billed
    names = (("day",) if by_day else ()) + ("provider", "item")
    return Table(
        title="Money by line item",
        columns=(
            *(Column(name, name, "time" if name == "day" else "text") for name in names),
            Column("computed", "computed", "money"),
            Column("billed", "billed", "money"),
            Column("difference", "difference", "money"),
            Column("share", "of computed", "percent"),
        ),
        rows=tuple(
            (*key, Money(computed), Money(billed), Money(billed - computed), _share(billed - computed, computed))
            for key, (computed, billed) in sorted(sums.items())
        ),
        empty="No money: no statement of costs could be had.",
    )


def _sum(found: Iterable[tuple[DayResult, Cause]]) -> Decimal:
    return sum((cause.amount for _, cause in found), Decimal(0))


def _share(part: Decimal | None, whole: Decimal) -> Decimal | None:
    return None if part is None or not whole else (part / whole).quantize(_FIT)


def _brief(cause: Cause) -> str:
    about = " ".join(filter(None, (cause.kind.replace("_", " "), cause.model, cause.what)))
    sign = "+" if cause.amount >= 0 else "-"
    return f"{about} {sign}${Money(abs(cause.amount)).quantize(_places(cause.amount))}"


def _places(amount: Decimal) -> Decimal:
    return Decimal("0.01") if abs(amount) >= Decimal("0.01") else Decimal("0.000001")


def _notes(results: Sequence[DayResult], gaps: Iterable[str]) -> tuple[str, ...]:
    count: Mapping[str, int] = {
        status: sum(result.status == status for result in results) for status in (OPEN, MATCHED, DIFFERS, MISSING)
    }
    notes = [*gaps, *(note for result in results for note in result.notes)]
    if count[OPEN]:
        notes.append(f"{_days(count[OPEN])} open: their bills may still grow.")
    if count[MISSING]:
        notes.append(f"{_days(count[MISSING])} without a whole statement: the costs that the ledger computed stay.")
    return tuple(dict.fromkeys(notes))


def _days(number: int) -> str:
    return "1 day is" if number == 1 else f"{number} days are"
