"""The names and signatures of home-made cost trackers, so that their call sites stay while the tracker goes. May import the face's functions and everything below.

One file for each kind of tracker: `orchestrator` (records of calls, a command line), `chains` (tasks of chains in a SQLite file), `router` (a
router with a cache), `client` (a library over several providers), `tenants` (a service with tenants and request budgets).
"""

from __future__ import annotations

from farebox.compat.chains import ChainCostTracker
from farebox.compat.client import query_with_tracking
from farebox.compat.orchestrator import UsageRecord, record_usage
from farebox.compat.router import RouterCostTracker
from farebox.compat.tenants import (
    CostOverview,
    current_request_tracker,
    export_cost_report,
    get_cost_summary,
    get_tenant_status,
    record_llm_cost,
    record_vector_operation_cost,
    set_tenant_budget,
    track_request_budget,
)

__all__ = [
    "ChainCostTracker",
    "CostOverview",
    "RouterCostTracker",
    "UsageRecord",
    "current_request_tracker",
    "export_cost_report",
    "get_cost_summary",
    "get_tenant_status",
    "query_with_tracking",
    "record_llm_cost",
    "record_usage",
    "record_vector_operation_cost",
    "set_tenant_budget",
    "track_request_budget",
]
