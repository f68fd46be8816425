"""Calls whose cost is not known, or only a part of it: which, why, and what to do. Imports core and reports only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from farebox.core import semconv
from farebox.core.answers import Moment
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import scope

_BY: Final = ("provider", "model", "operation", "cost_missing")

_USAGE: Final = "usage"
"""What a call lacks of which the provider did not say what was used."""


def unpriced(
    ledger: Ledger,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """Models with calls of unknown or partly known cost, the most frequent first, with the command that may put it right.

    Args:
        ledger: where the events are. Single calls are read, so that only those count that are still kept.
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.
    """
    asked = scope(since, until, where)
    found = [
        {**row, "cost_status": status}
        for status in (semconv.COST_UNPRICED, semconv.COST_PARTIAL)
        if asked.where.get("cost_status", status) == status
        for row in ledger.by(*_BY, **{**asked.filters, "where": {**asked.where, "cost_status": status}})
    ]
    found.sort(key=lambda row: -row["calls"])
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            *groups.values_of(_BY[:3], row),
            str(row["cost_status"]),
            row["calls"],
            row["input_tokens"],
            row["output_tokens"],
            groups.cost_of(row),
            _why(row),
            _remedy(row),
        )
        for row in found
    )
    return Table(
        title=f"Calls without a full price{asked}",
        columns=(
            *groups.columns_of(_BY[:3]),
            Column("cost_status", "cost is"),
            Column("calls", "calls", "count"),
            Column("input_tokens", "tokens in", "count", detail=True),
            Column("output_tokens", "tokens out", "count", detail=True),
            Column("cost", "known cost", "money"),
            Column("why", "no price for"),
            Column("remedy", "remedy"),
        ),
        rows=rows,
        notes=(
            *(("Then run farebox reprice: it fills in the costs of stored calls.",) if rows else ()),
            *asked.unseen(ledger, *_BY, "cost_status"),
        ),
        empty="Every call has its price.",
    )


def _why(row: Mapping[str, Any]) -> str:
    return ", ".join(map(str, json.loads(row["cost_missing"]))) if row["cost_missing"] else "the model"


def _remedy(row: Mapping[str, Any]) -> str:
    if _why(row) == _USAGE:
        return "farebox reconcile: the provider did not say what was used, its bill does"
    if row["cost_status"] == semconv.COST_PARTIAL or not row["model"]:
        return "farebox prices update"
    return f'farebox prices update, or set [prices.rates] "{row["provider"]}/{row["model"]}" in farebox.toml'
