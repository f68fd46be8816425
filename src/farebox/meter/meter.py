"""The meter: opens paid calls, writes those made elsewhere and those told of later. May import pricing, budgets and below."""

from __future__ import annotations

import time

from farebox.billing import FAULT, FREE, PENDING, Biller, Ending, Prices, Quote
from farebox.budgets.gate import Gate, Reservation
from farebox.budgets.memory_store import MemoryBudgetStore
from farebox.budgets.standing import StandingBudgets
from farebox.budgets.waiting import Waiting
from farebox.call_site import CostWarning
from farebox.core import context, semconv
from farebox.core.alert import REFUSAL
from farebox.core.context import Scope
from farebox.core.errors import BudgetExceeded
from farebox.core.event import CallEvent, CallRequest, Told, emptied
from farebox.core.guard import attempt, contained, report
from farebox.core.identity import new_id
from farebox.core.money import Money
from farebox.core.ports import Alarm, Journal
from farebox.core.usage import Usage
from farebox.meter.call import PaidCall
from farebox.meter.retold import Known, Retold
from farebox.pricing.assume import AssumedRates
from farebox.pricing.estimate import Estimator


class Meter:
    """Opens and settles paid calls.

    Args:
        prices: what things cost.
        estimator: what a call will probably cost.
        gate: where request budgets are booked.
        journal: where events are written.
        standing: the standing budgets; None: there are none.
        service: name of this program.
        on_gate_error: whether a call goes on when the gate itself fails.
        on_unpriced: whether a hard budget lets a call go whose model has no price; rates: it is booked at those.
        warn_above: dollars; a call expected to cost more is warned of, once per place in the program. None: none is.
        alarm: told of refusals, models without a price, and dear calls; None: nobody is.
    """

    def __init__(
        self,
        *,
        prices: Prices,
        estimator: Estimator,
        gate: Gate,
        journal: Journal,
        standing: StandingBudgets | None = None,
        service: str | None = None,
        on_gate_error: str = "allow",
        on_unpriced: str | AssumedRates = "deny",
        warn_above: Money | None = None,
        alarm: Alarm | None = None,
    ) -> None:
        self.biller = Biller(prices, estimator, alarm)
        self.estimator = estimator
        self.gate = gate
        self.standing = standing or StandingBudgets((), store=MemoryBudgetStore, stored=bool)
        self.journal = journal
        self.service = service
        self.open_calls: set[PaidCall] = set()
        self.retold = Retold()
        self._deny_on_error = on_gate_error == "deny"
        self._deny_unpriced = on_unpriced == "deny"
        self._cost_warning = None if warn_above is None else CostWarning(warn_above.to_nano(), alarm)
        self._alarm = alarm
        self._assumed = on_unpriced if isinstance(on_unpriced, AssumedRates) else None

    def open(self, request: CallRequest) -> PaidCall:
        """Open a call; see `ports.Meter`.

        Raises:
            BudgetExceeded: a budget cannot pay for it.
        """
        scope = context.current()
        call = self._estimated(request, scope)
        forecast = call.forecast
        if self._cost_warning is not None and forecast is not None:
            contained("cost warning", self._cost_warning.look, request, forecast.expected_nano)
        if request.begun:  # by the provider itself: it is charged, and nothing can refuse it any more
            if call.budgets:
                task = scope.attribution.task_type
                call.reservation = contained("budget gate", self.gate.reserve, call.budgets, 0, task)
            call.hold = contained("standing budgets", self._reserve_standing, call)
            self.admit(call)
        elif not (call.budgets or self.standing.concern(call.started_at)) or call.reserve():
            self.admit(call)
        return call

    def admit(self, call: PaidCall) -> None:
        """The call may be sent: from here on it is in flight."""
        if not call.scope.suppressed:
            contained("in-flight table", call.occupy)
        self.open_calls.add(call)

    def permit(self, request: CallRequest) -> None:
        """Ask whether budgets can pay for such a call now; see `ports.Meter`.

        Raises:
            BudgetExceeded: a budget cannot pay for it.
        """
        call = self._estimated(request, context.current())
        if (call.budgets or self.standing.concern(call.started_at)) and call.reserve():
            if call.reservation is not None:
                contained("budget gate", self.gate.release, call.reservation)
            if call.hold is not None:
                contained("standing budgets", self.standing.release, call.hold, now=time.time_ns())

    def record(
        self,
        request: CallRequest,
        usage: Usage | None,
        *,
        quote: Quote | None = None,
        duration_ns: int | None = None,
        started_at: int | None = None,
        status: str = semconv.STATUS_OK,
        response_id: str | None = None,
    ) -> CallEvent:
        """Write a call that was made elsewhere and is over. Budgets around it are charged; they cannot refuse any more.

        A fault of the gate or the journal does not reach the caller, whose call was paid.
        """
        scope = context.current()
        call = PaidCall(self, request, scope, started_at or time.time_ns(), None)
        cost = quote or contained("pricing", self.biller.quote, request, usage, None, call.started_at) or FAULT
        contained("budget gate", self._charge, call, cost, usage)
        contained("standing budgets", self._charge_standing, call, cost, usage, tokens=call.tokens(usage) or 0, calls=1)
        event = call.event(usage, (cost, None, None), Ending(status, response_id=response_id, duration_ns=duration_ns))
        contained("event", self.publish, call, event)
        return event

    def tell(self, told: Told) -> None:
        """Write something that was paid for earlier; see `ports.Meter`.

        What was begun in this process keeps the scope and the budgets that it was begun under, and is charged the difference.
        """
        call = PaidCall(self, told.request, context.current(), (told.created or 0) * 10**9 or time.time_ns(), None)
        contained("identity", call.identify, told.key, told.created, told.group, own=False)
        known = self.retold.known(call.id)
        if known is not None:
            if known.knows(told):
                return
            call.resume(known)
        usage = None if told.void else told.usage
        cost: Quote = PENDING
        if told.void:
            cost = FREE
        elif not told.pending:
            cost = contained("pricing", self.biller.quote, call.request, usage, told.model, call.started_at) or FAULT
        event = call.event(
            usage, (cost, None, None), Ending(told.status, model=told.model, response_id=told.response_id)
        )
        if call.is_batch and self.retold.by_lines(call.parent_id):
            event = emptied(event)
        due = self.retold.due(known, event)
        more = (due, cost[1], cost[2])
        if due is None or due:
            contained("budget gate", self._charge, call, more, usage)
        whole = None if call.is_batch else self.retold.line(call.parent_id)
        tokens = _tokens_due(event, known, whole)
        calls = int(known is None)
        if due or tokens or calls:
            contained("standing budgets", self._charge_standing, call, more, usage, tokens=tokens, calls=calls)
        self.retold.keep(call.id, Known.of(call, usage, event.cost_nano, pending=told.pending), event)
        if whole is not None:
            contained("event", self.publish, call, emptied(whole))
        contained("event", self.publish, call, event)

    def settle_open_calls(self) -> None:
        """End every call that is still open, as abandoned: the interpreter is about to exit, and no finaliser may run."""
        for call in list(self.open_calls):
            call.finish()

    def leave_in_child(self) -> None:
        """After a fork, the calls in flight belong to the parent."""
        self.open_calls = set()

    def _estimated(self, request: CallRequest, scope: Scope) -> PaidCall:
        now = time.time_ns()
        forecast = contained("estimate", self.estimator.forecast, request, scope.attribution.task_type, now)
        if request.units and forecast is not None:
            stated = contained("estimate", self.biller.stated_by, request, now)
            forecast.expected_nano = forecast.expected_nano if stated is None else stated
        request.body = None  # numbers are enough from here on: a call in flight keeps no prompt alive
        return PaidCall(self, request, scope, now, forecast)

    # --- used by PaidCall

    def booked(self, nano: int | None, usage: Usage | None, held: int) -> int | None:
        """Nano-dollars that budgets are charged: of a call without a price, what `on_unpriced` assumes."""
        if nano is not None or self._assumed is None:
            return nano
        return held if usage is None else self._assumed.cost(usage)

    def publish(self, call: PaidCall, event: CallEvent) -> None:
        """Hand a finished event to the captures around it and to the journal."""
        for capture in call.scope.captures:
            capture.take(event)
        if not call.scope.suppressed:
            self.journal.append(event)

    def reserve(self, call: PaidCall) -> Reservation | None:
        """Hold what the call will probably cost of every request budget; None when there is none, or the gate failed and calls go on.

        Raises:
            BudgetExceeded: a budget cannot pay for it.
        """
        if not call.budgets:
            return None
        return attempt(self._reserve, call, on_error=self._gate_failed)

    def hold_standing(self, call: PaidCall) -> None:
        """Hold it of the standing budgets too, now that request budgets hold it; where one cannot pay, nothing is held anywhere.

        Raises:
            BudgetExceeded: a standing budget cannot pay for it.
        """
        if not self.standing.concern(call.started_at):
            return
        try:
            call.hold = attempt(self._reserve_standing, call, on_error=self._gate_failed)
            if call.hold is None and self.standing.is_unheld(
                call.id
            ):  # the store failed and the call goes on: it is booked then
                call.hold = call.id
        except BaseException as error:
            if self.standing.is_unheld(call.id):
                self.standing.release(call.id, now=call.started_at)
            held, call.reservation = call.reservation, None
            if held is not None:
                self.gate.release(held)
            if isinstance(error, BudgetExceeded):
                self.refuse(call, error)
            raise

    def line_up(self, call: PaidCall) -> Waiting | None:
        """A place in the line for a call that was refused, where waiting can help."""
        patience = max(budget.wait for budget in call.budgets)
        if not patience or not call.request.waits or call.forecast is None or call.forecast.expected_nano is None:
            return None
        task = call.scope.attribution.task_type
        return self.gate.line_up(call.budgets, call.forecast.expected_nano, task, patience=patience)

    def refuse(self, call: PaidCall, refusal: BudgetExceeded) -> None:
        """The call is refused for good: nothing was sent."""
        contained("refusal", self._refused, call, refusal)
        if self._alarm is not None:
            contained("alert", self._alarm.tell, REFUSAL, error=refusal)

    def _reserve_standing(self, call: PaidCall) -> str | None:
        now = time.time_ns()
        matches = self.standing.matching(call.request, call.scope.attribution, now)
        if not matches:
            return None
        if call.request.begun:
            self.standing.reserve(call.id, matches, {"usd": 0, "tokens": 0, "calls": 1}, now=now, refusing=False)
            return call.id
        nano = self.known_cost(call)
        for match in matches:
            if nano is None and match.bounds_money:
                raise _unpriced(call, match.standing.name, Money.from_nano(match.limit))
        forecast = call.forecast
        tokens = 0 if forecast is None else forecast.input_tokens + forecast.output_tokens
        self.standing.reserve(call.id, matches, {"usd": nano or 0, "tokens": tokens, "calls": 1}, now=now)
        return call.id

    def _charge_standing(self, call: PaidCall, cost: Quote, usage: Usage | None, *, tokens: int, calls: int) -> None:
        now = time.time_ns()
        if not self.standing.concern(now):
            return
        matches = self.standing.matching(call.request, call.scope.attribution, now)
        if matches:
            amounts = {"usd": self.booked(cost[0], usage, 0) or 0, "tokens": tokens, "calls": calls}
            self.standing.charge(new_id(now), matches, amounts, calls=calls, at=call.started_at)

    def _reserve(self, call: PaidCall) -> Reservation:
        return self.gate.reserve(call.budgets, self._expected(call), call.scope.attribution.task_type)

    def _gate_failed(self, error: Exception) -> None:
        if isinstance(error, BudgetExceeded):
            raise error
        report("budget gate", error)
        if self._deny_on_error:
            raise BudgetExceeded(f"the budget gate failed ({error}), and on_gate_error is 'deny'") from error

    def _expected(self, call: PaidCall) -> int:
        known = self.known_cost(call)
        if known is not None:
            return known
        for budget in call.budgets:
            if budget.strength != "soft" and budget.account.limit is not None:
                error = _unpriced(call, budget.name, budget.total_limit, budget.total_spent)
                budget.refused(error)
                raise error
        return 0

    def known_cost(self, call: PaidCall) -> int | None:
        """Nano-dollars to hold for a call; None when its cost is unknown, and what has a limit must not let it go."""
        request, forecast = call.request, call.forecast
        if forecast is None:
            raise RuntimeError("the call could not be estimated")
        if forecast.expected_nano is not None:
            return forecast.expected_nano
        self.biller.warn_unpriced(request.provider, request.model or "")
        if self._assumed is not None:
            return self._assumed.expected(forecast.input_tokens, forecast.output_tokens)
        return None if self._deny_unpriced else 0

    def _charge(self, call: PaidCall, cost: Quote, usage: Usage | None) -> None:
        if not call.budgets:
            return
        held = self.gate.reserve(call.budgets, 0, call.scope.attribution.task_type)
        self.gate.settle(held, self.booked(cost[0], usage, 0))
        for budget in call.budgets:
            budget.settled()

    def _refused(self, call: PaidCall, refusal: BudgetExceeded) -> None:
        if call.forecast is not None:
            self.estimator.doubt(call.request, call.scope.attribution.task_type, call.forecast)
        event = call.event(None, (FREE, None, None), Ending(semconv.STATUS_REFUSED, type(refusal).__name__))
        self.publish(call, event)


def _tokens_due(event: CallEvent, known: Known | None, whole: CallEvent | None) -> int:
    """Tokens to charge: what it used more than was charged for it, less what was charged for the batch that it is the first line of."""
    due = (event.input_tokens or 0) + (event.output_tokens or 0) - (0 if known is None else known.tokens)
    return due if whole is None else due - (whole.input_tokens or 0) - (whole.output_tokens or 0)


def _unpriced(call: PaidCall, name: str | None, limit: Money | None, spent: Money | None = None) -> BudgetExceeded:
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
    )
