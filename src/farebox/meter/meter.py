"""The meter: opens paid calls, writes those made elsewhere and those told of later. May import pricing, budgets and below."""

from __future__ import annotations

import time

import msgspec

from farebox.billing import FAULT, FREE, PENDING, Biller, Ending, Prices, Quote
from farebox.budgets.gate import Gate
from farebox.budgets.memory_store import MemoryBudgetStore
from farebox.budgets.standing import StandingBudgets
from farebox.call_site import CostWarning
from farebox.core import context, semconv
from farebox.core.alert import REFUSAL
from farebox.core.context import Scope
from farebox.core.errors import BudgetExceeded
from farebox.core.event import CallEvent, CallRequest, Told, emptied
from farebox.core.guard import contained
from farebox.core.money import Money
from farebox.core.ports import Alarm, Journal
from farebox.core.usage import Usage
from farebox.meter.call import SURE, PaidCall
from farebox.meter.ceiling import Ceilings
from farebox.meter.holding import Holding
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
        ceilings: what calls can cost at most; None: by the table and the prices in force.
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
        ceilings: Ceilings | None = None,
    ) -> None:
        self.biller = Biller(prices, estimator, alarm)
        self.estimator = estimator
        self.holding = Holding(
            gate,
            standing or StandingBudgets((), store=MemoryBudgetStore, stored=bool),
            self.biller,
            ceilings or Ceilings(),
            on_gate_error=on_gate_error,
            on_unpriced=on_unpriced,
        )
        self.journal = journal
        self.service = service
        self.open_calls: set[PaidCall] = set()
        self.retold = Retold()
        self._cost_warning = None if warn_above is None else CostWarning(warn_above.to_nano(), alarm)
        self._alarm = alarm

    def open(self, request: CallRequest) -> PaidCall:
        """Open a call; see `core.metering.Meter`.

        Raises:
            BudgetExceeded: a budget cannot pay for it.
        """
        scope = context.current()
        call = self._estimated(request, scope)
        forecast = call.forecast
        if self._cost_warning is not None and forecast is not None:
            contained("cost warning", self._cost_warning.look, request, forecast.expected_nano)
        if request.begun:
            self.holding.begin(call)
            self.admit(call)
        elif not self.holding.concern(call) or call.reserve():
            self.admit(call)
        return call

    def admit(self, call: PaidCall) -> None:
        """The call may be sent: from here on it is in flight."""
        if not call.scope.suppressed:
            contained("in-flight table", call.occupy)
        self.open_calls.add(call)

    def permit(self, request: CallRequest) -> None:
        """Ask whether budgets can pay for such a call now; see `core.metering.Meter`.

        Raises:
            BudgetExceeded: a budget cannot pay for it.
        """
        call = self._estimated(request, context.current())
        if self.holding.concern(call) and call.reserve():
            self.holding.release(call)

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
        kind: str = semconv.KIND_LLM,
        priced_as: str | None = None,
    ) -> CallEvent:
        """Write a call that was made elsewhere and is over. Budgets around it are charged; they cannot refuse any more.

        A fault of the gate or the journal does not reach the caller, whose call was paid. `priced_as` is the name that prices know
        it by, where it has no model.
        """
        scope = context.current()
        call = PaidCall(self, request, scope, started_at or time.time_ns(), None)
        cost = quote or contained("pricing", self.biller.quote, request, usage, priced_as, call.started_at) or FAULT
        self.holding.charge(call, cost, usage)
        self.holding.charge_standing(call, cost, usage, tokens=call.tokens(usage) or 0, calls=1)
        event = call.event(usage, (cost, None, None), Ending(status, response_id=response_id, duration_ns=duration_ns))
        if kind != semconv.KIND_LLM:
            event = msgspec.structs.replace(event, kind=kind)
        contained("event", self.publish, call, event)
        return event

    def record_hit(self, request: CallRequest, usage: Usage, *, cache: str) -> CallEvent:
        """Write what a cache of the program's answered: nobody was called and nothing charged, and the baseline is that call."""
        call = PaidCall(self, request, context.current(), time.time_ns(), None)
        cost = contained("pricing", self.biller.quote, request, usage, None, call.started_at) or FAULT
        event = msgspec.structs.replace(
            call.event(usage, (FREE, None, None), Ending(semconv.STATUS_OK)),
            kind=semconv.KIND_CACHE_HIT,
            baseline_model=request.model,
            baseline_cost_nano=cost[0] if cost[1] in SURE else None,
            uncached_cost_nano=None,
            route_reason=cache,
            budget=None,
        )
        contained("event", self.publish, call, event)
        return event

    @property
    def is_strict(self) -> bool:
        """Whether a strict budget may bind what is called here."""
        return self.holding.strictly.may_bind(context.current().budgets)

    def unknown(self, provider: str, what: str) -> None:
        """See `core.metering.Meter`.

        Raises:
            BudgetExceeded: a strict budget binds what is called here.
        """
        request = CallRequest(provider=provider, operation="unknown", api=what, model=None)
        refusal = self.holding.strictly.unknown(PaidCall(self, request, context.current(), time.time_ns(), None), what)
        if refusal is not None:
            if refusal.holder is not None:
                refusal.holder.refused(refusal)
            raise refusal

    def unopened(self, error: Exception) -> None:
        """See `core.metering.Meter`.

        Raises:
            BudgetExceeded: a strict budget, or `on_gate_error`, does not let the call go.
        """
        self.holding.failed(error, strict=self.is_strict)

    def tell(self, told: Told) -> None:
        """Write something that was paid for earlier; see `core.metering.Meter`.

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
            self.holding.charge(call, more, usage)
        whole = None if call.is_batch else self.retold.line(call.parent_id)
        tokens = _tokens_due(event, known, whole)
        calls = int(known is None)
        if due or tokens or calls:
            self.holding.charge_standing(call, more, usage, tokens=tokens, calls=calls)
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
        call = PaidCall(self, request, scope, now, forecast)
        self.holding.strictly.bind(call)
        request.body = None  # numbers are enough from here on: a call in flight keeps no prompt alive
        return call

    # --- used by PaidCall

    def publish(self, call: PaidCall, event: CallEvent) -> None:
        """Hand a finished event to the captures around it and to the journal."""
        for capture in call.scope.captures:
            capture.take(event)
        if not call.scope.suppressed:
            self.journal.append(event)

    def refuse(self, call: PaidCall, refusal: BudgetExceeded) -> None:
        """The call is refused for good: nothing was sent."""
        if refusal.holder is not None:
            refusal.holder.refused(refusal)
        contained("refusal", self._refused, call, refusal)
        if self._alarm is not None:
            contained("alert", self._alarm.tell, REFUSAL, error=refusal)

    def _refused(self, call: PaidCall, refusal: BudgetExceeded) -> None:
        if call.forecast is not None:
            self.estimator.doubt(call.request, call.scope.attribution.task_type, call.forecast)
        event = call.event(None, (FREE, None, None), Ending(semconv.STATUS_REFUSED, type(refusal).__name__))
        self.publish(call, event)


def _tokens_due(event: CallEvent, known: Known | None, whole: CallEvent | None) -> int:
    """Tokens to charge: what it used more than was charged for it, less what was charged for the batch that it is the first line of."""
    due = (event.input_tokens or 0) + (event.output_tokens or 0) - (0 if known is None else known.tokens)
    return due if whole is None else due - (whole.input_tokens or 0) - (whole.output_tokens or 0)
