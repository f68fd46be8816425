"""Names of a service with tenants: costs by operation, tenant budgets, request budgets. May import the face's functions and everything below."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

import msgspec

from farebox import operations, recording, scopes, standing, tracker, verbs
from farebox.budgets.status import BudgetStatus
from farebox.core import context, semconv
from farebox.core.context import Attribution
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.core.money import Amount, Money
from farebox.core.ports import Ledger
from farebox.core.usage import Usage
from farebox.reports import totals
from farebox.reports.render import to_markdown
from farebox.reports.scope import scope
from farebox.reports.totals import Totals

DEFAULT_TENANT: Final = "default"
"""Who pays for what names no tenant."""

_VECTORS: Final = ("search", "upsert", "delete")

track_request_budget = verbs.track_request_budget
"""See `farebox.track_budget`."""

current_request_tracker = verbs.current_request_tracker
"""The innermost `Budget`, with `total_spent`, `per_task_spent` and `charge(cost, task)`; or None."""


class CostOverview(msgspec.Struct, frozen=True, kw_only=True):
    """What a time cost.

    Attributes:
        total_cost: dollars of the operations whose cost is known.
        operation_count: calls and other operations that were sent.
        average_cost: dollars of an average one; None when no cost is known.
        by_provider: dollars by provider; None where nothing is known.
        by_operation_type: dollars by operation: "chat", "vector.search", ...
        unpriced: operations whose cost is unknown.
    """

    total_cost: Money
    operation_count: int
    average_cost: Money | None
    by_provider: dict[str, Money | None]
    by_operation_type: dict[str, Money | None]
    unpriced: int


def record_llm_cost(
    operation_id: object,
    provider: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    cost_usd: Decimal | Amount | None = None,
    duration_seconds: float | None = None,
    tenant_id: object = None,
    workspace_id: object = None,
) -> CallEvent:
    """Write a call that no instrument saw; budgets around it and of its tenant are charged.

    Args:
        operation_id: the program's id of it, kept as the tag `operation_id`.
        provider: who bills it.
        model: what answered.
        input_tokens: tokens in.
        output_tokens: tokens out.
        cost_usd: dollars; None: priced by the book, and unknown where it has no price.
        duration_seconds: how long it took.
        tenant_id: who pays; None: whoever the surrounding `tracked` names, else "default".
        workspace_id: a part of the tenant.

    Raises:
        ConfigurationError: a value cannot be used.
    """
    with _paid_by(tenant_id, workspace_id, operation_id):
        return recording.record_call(
            provider=provider,
            model=model,
            usage=Usage(units={semconv.INPUT: input_tokens, semconv.OUTPUT: output_tokens}),
            cost=cost_usd,
            duration=duration_seconds,
        )


def record_vector_operation_cost(
    operation_id: object,
    operation_type: Literal["search", "upsert", "delete"],
    provider: str,
    vectors_count: int,
    cost_usd: Decimal | Amount | None = None,
    tenant_id: object = None,
) -> CallEvent:
    """Write a paid operation of a vector database, as "vector.search" and so on, with its `vectors` as units.

    Raises:
        ConfigurationError: another operation, or a value that cannot be used.
    """
    if operation_type not in _VECTORS:
        raise ConfigurationError(f"operation_type={operation_type!r} is not known: use one of {', '.join(_VECTORS)}")
    with _paid_by(tenant_id, None, operation_id):
        return operations.record_operation(
            f"vector.{operation_type}", provider=provider, units={"vectors": vectors_count}, cost=cost_usd
        )


def get_cost_summary(
    start_time: datetime | None = None, end_time: datetime | None = None, tenant_id: object = None
) -> CostOverview:
    """What a time cost, of one tenant or of all.

    Args:
        start_time: first moment that counts, with its zone; None: from the first call on.
        end_time: first moment that no longer counts.
        tenant_id: whose; None: everybody's.
    """
    where = {} if tenant_id is None else {"tenant_id": str(tenant_id)}
    asked = scope(start_time, end_time, where)
    with _ledger() as ledger:
        whole = totals.totals(ledger, asked)
        providers, kinds = (totals.totals_by(ledger, name, asked) for name in ("provider", "operation"))
    return CostOverview(
        total_cost=Money("0.00") if whole.cost is None else whole.cost,
        operation_count=whole.calls,
        average_cost=whole.average,
        by_provider=_costs(providers),
        by_operation_type=_costs(kinds),
        unpriced=whole.unpriced,
    )


def export_cost_report(days: int = 7, tenant_id: object = None) -> str:
    """The last days as Markdown: what was spent by tenant, by model and by operation.

    Args:
        days: how many, up to now.
        tenant_id: whose; None: everybody's.
    """
    from farebox.reports.spend import spend

    since = datetime.now(UTC) - timedelta(days=days)
    where = {} if tenant_id is None else {"tenant_id": str(tenant_id)}
    with _ledger() as ledger:
        tables = [spend(ledger, (name,), since=since, where=where) for name in ("tenant_id", "model", "operation")]
    return "\n".join(map(to_markdown, tables))


def set_tenant_budget(
    tenant_id: object,
    max_daily_cost: Amount | None = None,
    max_monthly_cost: Amount | None = None,
    max_hourly_cost: Amount | None = None,
) -> None:
    """Set what a tenant may spend; "*" is every tenant that is not named. See `farebox.set_tenant_budget`."""
    standing.set_tenant_budget(
        tenant_id, max_hourly_cost=max_hourly_cost, max_daily_cost=max_daily_cost, max_monthly_cost=max_monthly_cost
    )


def get_tenant_status(tenant_id: object = None) -> list[BudgetStatus]:
    """How a tenant's budgets stand: limit, spent, remaining, utilization."""
    return standing.budget_status(tenant_id=DEFAULT_TENANT if tenant_id is None else tenant_id)


def _paid_by(tenant_id: object, workspace_id: object, operation_id: object) -> scopes.Tracked:
    named = context.current().attribution.tenant_id if tenant_id is None else str(tenant_id)
    return scopes.Tracked(
        Attribution(
            tenant_id=named or DEFAULT_TENANT,
            workspace_id=None if workspace_id is None else str(workspace_id),
            tags={"operation_id": str(operation_id)},
        ),
        None,
    )


@contextlib.contextmanager
def _ledger() -> Iterator[Ledger]:
    with contextlib.closing(tracker.CostTracker()) as asked, asked.ledger() as ledger:
        yield ledger


def _costs(found: Mapping[str, Totals]) -> dict[str, Money | None]:
    return {name: one.cost for name, one in found.items()}
