"""Spend over time, piece by piece, stacked by a dimension. Imports core, reports and the dashboard's parts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

from farebox.core.ports import Ledger
from farebox.dashboard.period import Period, iso
from farebox.dashboard.question import Question
from farebox.dashboard.sources import Sources
from farebox.reports.groups import cost_of, grouped, summed
from farebox.reports.report import Column, Table
from farebox.reports.scope import NOBODY, Scope

SERIES: Final = 8
"""Groups that are told apart; the others are one."""

OTHERS: Final = "(others)"

_HOUR: Final = 3600 * 10**9
_SHOWN: Final = (
    "calls",
    "errors",
    "unpriced",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
)


def timeline(sources: Sources, asked: Question) -> Table:
    """Sums by piece of time and group: the dearest groups of the whole period, and the others together. Every piece has a row."""
    ledger, zone = sources.ledger, ZoneInfo(asked.zone)
    times = asked.period(ledger, sources.clock())
    edges, notes = cut(ledger, times)
    shown = [group[asked.by] for group in grouped(ledger, (asked.by,), asked.scope(times))][:SERIES]
    rows = []
    for start, end in pairwise(edges):
        found = grouped(ledger, (asked.by,), Scope(start, end, asked.filters))
        named = {group[asked.by]: group for group in found}
        parts = [(NOBODY if name is None else str(name), named[name]) for name in shown if name in named]
        others = [group for group in found if group[asked.by] not in shown]
        parts += [(OTHERS, summed(others))] if others else []
        parts = parts or [("", summed([]))]
        rows += [(iso(start, zone), iso(end, zone), name, cost_of(group), *_counts(group)) for name, group in parts]
    return Table(
        title=f"Spend by {times.step}",
        columns=(
            Column("start", "from", "time"),
            Column("end", "until", "time"),
            Column("group", asked.by),
            Column("cost", "cost", "money"),
            *(Column(name, name.replace("_", " "), "count") for name in _SHOWN),
        ),
        rows=tuple(rows),
        notes=(*notes, *asked.scope(times).unseen(ledger, asked.by)),
    )


def _counts(group: Any) -> list[int]:
    return [group[name] for name in _SHOWN]


def cut(ledger: Ledger, times: Period) -> tuple[list[int], tuple[str, ...]]:
    """The edges of pieces that the ledger can answer one by one, and what is to be said of them.

    Where only sums by the hour are left, a question widens to whole hours: edges between them would count an hour twice.
    """
    retained = ledger.summary(times.until, times.until).retained_since
    edges = [edge - edge % _HOUR if edge < retained else edge for edge in times.edges]
    if edges[-1] < retained:
        edges[-1] = -(-times.edges[-1] // _HOUR) * _HOUR
    if edges == list(times.edges):
        return edges, ()
    return sorted({*edges}), (
        "Of the oldest part only sums by the hour are left: there, pieces begin at full hours UTC.",
    )
