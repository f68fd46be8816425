"""farebox sees, bounds and explains what a Python program spends on language models.

Names only. Each is loaded from its home when it is first used: `import farebox` costs next to nothing in programs that meter late
or not at all, and a test holds the table, the imports for type checkers and `__all__` to each other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from farebox import compat
    from farebox.answered import UsageMetrics, query_with_tracking
    from farebox.budgets.budget import Budget
    from farebox.budgets.status import BudgetStatus
    from farebox.config import Settings
    from farebox.core.alert import Alert
    from farebox.core.errors import (
        BudgetExceeded,
        ConfigurationError,
        FareboxError,
        LedgerError,
        PriceError,
    )
    from farebox.core.event import CallEvent
    from farebox.core.money import Money
    from farebox.core.usage import Usage
    from farebox.instrumentation import Instrumentation
    from farebox.operations import record_operation, tracked_operation
    from farebox.pricing.calculate import Cost
    from farebox.pricing.context import PriceContext
    from farebox.pricing.face import price
    from farebox.pricing.guess import Estimate
    from farebox.recording import record_cache_hit, record_call, record_route
    from farebox.runtime import (
        configure,
        flush,
        instrument,
        shutdown,
        uninstrument,
    )
    from farebox.scopes import Capture, carry
    from farebox.standing import attach_budget, budget_status, set_budget, set_tenant_budget
    from farebox.tracker import CostTracker
    from farebox.verbs import (
        capture,
        current_budget,
        current_request_tracker,
        estimate,
        on_alert,
        open_ledger,
        set_price,
        should_warn_cost,
        suppress,
        track_budget,
        track_request_budget,
        tracked,
    )

__all__ = [
    "Alert",
    "Budget",
    "BudgetExceeded",
    "BudgetStatus",
    "CallEvent",
    "Capture",
    "ConfigurationError",
    "Cost",
    "CostTracker",
    "Estimate",
    "FareboxError",
    "Instrumentation",
    "LedgerError",
    "Money",
    "PriceContext",
    "PriceError",
    "Settings",
    "Usage",
    "UsageMetrics",
    "__version__",
    "attach_budget",
    "budget_status",
    "capture",
    "carry",
    "compat",
    "configure",
    "current_budget",
    "current_request_tracker",
    "estimate",
    "flush",
    "instrument",
    "on_alert",
    "open_ledger",
    "price",
    "query_with_tracking",
    "record_cache_hit",
    "record_call",
    "record_operation",
    "record_route",
    "set_budget",
    "set_price",
    "set_tenant_budget",
    "should_warn_cost",
    "shutdown",
    "suppress",
    "track_budget",
    "track_request_budget",
    "tracked",
    "tracked_operation",
    "uninstrument",
]

__version__ = "0.1.0.dev0"

_HOMES: Final = {
    "Alert": "farebox.core.alert",
    "Budget": "farebox.budgets.budget",
    "BudgetExceeded": "farebox.core.errors",
    "BudgetStatus": "farebox.budgets.status",
    "CallEvent": "farebox.core.event",
    "Capture": "farebox.scopes",
    "ConfigurationError": "farebox.core.errors",
    "Cost": "farebox.pricing.calculate",
    "CostTracker": "farebox.tracker",
    "Estimate": "farebox.pricing.guess",
    "FareboxError": "farebox.core.errors",
    "Instrumentation": "farebox.instrumentation",
    "LedgerError": "farebox.core.errors",
    "Money": "farebox.core.money",
    "PriceContext": "farebox.pricing.context",
    "PriceError": "farebox.core.errors",
    "Settings": "farebox.config",
    "Usage": "farebox.core.usage",
    "UsageMetrics": "farebox.answered",
    "attach_budget": "farebox.standing",
    "budget_status": "farebox.standing",
    "capture": "farebox.verbs",
    "carry": "farebox.scopes",
    "compat": "farebox",
    "configure": "farebox.runtime",
    "current_budget": "farebox.verbs",
    "current_request_tracker": "farebox.verbs",
    "estimate": "farebox.verbs",
    "flush": "farebox.runtime",
    "instrument": "farebox.runtime",
    "on_alert": "farebox.verbs",
    "open_ledger": "farebox.verbs",
    "price": "farebox.pricing.face",
    "query_with_tracking": "farebox.answered",
    "record_cache_hit": "farebox.recording",
    "record_call": "farebox.recording",
    "record_operation": "farebox.operations",
    "record_route": "farebox.recording",
    "set_budget": "farebox.standing",
    "set_price": "farebox.verbs",
    "set_tenant_budget": "farebox.standing",
    "should_warn_cost": "farebox.verbs",
    "shutdown": "farebox.runtime",
    "suppress": "farebox.verbs",
    "track_budget": "farebox.verbs",
    "track_request_budget": "farebox.verbs",
    "tracked": "farebox.verbs",
    "tracked_operation": "farebox.operations",
    "uninstrument": "farebox.runtime",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise import_module("farebox.core.absent").missing(name, __all__)
    found = import_module(f"{home}.{name}") if home == __name__ else getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
