"""Every report by name: what it answers and what it can be asked. A new report is one file and one row here. Imports core and reports only.

Commands, dashboard and exports are made from these rows.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, Literal

import msgspec

from farebox.reports.report import Table


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One report.

    Attributes:
        place: "module:function"; imported when it is run.
        title: a heading for people.
        about: what it answers, in one sentence.
        arguments: what it can be asked beside `since`, `until` and `where`: "by" (dimensions), "limit" (rows), "cursor" (of the page before).
        by: the dimensions that it tells apart when none are asked for.
        asks: what its first argument is: a ledger, or the list that `budget_status()` gives (which takes no times or conditions).
    """

    place: str
    title: str
    about: str
    arguments: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    asks: Literal["ledger", "budgets"] = "ledger"

    def run(self, source: Any, **arguments: Any) -> Table:
        """The table.

        Args:
            source: what it `asks`.
            **arguments: some of `since`, `until`, `where` and `arguments`.

        Raises:
            ConfigurationError: an argument names no dimension, or cannot be used.
        """
        module, _, function = self.place.partition(":")
        table: Table = getattr(import_module(module), function)(source, **arguments)
        return table


_BY: Final = ("by",)

REPORTS: Final[dict[str, Report]] = {
    "cost": Report(
        place="farebox.reports.cost:cost",
        title="Cost",
        about="Sums of today, the last seven days and this month, or of one period.",
    ),
    "spend": Report(
        place="farebox.reports.spend:spend",
        title="Spend",
        about="Calls, tokens and cost by any dimensions, dearest first.",
        arguments=_BY,
        by=("model",),
    ),
    "models": Report(
        place="farebox.reports.models:models",
        title="Models",
        about="Which models answered: shares of calls, tokens and cost.",
        arguments=_BY,
        by=("provider", "model"),
    ),
    "tokens": Report(
        place="farebox.reports.tokens:tokens",
        title="Tokens by kind",
        about="What was billed, kind by kind: input, cache reads and writes, output, searches, seconds.",
        arguments=_BY,
    ),
    "average": Report(
        place="farebox.reports.average:average",
        title="Average call",
        about="Cost and tokens of an average call.",
        arguments=_BY,
        by=("model",),
    ),
    "latency": Report(
        place="farebox.reports.latency:latency",
        title="Latency",
        about="How long calls and their first chunks took, as percentiles.",
        arguments=_BY,
        by=("model",),
    ),
    "errors": Report(
        place="farebox.reports.errors:errors",
        title="Errors",
        about="What did not end well: errors, cancelled, lost and refused calls, and what they cost.",
        arguments=_BY,
        by=("model",),
    ),
    "cache": Report(
        place="farebox.reports.cache:cache",
        title="Caches",
        about="How much was answered from the provider's caches and from local ones.",
        arguments=_BY,
        by=("model",),
    ),
    "savings": Report(
        place="farebox.reports.savings:savings",
        title="Savings",
        about="What routes, the provider's cache and local caches saved, each against its baseline.",
        arguments=_BY,
        by=("model",),
    ),
    "unpriced": Report(
        place="farebox.reports.unpriced:unpriced",
        title="Unpriced",
        about="Calls whose cost is unknown or partly known: which, why, and what to do.",
    ),
    "calls": Report(
        place="farebox.reports.calls:dearest",
        title="Dearest calls",
        about="The calls that cost most.",
        arguments=("limit",),
    ),
    "latest": Report(
        place="farebox.reports.calls:latest",
        title="Latest calls",
        about="Single calls, newest first, page by page.",
        arguments=("limit", "cursor"),
    ),
    "compare": Report(
        place="farebox.reports.compare:compare",
        title="Comparison",
        about="A period against the equally long one before it.",
        arguments=_BY,
        by=("model",),
    ),
    "forecast": Report(
        place="farebox.reports.forecast:forecast",
        title="Forecast",
        about="What this month will have cost at its end, with a range.",
        arguments=_BY,
    ),
    "budgets": Report(
        place="farebox.reports.budgets:budgets",
        title="Budgets",
        about="Standing budgets: what is spent, how fast, and when it is gone.",
        asks="budgets",
    ),
}
"""In the order in which people are shown them."""
