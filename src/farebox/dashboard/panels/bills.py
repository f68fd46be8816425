"""The providers' bills beside the ledger, as the last reconciliation found them. Imports reconcile, reports and the dashboard's parts."""

from __future__ import annotations

from datetime import UTC

from farebox.dashboard import period
from farebox.dashboard.question import Question
from farebox.dashboard.sources import Sources
from farebox.reconcile.store import stored_results
from farebox.reports.reconciliation import reconciliation
from farebox.reports.report import Table


def bills(sources: Sources, asked: Question) -> Table:
    """The report of reconciliation for the days (UTC, as bills have them) of the period. Of filters only the provider applies."""
    times = asked.period(sources.ledger, sources.clock())
    first, last = (f"{period.local(moment, UTC):%Y-%m-%d}" for moment in (times.since, times.until - 1))
    results, gaps = stored_results(sources.path, provider=asked.filters.get("provider"), since=first, until=last)
    return reconciliation(results, gaps)
