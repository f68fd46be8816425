"""Panels: functions from what there is to read and a question to a table. A new one is one file and one line here."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from farebox.core.registry import Registry

PANELS: Final[Registry] = Registry(
    "panel",
    rows={
        "totals": "farebox.dashboard.panels.totals:totals",
        "pace": "farebox.dashboard.panels.totals:pace",
        "timeline": "farebox.dashboard.panels.timeline:timeline",
        "spend": "farebox.dashboard.panels.spend:spend",
        "latency": "farebox.dashboard.panels.latency:latency",
        "budgets": "farebox.dashboard.panels.budgets:budgets",
        "burn": "farebox.dashboard.panels.budgets:burn",
        "unpriced": "farebox.dashboard.panels.unpriced:unpriced",
        "values": "farebox.dashboard.panels.spend:values",
        "calls": "farebox.dashboard.panels.calls:calls",
        "call": "farebox.dashboard.panels.calls:call",
        "bills": "farebox.dashboard.panels.bills:bills",
        "savings": "farebox.dashboard.panels.reports:savings",
        "reports": "farebox.dashboard.panels.reports:report",
        "forecast": "farebox.dashboard.panels.reports:forecast",
        "explain": "farebox.dashboard.panels.calls:explain",
    },
)
"""Each takes `Sources` and a `Question`."""


def panel_named(name: str) -> Any:
    """A panel, or one of the reports: "reports/NAME".

    Raises:
        ConfigurationError: there is none of that name; the message lists those there are.
    """
    kind, slash, report = name.partition("/")
    return partial(PANELS["reports"], name=report) if slash and kind == "reports" else PANELS[name]
