"""How much was answered from caches: the provider's, by tokens, and local ones, by calls. Imports core and reports only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from farebox.core import semconv
from farebox.core.answers import Moment
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import by_titles, scope

_COLUMNS = (
    Column("calls", "calls sent", "count"),
    Column("hits", "answered locally", "count"),
    Column("hit_ratio", "hit ratio", "percent"),
    Column("input_tokens", "tokens in", "count", detail=True),
    Column("cache_read_tokens", "read from cache", "count", detail=True),
    Column("cached", "cached", "percent"),
    Column("cache_write_tokens", "written to cache", "count", detail=True),
)


def cache(
    ledger: Ledger,
    by: Sequence[str] = ("model",),
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """Cache hits by dimensions: the share of questions that a local cache answered, and of tokens that the provider's did.

    Args:
        ledger: where the events are.
        by: dimensions that the ledger knows.
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.

    Raises:
        ConfigurationError: the ledger does not know a dimension.
    """
    asked = scope(since, until, where)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in ledger.by(*dict.fromkeys((*by, "kind", "status")), **asked.filters):
        if row["status"] == semconv.STATUS_REFUSED or row["kind"] == semconv.KIND_OPERATION:
            continue
        key = tuple(row[name] for name in by)
        group = found.setdefault(key, {**dict(zip(by, key, strict=True)), **dict.fromkeys(_SUMS, 0)})
        if row["kind"] == semconv.KIND_CACHE_HIT:
            group["hits"] += row["calls"]  # its tokens were not sent
            continue
        for name in _SUMS[1:]:
            group[name] += row[name]
    ordered = sorted(found.values(), key=lambda group: (-group["cache_read_tokens"], -group["hits"], -group["calls"]))
    total = {name: sum(group[name] for group in ordered) for name in _SUMS}
    return Table(
        title=f"Caches{by_titles(by)}{asked}",
        columns=(*groups.columns_of(by), *_COLUMNS),
        rows=tuple((*groups.values_of(by, group), *_cells(group)) for group in ordered),
        totals=(*groups.total_of(by), *_cells(total)) if ordered and by else None,
        notes=asked.unseen(ledger, *by, "kind"),
    )


_SUMS = ("hits", "calls", "input_tokens", "cache_read_tokens", "cache_write_tokens")


def _cells(group: Mapping[str, Any]) -> tuple[Cell, ...]:
    return (
        group["calls"],
        group["hits"],
        groups.ratio(group["hits"], group["hits"] + group["calls"]),
        group["input_tokens"],
        group["cache_read_tokens"],
        groups.ratio(group["cache_read_tokens"], group["input_tokens"]),
        group["cache_write_tokens"],
    )
