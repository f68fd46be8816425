"""How long calls took, and their first chunk, as percentiles. Imports core and reports only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farebox.core import semconv
from farebox.core.answers import Moment
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import NOBODY, by_titles, scope

_WHOLE = (50, 90, 95, 99)
_FIRST = (50, 95)


def latency(
    ledger: Ledger,
    by: Sequence[str] = ("model",),
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """Percentiles of durations and of the time to the first chunk, the most frequent group first.

    Only calls that ended well count, unless `by` or `where` says something of their status.

    Args:
        ledger: where the events are.
        by: dimensions that the ledger knows; by those of provider, model, operation, status and time it is answered from sums.
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.

    Raises:
        ConfigurationError: the ledger does not know a dimension.
    """
    conditions = dict(where or {})
    if "status" not in by:
        conditions.setdefault("status", semconv.STATUS_OK)
    asked = scope(since, until, conditions)
    whole = ledger.percentiles(*by, percents=_WHOLE, span="duration", **asked.filters)
    first = {
        tuple(one.group.values()): one
        for one in ledger.percentiles(*by, percents=_FIRST, span="first_chunk", **asked.filters)
    }
    rows: list[tuple[Cell, ...]] = []
    for one in whole:
        key = tuple(one.group.values())
        chunk = first.get(key)
        rows.append(
            (
                *(NOBODY if value is None else value for value in key),
                one.calls,
                *(one.percentiles[percent] for percent in _WHOLE),
                0 if chunk is None else chunk.calls,
                *(None if chunk is None else chunk.percentiles[percent] for percent in _FIRST),
            )
        )
    return Table(
        title=f"Latency{by_titles(by)}{asked}",
        columns=(
            *groups.columns_of(by),
            Column("calls", "calls", "count"),
            *(Column(f"p{percent}_ns", f"p{percent}", "duration", detail=percent in (90, 99)) for percent in _WHOLE),
            Column("streams", "streams", "count", detail=True),
            *(Column(f"first_chunk_p{percent}_ns", f"first chunk p{percent}", "duration") for percent in _FIRST),
        ),
        rows=tuple(rows),
        notes=asked.unseen(ledger, *by, timed=True),
        empty="No calls that were timed.",
    )
