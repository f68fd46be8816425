"""farebox sees, bounds and explains what a Python program spends on language models."""

from __future__ import annotations

from typing import Any

from farebox.budgets.budget import Budget
from farebox.config import Settings
from farebox.core.errors import BudgetExceeded, ConfigurationError, FareboxError, LedgerError, PriceError
from farebox.core.event import CallEvent
from farebox.core.money import Money
from farebox.core.usage import Usage
from farebox.pricing.calculate import Cost
from farebox.pricing.context import PriceContext
from farebox.pricing.face import price
from farebox.pricing.guess import Estimate
from farebox.runtime import Instrumentation, configure, flush, instrument, shutdown, uninstrument
from farebox.scopes import Capture, carry
from farebox.verbs import (
    capture,
    current_budget,
    estimate,
    missing,
    open_ledger,
    record_call,
    should_warn_cost,
    suppress,
    track_budget,
    tracked,
)

__all__ = [
    "Budget",
    "BudgetExceeded",
    "CallEvent",
    "Capture",
    "ConfigurationError",
    "Cost",
    "Estimate",
    "FareboxError",
    "Instrumentation",
    "LedgerError",
    "Money",
    "PriceContext",
    "PriceError",
    "Settings",
    "Usage",
    "__version__",
    "capture",
    "carry",
    "configure",
    "current_budget",
    "current_request_tracker",
    "estimate",
    "flush",
    "instrument",
    "open_ledger",
    "price",
    "record_call",
    "should_warn_cost",
    "shutdown",
    "suppress",
    "track_budget",
    "track_request_budget",
    "tracked",
    "uninstrument",
]

__version__ = "0.1.0.dev0"

track_request_budget = track_budget
current_request_tracker = current_budget


def __getattr__(name: str) -> Any:
    raise missing(name, __all__)
