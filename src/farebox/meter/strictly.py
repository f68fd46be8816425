"""Which calls strict budgets bind, and what bounds them. May import pricing, budgets and below."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from farebox.budgets.books import Bucket
from farebox.budgets.standing import StandingBudgets
from farebox.core.errors import BudgetExceeded
from farebox.core.guard import attempt, report
from farebox.core.money import Money
from farebox.meter.ceiling import Ceilings, NoCeiling
from farebox.meter.plan import Plan

if TYPE_CHECKING:
    from farebox.meter.call import PaidCall

STRICT: Final = "strict"


class Strictly:
    """Finds ceilings, and refuses what has none.

    Args:
        standing: the standing budgets.
        ceilings: what a call can cost at most.
    """

    def __init__(self, standing: StandingBudgets, ceilings: Ceilings) -> None:
        self._standing = standing
        self._ceilings = ceilings

    def may_bind(self, budgets: Sequence[Any]) -> bool:
        """Whether one of these, or a standing budget, is strict."""
        return any(budget.strength == STRICT for budget in budgets) or self._standing.is_strict

    def bind(self, call: PaidCall) -> None:
        """See what kinds of budgets bind a call, and find its ceiling where strict ones may, while its body is there."""
        # One loop, and no generators: with three budgets they took as long as holding the money (0.5 µs).
        for budget in call.budgets:
            if budget.strength == STRICT:
                call.strict = True
            if budget.wait:
                call.patient = call.request.waits
            if budget.is_shared:
                call.shares = True
        if call.strict or self._standing.is_strict:
            call.plan = attempt(self._plan, call, on_error=functools.partial(_unplanned, call))

    def unknown(self, call: PaidCall, what: str) -> BudgetExceeded | None:
        """The refusal of a strict budget for a request that nobody knows, or None where no strict budget binds it."""
        call.plan = Plan(call.request, NoCeiling(what))
        try:
            self.check(call)
            if self._standing.is_strict:
                now = time.time_ns()
                self.check_standing(call, self._standing.matching(call.request, call.scope.attribution, now))
        except BudgetExceeded as refusal:
            return refusal
        return None

    def check(self, call: PaidCall) -> None:
        """See that a strict request budget with a limit for a call has a ceiling of it.

        Raises:
            BudgetExceeded: nothing bounds the call.
        """
        plan, task = call.plan, call.scope.attribution.task_type
        if plan is not None and plan.reason is not None:
            for budget in call.budgets:
                if budget.strength == STRICT and budget.limits(task):
                    raise _no_ceiling(plan.reason, budget.name, budget.total_limit, budget)

    @staticmethod
    def check_standing(call: PaidCall, buckets: Sequence[Bucket]) -> None:
        """The same for budgets in a store.

        Raises:
            BudgetExceeded: nothing bounds the call.
        """
        plan = call.plan
        for bucket in buckets:
            if bucket.is_strict and plan is not None:
                reason = plan.reason
                if reason is None and bucket.unit == "tokens" and plan.taken.tokens is None:
                    reason = "a bound in dollars says nothing of tokens"
                if reason is not None:
                    raise _no_ceiling(reason, bucket.name, None)

    def reserve_standing(
        self, call: PaidCall, plan: Plan, buckets: Sequence[Bucket], expected: Mapping[str, int]
    ) -> None:
        """Hold the ceiling of budgets in a store, lowered as often as one of them has less left.

        Raises:
            BudgetExceeded: one cannot pay however low it is, or nothing bounds the call.
        """
        if not call.strict and plan.reason is None:
            plan.begin(clamps=True)
        call.strict = True
        self.check_standing(call, buckets)
        while True:
            most = {"usd": plan.taken.nano, "tokens": plan.taken.tokens or 0, "calls": 1}
            try:
                self._standing.reserve(call.id, buckets, expected, now=time.time_ns(), ceilings=most)
            except BudgetExceeded as refusal:
                if not plan.yields(refusal):
                    raise
            else:
                return

    def _plan(self, call: PaidCall) -> Plan:
        """How a call can be sent; where the table has no ceiling, the innermost strict budget with a bound states one."""
        ceiling = self._ceilings.of(call.request, call.started_at)
        stated = None
        if isinstance(ceiling, NoCeiling):
            bounds = (budget.bound(call.request) for budget in call.budgets if budget.strength == STRICT)
            stated = next((bound for bound in bounds if bound is not None), None)
        return Plan(call.request, ceiling, stated)


def explained(refusal: BudgetExceeded, plan: Plan) -> BudgetExceeded:
    """A refusal that says how far the call was lowered in vain."""
    if refusal.strength == STRICT and plan.floor is not None:
        least = Money.from_nano(plan.floor)
        refusal.reason = f"{refusal.reason} Sent once, with the shortest answer of use, it could still cost ${least}."
        refusal.args = (refusal.reason,)
    return refusal


def _unplanned(call: PaidCall, error: Exception) -> Plan:
    """Where finding the ceiling failed, there is none."""
    report("ceiling", error)
    return Plan(call.request, NoCeiling(f"its ceiling could not be found ({error})"))


def _no_ceiling(reason: str, name: str | None, limit: Money | None, holder: object = None) -> BudgetExceeded:
    return BudgetExceeded(
        f"strict budget {name or '(unnamed)'} cannot hold this call, whose cost has no proven ceiling: {reason}. Nothing was sent.",
        budget=name,
        limit=limit,
        strength=STRICT,
        holder=holder,
    )
