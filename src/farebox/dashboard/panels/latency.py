"""How long calls took, over time. Imports core, reports and the dashboard's parts."""

from __future__ import annotations

from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from farebox.dashboard.panels.timeline import cut
from farebox.dashboard.panels.totals import durations
from farebox.dashboard.period import iso
from farebox.dashboard.question import Question
from farebox.dashboard.sources import Sources
from farebox.reports.report import Column, Table

_COLUMNS: Final = (
    Column("start", "from", "time"),
    Column("end", "until", "time"),
    Column("p50_ns", "p50", "duration"),
    Column("p95_ns", "p95", "duration"),
    Column("first_chunk_p50_ns", "first chunk p50", "duration"),
    Column("first_chunk_p95_ns", "first chunk p95", "duration"),
)


def latency(sources: Sources, asked: Question) -> Table:
    """Percentiles of whole calls and of streams' first pieces, by piece of time; empty where nothing was timed."""
    ledger, zone = sources.ledger, ZoneInfo(asked.zone)
    times = asked.period(ledger, sources.clock())
    edges, notes = cut(ledger, times)
    rows = tuple(
        (
            iso(start, zone),
            iso(end, zone),
            *durations(ledger, "duration", (50, 95), since=start, until=end, where=asked.filters),
            *durations(ledger, "first_chunk", (50, 95), since=start, until=end, where=asked.filters),
        )
        for start, end in pairwise(edges)
    )
    note = "Read from histograms: up to an eighth above the exact time."
    return Table(
        title="Latency",
        columns=_COLUMNS,
        rows=rows,
        notes=(*notes, *asked.scope(times).unseen(ledger, timed=True), note),
    )
