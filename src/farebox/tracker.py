"""`CostTracker`: what was spent and saved as methods of one object, over the ledger and the reports. May import the face's functions and everything below."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

from farebox import recording, records, runtime, scopes, standing, verbs
from farebox.budgets.status import BudgetStatus
from farebox.core.answers import Moment
from farebox.core.context import Attribution
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.core.money import Amount, Money
from farebox.core.ports import Ledger
from farebox.core.usage import Usage
from farebox.pricing.guess import Estimate
from farebox.reports import totals
from farebox.reports.export import export_calls
from farebox.reports.registry import REPORTS
from farebox.reports.report import Table
from farebox.reports.scope import Scope, scope
from farebox.reports.totals import CostReport, CostSummary, Totals

PERIODS: Final = ("daily", "weekly", "monthly", "session", "all")
"""Names of periods: the day, week (from Monday) and month of now in UTC; the tracker's session; everything."""


class CostTracker(scopes.Tracked):
    """Asks a ledger what was spent, and writes calls that no instrument saw.

    Every amount is exact and of the calls whose cost is known: `get_cost_report()` says how many have none.

    Used as a `with`, it makes calls inside part of its session. Without a `session_id`, its session is every call of the ledger that
    started after the tracker was made.

    Args:
        ledger: an open ledger, which stays open; a path; or None: that of this process. What is recorded goes to that of this process.
        session_id: which calls are its session.

    Raises:
        LedgerError: when it is first asked: there is no such ledger, or it cannot be used.
    """

    def __init__(self, ledger: Ledger | str | os.PathLike[str] | None = None, *, session_id: object = None) -> None:
        self.session_id = None if session_id is None else str(session_id)
        super().__init__(Attribution(session_id=self.session_id), None)
        self.started_at = time.time_ns()
        self._given = ledger
        self._own: Ledger | None = None

    # --- what is written

    def record_call(self, *, provider: str, model: str, usage: Usage | Mapping[str, Any], **more: Any) -> CallEvent:
        """Write a call of this session; see `farebox.record_call`."""
        with scopes.Tracked(Attribution(session_id=self.session_id), None):
            return recording.record_call(provider=provider, model=model, usage=usage, **more)

    def record_usage(self, record: Mapping[str, Any] | Any) -> CallEvent:
        """Write a record of this session that has the keys or attributes `provider`, `model_id`, `input_tokens` and `output_tokens`.

        It may also have `cost` (dollars; else priced by the book), `timestamp`, `request_id`, `task_type`; and where the provider
        returned no counts, the texts `prompt` and `completion`: its cost is then estimated, by their tokens. Neither is stored. Without
        them it is unknown. Both are said by a warning, and in every report.

        Raises:
            ConfigurationError: a value cannot be used.
        """
        return records.write(record, self.session_id)

    # --- what was spent

    def total(self, period: str = "all", /, **where: str | None) -> Totals:
        """Calls, tokens and cost of a period, of calls with these values; `total("daily", tenant_id="acme")`.

        Raises:
            ConfigurationError: no such period or dimension.
        """
        with self.ledger() as ledger:
            return totals.totals(ledger, self._period(period, where))

    def by(self, dimension: str, period: str = "all", /, **where: str | None) -> dict[str, Totals]:
        """The same by the values of a dimension, dearest first."""
        with self.ledger() as ledger:
            return totals.totals_by(ledger, dimension, self._period(period, where))

    def get_session_cost(self) -> Money | None:
        """Dollars of the session; as everywhere here, None when it has calls and the cost of none is known."""
        return self.total("session").cost

    def get_daily_cost(self, day: date | None = None) -> Money | None:
        """Dollars of a day in UTC, by default today."""
        start = self._midnight() if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)
        return self.get_cost_report(start, start + timedelta(days=1)).total_cost

    def get_weekly_cost(self) -> Money | None:
        """Dollars since Monday, in UTC."""
        return self.total("weekly").cost

    def get_monthly_cost(self) -> Money | None:
        """Dollars since the first of the month, in UTC."""
        return self.total("monthly").cost

    def get_chain_cost(self, chain_id: object) -> Money | None:
        """Dollars of a chain or workflow."""
        return self.total(chain_id=str(chain_id)).cost

    def get_task_cost(self, task_id: object) -> Money | None:
        """Dollars of one task, all its retries included: of the calls with the tag `task_id`."""
        return self.total(**{"tag:task_id": str(task_id)}).cost

    def get_request_cost(self, request_id: object) -> Money | None:
        """Dollars of the calls with the tag `request_id`."""
        return self.total(**{"tag:request_id": str(request_id)}).cost

    def get_tenant_cost(self, tenant_id: object, period: str = "all") -> Money | None:
        """Dollars of a tenant."""
        return self.total(period, tenant_id=str(tenant_id)).cost

    def get_cost_by_model(self, period: str = "session") -> dict[str, Money | None]:
        """Dollars by model, dearest first."""
        return {name: one.cost for name, one in self.by("model", period).items()}

    def get_cost_by_provider(self, period: str = "session") -> dict[str, Money | None]:
        """Dollars by provider, dearest first."""
        return {name: one.cost for name, one in self.by("provider", period).items()}

    def get_platform_totals(self, period: str = "all") -> dict[str, Totals]:
        """Calls, tokens and cost by provider."""
        return self.by("provider", period)

    def get_session_summary(self) -> dict[str, Totals]:
        """The overview of today by provider."""
        return self.by("provider", "daily")

    def get_average_cost(self, period: str = "all") -> Money | None:
        """Dollars of an average call; None when no cost is known."""
        return self.total(period).average

    def get_model_distribution(self, period: str = "all") -> dict[str, Decimal]:
        """Share of the calls by model, the most used first."""
        with self.ledger() as ledger:
            return totals.distribution(ledger, self._period(period, {}))

    def get_cost_report(
        self, start: Moment | None = None, end: Moment | None = None, **where: str | None
    ) -> CostReport:
        """What a time cost, by model, provider and task.

        Args:
            start: first moment that counts: a `datetime` with its zone, or nanoseconds UTC.
            end: first moment that no longer counts.
            **where: dimension → value that calls must have.
        """
        with self.ledger() as ledger:
            return totals.cost_report(ledger, scope(start, end, where))

    def get_summary(self, period: str = "monthly") -> CostSummary:
        """What a period cost, and what routes and caches saved in it."""
        with self.ledger() as ledger:
            return totals.summary(ledger, period, self._period(period, {}))

    def get_savings(self, period: str = "all", *, by: tuple[str, ...] = ("model",)) -> Table:
        """The savings report: each saving with its method and baseline."""
        return self.report("savings", period, by=by)

    def get_recent_calls(self, limit: int = 20) -> list[CallEvent]:
        """The newest calls, newest first."""
        with self.ledger() as ledger:
            return list(ledger.calls(limit=limit))

    def report(self, name: str, period: str = "all", **arguments: Any) -> Table:
        """A report of `farebox.reports.registry` by its name: "spend", "models", "latency", ...

        Raises:
            ConfigurationError: no such report or period.
        """
        if name not in REPORTS:
            raise ConfigurationError(f"{name!r} is no report: use one of {', '.join(REPORTS)}")
        if REPORTS[name].asks == "budgets":
            return REPORTS[name].run(self.get_budgets(), **arguments)
        with self.ledger() as ledger:
            return REPORTS[name].run(ledger, **self._period(period, {}).filters, **arguments)

    # --- what may be spent

    def get_budgets(self, tenant_id: object = None) -> list[BudgetStatus]:
        """How the standing budgets of this process stand; see `farebox.budget_status`."""
        return standing.budget_status(tenant_id=tenant_id)

    def estimate_cost(self, prompt: Any, model: str, **more: Any) -> Estimate:
        """What a call would probably cost; see `farebox.estimate`."""
        return verbs.estimate(prompt, model=model, **more)

    def should_warn_cost(self, prompt: Any, model: str, tokens: int = 10_000, cost: Amount | None = None) -> bool:
        """Whether a prompt is longer than `tokens`, or dearer than `cost` dollars."""
        return verbs.should_warn_cost(prompt, model=model, tokens=tokens, cost=cost)

    # --- files

    def export_csv(self, path: str | os.PathLike[str], period: str = "session") -> int:
        """Write the single calls of a period as CSV, in place of what stands there; returns how many they are."""
        return self._export(path, "csv", period)

    def export_json(self, path: str | os.PathLike[str], period: str = "session") -> int:
        """The same as JSON lines."""
        return self._export(path, "jsonl", period)

    def export_markdown(self, path: str | os.PathLike[str], period: str = "all") -> None:
        """Write the spend by model as a table in Markdown."""
        from farebox.reports.render import to_markdown

        Path(path).write_text(to_markdown(self.report("spend", period)), encoding="utf-8")

    # --- the ledger

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger, with everything that this process has written so far."""
        if self._given is not None and not isinstance(self._given, str | os.PathLike):
            yield self._given
            return
        if self._given is None:
            runtime.flush()
        if self._own is None:
            self._own = verbs.open_ledger(self._given)
        yield self._own

    def close(self) -> None:
        """Close the ledger that it opened; a later question opens it again."""
        opened, self._own = self._own, None
        if opened is not None:
            opened.close()

    def __enter__(self) -> Self:
        return super().__enter__()

    def _export(self, path: str | os.PathLike[str], form: str, period: str) -> int:
        with self.ledger() as ledger:
            return export_calls(ledger, path, form, force=True, **self._period(period, {}).filters)

    def _period(self, name: str, where: Mapping[str, str | None]) -> Scope:
        if name not in PERIODS:
            raise ConfigurationError(f"period={name!r} is not known: use one of {', '.join(PERIODS)}")
        if name == "all":
            return scope(None, None, where)
        if name == "session":
            if self.session_id is None:
                return scope(self.started_at, None, where)
            return scope(None, None, {**where, "session_id": self.session_id})
        today = self._midnight()
        starts = {"daily": today, "weekly": today - timedelta(days=today.weekday()), "monthly": today.replace(day=1)}
        return scope(starts[name], None, where)

    @staticmethod
    def _midnight() -> datetime:
        return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
