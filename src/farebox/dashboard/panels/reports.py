"""Reports for the view's period and filters, as commands print them. Imports core, reports and the dashboard's parts."""

from __future__ import annotations

from typing import Any

import msgspec

from farebox.core.errors import ConfigurationError
from farebox.dashboard.question import DEFAULT_BY, Question
from farebox.dashboard.sources import Sources
from farebox.reports.forecast import forecast as forecast_of
from farebox.reports.registry import REPORTS
from farebox.reports.report import Table
from farebox.reports.savings import savings as savings_of
from farebox.reports.scope import DAY_NS, moment


def report(sources: Sources, asked: Question, *, name: str = "") -> Table:
    """The report of that name. What it can be asked beside times and filters is what the view has of it."""
    if name not in REPORTS:
        raise ConfigurationError(f"report={name!r} is not known: use one of {', '.join(REPORTS)}")
    row, now = REPORTS[name], sources.clock()
    if row.asks == "budgets":
        return row.run(sources.budgets.status(now), now=now)
    times = asked.period(sources.ledger, now)
    arguments: dict[str, Any] = {}
    if "by" in row.arguments:
        arguments["by"] = row.by if asked.by == DEFAULT_BY else (asked.by,)
    if "limit" in row.arguments:
        arguments["limit"] = asked.limit
    if "cursor" in row.arguments and asked.cursor:
        arguments["cursor"] = asked.cursor
    return row.run(sources.ledger, since=times.since, until=times.until, where=asked.filters, **arguments)


def forecast(sources: Sources, asked: Question) -> Table:
    """The forecast of this month, for the view's filters; its range does not apply."""
    return forecast_of(sources.ledger, until=sources.clock(), where=asked.filters)


def savings(sources: Sources, asked: Question) -> Table:
    """The report of savings by method and baseline, for the whole days (UTC) that the period touches.

    Sums of savings are kept by the day: parts of days would read every call, again at each change.
    """
    times = asked.period(sources.ledger, sources.clock())
    since, until = times.since // DAY_NS * DAY_NS, -(-times.until // DAY_NS) * DAY_NS
    table = savings_of(sources.ledger, (), since=since, until=until, where=asked.filters)
    if (since, until) == (times.since, times.until) or not table.rows:
        return table
    return msgspec.structs.replace(
        table, notes=(f"Of whole days (UTC): {moment(since)} to {moment(until)}.", *table.notes)
    )
