"""The row of figures on top: this period, and as much of the one before. Imports core, reports and the dashboard's parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

from farebox.core.ports import Ledger
from farebox.dashboard.period import iso
from farebox.dashboard.question import Question
from farebox.dashboard.sources import Sources
from farebox.reports.groups import cost_of, grouped, ratio, summed
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import Scope

_COUNTS: Final = ("calls", "errors", "refused", "lost", "unpriced", "partial", "estimated")
_TOKENS: Final = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
_PERCENTS: Final = (50, 95)

_PERIOD: Final = (Column("period", "period"), Column("since", "from", "time"), Column("until", "until", "time"))
_COLUMNS: Final = (
    *_PERIOD,
    Column("cost", "cost", "money"),
    *(Column(name, name, "count") for name in _COUNTS),
    *(Column(name, name.replace("_", " "), "count") for name in _TOKENS),
    Column("cached", "cached", "percent"),
    Column("error_rate", "errors a call", "percent"),
)
_PACE: Final = (
    *_PERIOD,
    *(Column(f"p{percent}_ns", f"p{percent}", "duration") for percent in _PERCENTS),
    *(Column(f"first_chunk_p{percent}_ns", f"first chunk p{percent}", "duration") for percent in _PERCENTS),
)


def totals(sources: Sources, asked: Question) -> Table:
    """Sums of the period ("this") and of the same share of the period before ("before")."""
    return Table(title="Totals", columns=_COLUMNS, rows=_both(sources, asked, _sums))


def pace(sources: Sources, asked: Question) -> Table:
    """How long calls took, for both periods. Apart from the sums: by tenant or task it reads every call, and the sums need not wait."""
    return Table(title="Latency", columns=_PACE, rows=_both(sources, asked, _times))


def _both(
    sources: Sources, asked: Question, cells: Callable[[Ledger, Scope], list[Cell]]
) -> tuple[tuple[Cell, ...], ...]:
    ledger, zone = sources.ledger, ZoneInfo(asked.zone)
    times = asked.period(ledger, sources.clock())
    return tuple(
        (name, iso(since, zone), iso(until, zone), *cells(ledger, Scope(since, until, asked.filters)))
        for name, (since, until) in {"this": (times.since, times.until), "before": times.before}.items()
    )


def _sums(ledger: Ledger, scope: Scope) -> list[Cell]:
    total = summed(grouped(ledger, (), scope))
    return [
        cost_of(total),
        *(total[name] for name in (*_COUNTS, *_TOKENS)),
        ratio(total["cache_read_tokens"], total["input_tokens"]),
        ratio(total["errors"], total["calls"]),
    ]


def _times(ledger: Ledger, scope: Scope) -> list[Cell]:
    return [
        cell for span in ("duration", "first_chunk") for cell in durations(ledger, span, _PERCENTS, **scope.filters)
    ]


def durations(ledger: Ledger, span: str, percents: tuple[int, ...], **window: Any) -> list[int | None]:
    """Percentiles in nanoseconds; None where nothing was timed."""
    found = ledger.percentiles(percents=percents, span=span, **window)
    if not found or not found[0].calls:
        return [None] * len(percents)
    return [found[0].percentiles[percent] for percent in percents]
