"""What calls hold of budgets: reserved before they are sent, settled or charged after. May import pricing, budgets and below."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Final

from farebox.billing import FAULT, Biller, Quote
from farebox.budgets.books import Bucket
from farebox.budgets.gate import Gate
from farebox.budgets.reservation import Reservation
from farebox.budgets.shared import SharedBudget
from farebox.budgets.standing import StandingBudgets
from farebox.budgets.waiting import Waiting
from farebox.core import semconv
from farebox.core.errors import BudgetExceeded, LedgerError
from farebox.core.guard import attempt, contained, report
from farebox.core.identity import new_id
from farebox.core.money import Money
from farebox.core.usage import Usage
from farebox.meter.ceiling import Ceilings
from farebox.meter.strictly import STRICT, Strictly, explained
from farebox.pricing.assume import AssumedRates

if TYPE_CHECKING:
    from farebox.meter.call import PaidCall

_CERTAIN: Final = frozenset({semconv.COST_PRICED, semconv.COST_PROVIDER})
"""Costs that are known to the last cent."""


class Holding:
    """Asks request budgets and standing ones for the money of calls, all of them or none.

    Args:
        gate: where request budgets are booked.
        standing: the standing budgets.
        biller: says once of a model that it has no price.
        ceilings: what a call can cost at most.
        on_gate_error: whether a call goes on when the gate itself fails: "allow" or "deny".
        on_unpriced: whether a hard budget lets a call go whose model has no price; rates: it is booked at those.
    """

    def __init__(
        self,
        gate: Gate,
        standing: StandingBudgets,
        biller: Biller,
        ceilings: Ceilings,
        *,
        on_gate_error: str,
        on_unpriced: str | AssumedRates,
    ) -> None:
        self.gate = gate
        self.standing = standing
        self._biller = biller
        self.strictly = Strictly(standing, ceilings)
        self._deny_on_error = on_gate_error == "deny"
        self._deny_unpriced = on_unpriced == "deny"
        self._assumed = on_unpriced if isinstance(on_unpriced, AssumedRates) else None

    def concern(self, call: PaidCall) -> bool:
        """Whether there is any budget to ask for a call."""
        return bool(call.budgets) or self.standing.concern(call.started_at)

    # --- before it is sent

    def reserve(self, call: PaidCall, *, last: bool) -> Reservation | None:
        """Hold the call's money of every request budget; None when there is none, or the gate failed and calls go on.

        Args:
            call: what is about to be sent.
            last: whether no waiting can help any more, so that strict budgets lower the cap to the money left.

        Raises:
            BudgetExceeded: a budget cannot pay for it.
        """
        if not call.budgets:
            return None
        return attempt(self._reserve, call, last, on_error=functools.partial(self._failed, call))

    def reserve_standing(self, call: PaidCall) -> None:
        """Hold it of the standing budgets too, now that request budgets hold it; where one cannot pay, nothing is held anywhere.

        Raises:
            BudgetExceeded: a standing budget cannot pay for it.
        """
        if not (call.shares or self.standing.concern(call.started_at)):
            return
        try:
            call.hold = attempt(self._reserve_standing, call, on_error=functools.partial(self._failed, call))
            # The store failed and the call goes on: it is booked then.
            if call.hold is None and self.standing.is_unheld(call.id):
                call.hold = call.id
        except BaseException:
            if self.standing.is_unheld(call.id):
                self.standing.release(call.id, now=call.started_at)
            held, call.reservation = call.reservation, None
            if held is not None:
                self.gate.release(held)
            raise

    def extend(self, call: PaidCall) -> None:
        """Hold what one more attempt will probably cost, too: strict budgets hold all of them from the beginning.

        Budgets in a store are not asked: they are charged for the attempt when the call ends.

        Raises:
            BudgetExceeded: a request budget cannot pay for it.
        """
        expected = None if call.forecast is None else call.forecast.expected_nano
        if call.reservation is not None and expected:
            try:
                self.gate.extend(call.reservation, call.budgets, expected, call.scope.attribution.task_type)
            except BudgetExceeded as refusal:
                refusal.reason = refusal.reason.replace(
                    "Nothing was sent.", "An attempt was sent and never answered; it was not tried again."
                )
                refusal.args = (refusal.reason,)
                if refusal.holder is not None:
                    refusal.holder.refused(refusal)
                raise

    def line_up(self, call: PaidCall) -> Waiting | None:
        """A place in the line for a call that was refused, where waiting can help."""
        forecast, plan = call.forecast, call.plan
        bounded = call.strict and plan is not None and plan.reason is None
        expected = None if forecast is None else forecast.expected_nano
        if expected is None and not bounded:
            return None
        patience = max(budget.wait for budget in call.budgets)
        task = call.scope.attribution.task_type
        least = plan.least if plan is not None and bounded else None
        return self.gate.line_up(call.budgets, expected or 0, task, patience=patience, ceiling=least)

    def line_up_shared(self, call: PaidCall, refusal: BudgetExceeded, before: Waiting | None) -> Waiting | None:
        """A place in the line of a shared budget, where it refused a call only because of calls in flight of others.

        Args:
            call: what is to be sent.
            refusal: of the store.
            before: the place in a line that it has, or had until now; None: it has not waited.
        """
        budget = refusal.holder
        if not call.request.waits or not isinstance(budget, SharedBudget) or not budget.may_fit(refusal):
            return None
        if before is not None and before.over:
            return None
        deadline = time.monotonic() + max(each.wait for each in call.budgets) if before is None else before.deadline
        asked = Money(refusal.asked or 0).to_nano()
        return self.gate.stand_in(budget.account, asked, deadline, before)

    def release(self, call: PaidCall) -> None:
        """Give everything back: nothing is sent."""
        if call.reservation is not None:
            contained("budget gate", self.gate.release, call.reservation)
        if call.hold is not None:
            contained("standing budgets", self.standing.release, call.hold, now=time.time_ns())

    def begin(self, call: PaidCall) -> None:
        """Count a call that the provider began by itself: it is charged, and nothing can refuse it any more."""
        if call.budgets:
            task = call.scope.attribution.task_type
            call.reservation = contained("budget gate", self.gate.reserve, call.budgets, 0, task)
        call.hold = contained("standing budgets", self._reserve_standing, call)

    def known_cost(self, call: PaidCall) -> int | None:
        """Nano-dollars to hold for a call; None when its cost is unknown, and what has a limit must not let it go."""
        request, forecast = call.request, call.forecast
        if forecast is None:
            raise RuntimeError("the call could not be estimated")
        if forecast.expected_nano is not None:
            return forecast.expected_nano
        self._biller.warn_unpriced(request.provider, request.model or "")
        if self._assumed is not None:
            return self._assumed.expected(forecast.input_tokens, forecast.output_tokens)
        return None if self._deny_unpriced else 0

    def _reserve(self, call: PaidCall, last: bool) -> Reservation:
        task, plan = call.scope.attribution.task_type, call.plan
        if not call.strict or plan is None:
            return self.gate.reserve(call.budgets, self._expected(call), task)
        self.strictly.check(call)
        if plan.reason is not None:  # its strict budgets have no limit for it
            return self.gate.reserve(call.budgets, self._expected(call), task)
        plan.begin(clamps=last)
        try:
            return self.gate.reserve(
                call.budgets, self._expected(call), task, ceiling=plan.taken.nano, lower=plan.lower
            )
        except BudgetExceeded as refusal:
            raise explained(refusal, plan) from None

    def _expected(self, call: PaidCall) -> int:
        known = self.known_cost(call)
        if known is not None:
            return known
        for budget in call.budgets:
            if budget.strength == "hard" and budget.total_limit is not None:
                raise _unpriced(call, budget.name, budget.total_limit, budget.total_spent, budget)
        return 0

    def _reserve_standing(self, call: PaidCall) -> str | None:
        now = time.time_ns()
        matches = self._buckets(call, now)
        if not matches:
            return None
        if call.request.begun:
            self.standing.reserve(call.id, matches, {"usd": 0, "tokens": 0, "calls": 1}, now=now, refusing=False)
            return call.id
        nano = self.known_cost(call)
        for match in matches:
            if nano is None and match.bounds_money:
                raise _unpriced(call, match.name, Money.from_nano(match.limit or 0))
        forecast = call.forecast
        tokens = 0 if forecast is None else forecast.input_tokens + forecast.output_tokens
        expected = {"usd": nano or 0, "tokens": tokens, "calls": 1}
        plan = call.plan
        if plan is not None and any(match.is_strict for match in matches):
            self.strictly.reserve_standing(call, plan, matches, expected)
        else:
            self.standing.reserve(call.id, matches, expected, now=now)
        return call.id

    def _buckets(self, call: PaidCall, now: int) -> list[Bucket]:
        """Where a call is counted in the store: shared budgets, innermost first, then the standing ones that it falls under."""
        task = call.scope.attribution.task_type
        found: list[Bucket] = [bucket for budget in call.budgets for bucket in budget.buckets(task)]
        if self.standing.concern(now):
            try:
                found += self.standing.matching(call.request, call.scope.attribution, now)
            except LedgerError:
                if not found:  # else the question that follows says whether the store fails, and remembers the call
                    raise
        return found

    def _failed(self, call: PaidCall, error: Exception) -> None:
        if isinstance(error, BudgetExceeded):
            raise error
        report("budget gate", error)
        self.failed(error, strict=call.strict)

    def failed(self, error: Exception, *, strict: bool) -> None:
        """What becomes of a call whose budgets could not be asked.

        Args:
            error: why.
            strict: whether a strict budget binds it.

        Raises:
            BudgetExceeded: it is not sent.
        """
        if strict:
            raise BudgetExceeded(
                f"the budget gate failed ({error}), and a strict budget lets nothing go that it cannot hold. Nothing was sent.",
                strength=STRICT,
            ) from error
        if self._deny_on_error:
            raise BudgetExceeded(f"the budget gate failed ({error}), and on_gate_error is 'deny'") from error

    # --- after it was sent

    def settle(self, call: PaidCall, cost: Quote, usage: Usage | None) -> None:
        """Replace what the call holds by what it cost."""
        # The store first: whoever the gate wakes may look into it.
        if call.hold is not None:
            contained("standing budgets", self._settle_standing, call, call.hold, cost, usage)
        if call.reservation is not None:
            contained("budget gate", self._settle, call, call.reservation, cost, usage)

    def charge(self, call: PaidCall, cost: Quote, usage: Usage | None) -> None:
        """Charge the request budgets around a call that was paid already: they cannot refuse any more."""
        if call.budgets:
            contained("budget gate", self._charge, call, cost, usage)

    def charge_standing(self, call: PaidCall, cost: Quote, usage: Usage | None, *, tokens: int, calls: int) -> None:
        """Charge the standing budgets that it falls under."""
        contained("standing budgets", self._charge_standing, call, cost, usage, tokens, calls)

    def held(self, call: PaidCall) -> int:
        """Nano-dollars that the call holds."""
        if call.reservation is not None and call.reservation.amount:
            return call.reservation.amount
        return 0 if call.hold is None else self.known_cost(call) or 0

    def _settle(self, call: PaidCall, reservation: Reservation, cost: Quote, usage: Usage | None) -> None:
        # A call whose price failed us is charged what it held: the provider may well have billed it.
        held = reservation.amount
        actual = held if cost is FAULT else self._booked(cost[0], usage, held)
        self.gate.settle(reservation, actual, certain=cost[1] in _CERTAIN)
        for budget in call.budgets:
            if budget.strength == "soft":
                budget.settled()

    def _settle_standing(self, call: PaidCall, hold: str, cost: Quote, usage: Usage | None) -> None:
        nano = None if cost is FAULT else self._booked(cost[0], usage, self.held(call))
        if call.strict and cost[1] not in _CERTAIN:
            nano = None  # what is held is charged: by strict budgets the ceiling
        free = cost[0] == 0 and usage is None  # the provider cannot have counted anything either
        actual = {"usd": nano, "tokens": 0 if free else None if usage is None else call.tokens(usage), "calls": 1}
        self.standing.settle(hold, actual, now=time.time_ns())

    def _charge(self, call: PaidCall, cost: Quote, usage: Usage | None) -> None:
        held = self.gate.reserve(call.budgets, 0, call.scope.attribution.task_type)
        self.gate.settle(held, self._booked(cost[0], usage, 0))
        for budget in call.budgets:
            budget.settled()

    def _charge_standing(self, call: PaidCall, cost: Quote, usage: Usage | None, tokens: int, calls: int) -> None:
        now = time.time_ns()
        matches = self._buckets(call, now)
        if matches:
            amounts = {"usd": self._booked(cost[0], usage, 0) or 0, "tokens": tokens, "calls": calls}
            self.standing.charge(new_id(now), matches, amounts, calls=calls, at=call.started_at)

    def _booked(self, nano: int | None, usage: Usage | None, held: int) -> int | None:
        """Nano-dollars that budgets are charged: of a call without a price, what `on_unpriced` assumes."""
        if nano is not None or self._assumed is None:
            return nano
        return held if usage is None else self._assumed.cost(usage)


def _unpriced(
    call: PaidCall, name: str | None, limit: Money | None, spent: Money | None = None, holder: object = None
) -> BudgetExceeded:
    request = call.request
    what = (
        f"{request.provider} model {request.model!r} has no price"
        if request.model
        else f"a {request.operation} request to {request.provider} names no model that could be priced before it is sent"
    )
    return BudgetExceeded(
        f"{what}, so budget {name or '(unnamed)'} cannot hold its cost. Nothing was sent. Set its price with farebox.set_price, "
        "or on_unpriced='allow' to let such calls go uncounted, or use strength='soft'.",
        budget=name,
        limit=limit,
        spent=spent,
        holder=holder,
    )
