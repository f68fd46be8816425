"""What routes and caches saved, each against a stated baseline. Imports core and reports only.

Negative savings are shown: a cache that is written and never read, a route to a dearer model. What is unknown is no saving.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from farebox.core import semconv
from farebox.core.answers import Moment, Saved
from farebox.core.money import Money
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import NOBODY, by_titles, moment, scope

BASELINES: Final = {
    semconv.SAVED_ROUTING: "{0}",
    semconv.SAVED_PROMPT_CACHE: "uncached",
    semconv.SAVED_LOCAL_CACHE: "calling {0}",
}
"""What each method is held against; {0} is the baseline model."""

METHODS: Final = {
    semconv.SAVED_ROUTING: "routing: the same usage priced on the baseline model, at the time of the call.",
    semconv.SAVED_PROMPT_CACHE: (
        "prompt_cache: the same tokens at the rates of uncached ones; what was written to the cache and not read costs more than that."
    ),
    semconv.SAVED_LOCAL_CACHE: "local_cache: what the call would have cost that a cache of the program's made needless.",
}
"""How each method reckons, as notes."""

_KEYS: Final = ("method", "baseline_model")


def savings(
    ledger: Ledger,
    by: Sequence[str] = ("model",),
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """Savings by method, baseline and dimensions, the largest first.

    Args:
        ledger: where the events are. Sums by model, by tenant and by task are kept for ever; others are of calls that are still kept.
        by: dimensions that savings know, for example ("tenant_id",).
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have; `method` and `baseline_model` too.

    Raises:
        ConfigurationError: no such dimension.
    """
    asked = scope(since, until, where)
    told = tuple(name for name in dict.fromkeys(by) if name not in _KEYS)
    found = ledger.savings(*_KEYS, *told, **asked.filters)
    total = _total(found)
    picked = _columns(total)
    names = [column.name for column in picked]
    totals = _cells(total, names)
    return Table(
        title=f"Savings{by_titles(told)}{asked}",
        columns=(Column("method", "method"), Column("baseline", "baseline"), *groups.columns_of(told), *picked),
        rows=tuple((*_against(one), *groups.values_of(told, one.group), *_cells(one, names)) for one in found),
        totals=("total", "", *("" for _ in told), *totals) if found else None,
        notes=(*_notes(found, total), *_unseen(ledger, (*_KEYS, *told, *asked.where), asked.since, asked.until)),
        empty="No savings: no call had a baseline, used the provider's cache, or was answered by a local one.",
    )


def _total(found: Sequence[Saved]) -> Saved:
    return Saved(
        {},
        sum(one.calls for one in found),
        sum(one.unknown for one in found),
        sum(one.cost_nano for one in found),
        sum(one.baseline_nano for one in found),
    )


def _columns(total: Saved) -> tuple[Column, ...]:
    return (
        Column("calls", "calls", "count"),
        *((Column("unknown", "unknown", "count"),) if total.unknown else ()),
        Column("cost", "cost", "money"),
        Column("baseline_cost", "at baseline", "money"),
        Column("saved", "saved", "money"),
        Column("share", "of baseline", "percent"),
    )


def _against(one: Saved) -> tuple[str, str]:
    method = str(one.group["method"])
    return method, BASELINES[method].format(one.group["baseline_model"] or NOBODY)


def _cells(one: Saved, names: Sequence[str]) -> tuple[Cell, ...]:
    known = one.calls > one.unknown
    cells: dict[str, Cell] = {
        "calls": one.calls,
        "unknown": one.unknown,
        "cost": Money.from_nano(one.cost_nano) if known else None,
        "baseline_cost": Money.from_nano(one.baseline_nano) if known else None,
        "saved": one.saved if known else None,
        "share": groups.ratio(one.baseline_nano - one.cost_nano, one.baseline_nano),
    }
    return tuple(cells[name] for name in names)


def _notes(found: Sequence[Saved], total: Saved) -> tuple[str, ...]:
    methods = list(dict.fromkeys(str(one.group["method"]) for one in found))
    notes = [METHODS[method] for method in METHODS if method in methods]
    if len(methods) > 1:
        notes.append("Each method has a baseline of its own; a call that saves by two of them is counted under both.")
    if total.unknown:
        notes.append(
            f"Of {total.unknown:,} the cost or the baseline is not wholly known: they are in no sum of money here."
        )
    lost = [one for one in found if one.baseline_nano < one.cost_nano]
    if lost:
        notes.append("Below zero it cost more than the baseline.")
    return tuple(notes)


def _unseen(ledger: Ledger, names: Sequence[str], since: int | None, until: int | None) -> tuple[str, ...]:
    """What only sums are left of, which do not tell these dimensions apart."""
    reach = ledger.reach(*names, saved=True)
    if (since or 0) >= reach:
        return ()
    end = reach if until is None else min(reach, until)
    gone = sum(one.calls for one in ledger.savings(since=since, until=end))
    kept = sum(one.calls for one in ledger.savings("id", since=since, until=end))
    if gone <= kept:
        return ()
    return (f"{gone - kept:,} before {moment(end)} are kept as sums only, which do not tell this apart: left out.",)
