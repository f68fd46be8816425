"""`/metrics`: the ledger in Prometheus' words, so that all programs that write to it add up. Imports starlette, sinks and the dashboard's parts."""

from __future__ import annotations

import threading

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from farebox.budgets.status import BudgetStatus
from farebox.core.errors import ConfigurationError
from farebox.dashboard.sources import Sources
from farebox.sinks.prometheus import LedgerCollector, exposition


class Metrics:
    """The endpoint, with the one collector that it keeps.

    Args:
        sources: what is read.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lock = threading.Lock()
        self._collector: LedgerCollector | None = None

    def endpoint(self, _: Request) -> Response:
        """The text. 501 where prometheus_client is not installed."""
        with self._lock:
            ledger = self._sources.ledger
            try:
                if self._collector is None:
                    self._collector = LedgerCollector(ledger, budgets=self._budgets)
                text, media_type = exposition(self._collector)
            except ConfigurationError as error:
                return JSONResponse({"error": str(error)}, 501)
        return Response(text, headers={"Content-Type": media_type})

    def _budgets(self) -> list[BudgetStatus]:
        return self._sources.budgets.status(self._sources.clock())
