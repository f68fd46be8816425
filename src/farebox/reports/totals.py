"""Sums as values for programs: totals, a cost report, a summary with savings. Imports core and reports only.

They are the numbers of the reports `spend` and `savings`; what those say in notes stands here in `unpriced`, `estimated` and `unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Self

import msgspec

from farebox.core import semconv
from farebox.core.money import Money
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.scope import NOBODY, Scope


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Calls added up.

    Attributes:
        calls: how many were sent; refused ones are none.
        cost: dollars of the calls whose cost is known; None when there are calls and none is.
        input_tokens: all tokens in, cached ones included.
        output_tokens: all tokens out.
        cached_tokens: tokens in that came from the provider's cache.
        errors: calls that ended with an error.
        unpriced: calls whose cost is unknown; `cost` is a lower bound where there are any.
        estimated: calls whose cost is an estimate, or has parts without a price.
    """

    calls: int = 0
    cost: Money | None = Money("0.00")
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    errors: int = 0
    unpriced: int = 0
    estimated: int = 0

    @property
    def average(self) -> Money | None:
        """Dollars of an average call whose cost is known; None when there is none."""
        known = self.calls - self.unpriced
        return Money.from_nano(round(Decimal(self.cost.to_nano()) / known)) if known and self.cost is not None else None

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        """The totals of a group of `groups.grouped`."""
        return cls(
            calls=group["calls"],
            cost=groups.cost_of(group),
            input_tokens=group["input_tokens"],
            output_tokens=group["output_tokens"],
            cached_tokens=group["cache_read_tokens"],
            errors=group["errors"],
            unpriced=group["unpriced"],
            estimated=group["estimated"] + group["partial"],
        )


class CostReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a period cost.

    Attributes:
        since: first moment that counts, nanoseconds UTC; None: from the first call on.
        until: first moment that no longer counts; None: to the last call.
        total: everything.
        by_model: the same by model; "(none)" for calls that name none.
        by_provider: by provider.
        by_task: by `task_type`.
        notes: what the numbers leave out, as sentences.
    """

    since: int | None
    until: int | None
    total: Totals
    by_model: dict[str, Totals]
    by_provider: dict[str, Totals]
    by_task: dict[str, Totals]
    notes: tuple[str, ...]

    @property
    def total_cost(self) -> Money | None:
        """Dollars; see `Totals.cost`."""
        return self.total.cost


class CostSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a period cost and saved.

    Attributes:
        period: its name, for example "daily".
        total_cost: dollars of the calls whose cost is known.
        total_saved: dollars saved, by routes and caches together; below 0 where it cost more.
        routing_savings: dollars against the baseline models.
        cache_savings: dollars against uncached tokens, and against calls that local caches made needless.
        model_distribution: share of the calls by model; together 1.
        calls: how many were sent.
        unpriced: calls whose cost is unknown.
        unknown: savings that are unknown, and in no sum.
    """

    period: str
    total_cost: Money
    total_saved: Money
    routing_savings: Money
    cache_savings: Money
    model_distribution: dict[str, Decimal]
    calls: int
    unpriced: int
    unknown: int


def totals(ledger: Ledger, asked: Scope) -> Totals:
    """All calls of a scope."""
    return Totals.of(groups.summed(groups.grouped(ledger, (), asked)))


def totals_by(ledger: Ledger, dimension: str, asked: Scope) -> dict[str, Totals]:
    """Totals by the values of a dimension, dearest first."""
    found = groups.grouped(ledger, (dimension,), asked)
    return {NOBODY if group[dimension] is None else str(group[dimension]): Totals.of(group) for group in found}


def cost_report(ledger: Ledger, asked: Scope) -> CostReport:
    """What a scope cost, by model, provider and task."""
    whole = groups.summed(groups.grouped(ledger, (), asked))
    return CostReport(
        since=asked.since,
        until=asked.until,
        total=Totals.of(whole),
        by_model=totals_by(ledger, "model", asked),
        by_provider=totals_by(ledger, "provider", asked),
        by_task=totals_by(ledger, "task_type", asked),
        notes=groups.cautions(whole),
    )


def distribution(ledger: Ledger, asked: Scope) -> dict[str, Decimal]:
    """Share of the calls by model, the most used first."""
    found = totals_by(ledger, "model", asked)
    whole = sum(one.calls for one in found.values())
    shares = {model: groups.ratio(one.calls, whole) or Decimal(0) for model, one in found.items() if one.calls}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def summary(ledger: Ledger, period: str, asked: Scope) -> CostSummary:
    """What a scope cost and saved."""
    whole = totals(ledger, asked)
    saved = {str(one.group["method"]): one for one in ledger.savings("method", **asked.filters)}
    routing = _saved(saved, (semconv.SAVED_ROUTING,))
    caches = _saved(saved, (semconv.SAVED_PROMPT_CACHE, semconv.SAVED_LOCAL_CACHE))
    return CostSummary(
        period=period,
        total_cost=Money("0.00") if whole.cost is None else whole.cost,
        total_saved=Money.from_nano(routing + caches),
        routing_savings=Money.from_nano(routing),
        cache_savings=Money.from_nano(caches),
        model_distribution=distribution(ledger, asked),
        calls=whole.calls,
        unpriced=whole.unpriced,
        unknown=sum(one.unknown for one in saved.values()),
    )


def _saved(saved: Mapping[str, Any], methods: Sequence[str]) -> int:
    return sum(saved[method].baseline_nano - saved[method].cost_nano for method in methods if method in saved)
