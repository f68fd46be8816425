"""One paid call, from open to event: attribute, estimate, reserve; then price, settle, write. May import pricing, budgets and below."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from farebox.billing import FAULT, FREE, NO_PRICE, Bill, Biller, Ending, Prices, Quote
from farebox.budgets.gate import Gate, Reservation
from farebox.call_site import CostWarning
from farebox.core import context, semconv
from farebox.core.context import Scope
from farebox.core.errors import BudgetExceeded
from farebox.core.event import CallEvent, CallRequest
from farebox.core.guard import attempt, contained, report
from farebox.core.identity import new_id
from farebox.core.money import Money
from farebox.core.ports import Journal
from farebox.core.usage import Usage
from farebox.pricing.assume import AssumedRates
from farebox.pricing.estimate import Estimator, Forecast


class Meter:
    """Opens and settles paid calls.

    Args:
        prices: what things cost.
        estimator: what a call will probably cost.
        gate: where budgets are booked.
        journal: where events are written.
        service: name of this program.
        on_gate_error: whether a call goes on when the gate itself fails.
        on_unpriced: whether a hard budget lets a call go whose model has no price; rates: it is booked at those.
        warn_above: dollars; a call expected to cost more is warned of, once per place in the program. None: none is.
    """

    def __init__(
        self,
        *,
        prices: Prices,
        estimator: Estimator,
        gate: Gate,
        journal: Journal,
        service: str | None = None,
        on_gate_error: str = "allow",
        on_unpriced: str | AssumedRates = "deny",
        warn_above: Money | None = None,
    ) -> None:
        self.biller = Biller(prices, estimator)
        self.estimator = estimator
        self.gate = gate
        self.journal = journal
        self.service = service
        self.open_calls: set[PaidCall] = set()
        self._deny_on_error = on_gate_error == "deny"
        self._deny_unpriced = on_unpriced == "deny"
        self._cost_warning = None if warn_above is None else CostWarning(warn_above.to_nano())
        self._assumed = on_unpriced if isinstance(on_unpriced, AssumedRates) else None

    def open(self, request: CallRequest) -> PaidCall:
        """Open a call; see `ports.Meter`.

        Raises:
            BudgetExceeded: a budget cannot pay for it.
        """
        scope = context.current()
        now = time.time_ns()
        forecast = contained("estimate", self.estimator.forecast, request, scope.attribution.task_type, now)
        request.body = None  # numbers are enough from here on: a call in flight keeps no prompt alive
        call = PaidCall(self, request, scope, now, forecast)
        if self._cost_warning is not None and forecast is not None:
            contained("cost warning", self._cost_warning.look, request, forecast.expected_nano)
        if call.budgets:
            try:
                call.reservation = attempt(self._reserve, call, on_error=self._gate_failed)
            except BudgetExceeded as refusal:
                contained("refusal", self._refused, call, refusal)
                raise
        if not scope.suppressed:
            contained("in-flight table", call.occupy)
        self.open_calls.add(call)
        return call

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
        if call.budgets:
            contained("budget gate", self._charge, call, cost, usage)
        event = call.event(usage, (cost, None, None), Ending(status, response_id=response_id, duration_ns=duration_ns))
        contained("event", self.publish, call, event)
        return event

    def settle_open_calls(self) -> None:
        """End every call that is still open, as abandoned: the interpreter is about to exit, and no finaliser may run."""
        for call in list(self.open_calls):
            call.finish()

    def leave_in_child(self) -> None:
        """After a fork, the calls in flight belong to the parent."""
        self.open_calls = set()

    # --- used by PaidCall

    def booked(self, nano: int | None, usage: Usage | None, held: int) -> int | None:
        """Nano-dollars that budgets are charged: of a call without a price, what `on_unpriced` assumes."""
        if nano is not None or self._assumed is None:
            return nano
        return held if usage is None else self._assumed.cost(usage)

    def publish(self, call: PaidCall, event: CallEvent) -> None:
        """Hand a finished event to the captures around it and to the journal."""
        for capture in call.scope.captures:
            capture.calls.append(event)
        if not call.scope.suppressed:
            self.journal.append(event)

    def _reserve(self, call: PaidCall) -> Reservation:
        return self.gate.reserve(call.budgets, self._expected(call), call.scope.attribution.task_type)

    def _gate_failed(self, error: Exception) -> None:
        if isinstance(error, BudgetExceeded):
            raise error
        report("budget gate", error)
        if self._deny_on_error:
            raise BudgetExceeded(f"the budget gate failed ({error}), and on_gate_error is 'deny'") from error

    def _expected(self, call: PaidCall) -> int:
        request, forecast = call.request, call.forecast
        if forecast is None:
            raise RuntimeError("the call could not be estimated")
        if forecast.expected_nano is not None:
            return forecast.expected_nano
        self.biller.warn_unpriced(request.provider, request.model or "")
        if self._assumed is not None:
            return self._assumed.expected(forecast.input_tokens, forecast.output_tokens)
        if not self._deny_unpriced:
            return 0
        for budget in call.budgets:
            if budget.strength != "soft" and budget.account.limit is not None:
                error = BudgetExceeded(
                    f"{request.provider} model {request.model!r} has no price, so budget {budget.name or '(unnamed)'} cannot "
                    "hold its cost. Nothing was sent. Set its price with farebox.set_price, or on_unpriced='allow' to let such "
                    "calls go uncounted, or use strength='soft'.",
                    budget=budget.name,
                    limit=Money.from_nano(budget.account.limit),
                    spent=budget.total_spent,
                )
                budget.refused(error)
                raise error
        return 0

    def _charge(self, call: PaidCall, cost: Quote, usage: Usage | None) -> None:
        held = self.gate.reserve(call.budgets, 0, call.scope.attribution.task_type)
        self.gate.settle(held, self.booked(cost[0], usage, 0))
        for budget in call.budgets:
            budget.settled()

    def _refused(self, call: PaidCall, refusal: BudgetExceeded) -> None:
        if call.forecast is not None:
            self.estimator.doubt(call.request, call.scope.attribution.task_type, call.forecast)
        event = call.event(None, (FREE, None, None), Ending(semconv.STATUS_REFUSED, type(refusal).__name__))
        self.publish(call, event)


class PaidCall:
    """One paid call in flight; see `ports.Call`. What settles it first wins."""

    __slots__ = (
        "_began",
        "_first_chunk_ns",
        "_meter",
        "_slot",
        "budgets",
        "forecast",
        "id",
        "on_exit",
        "request",
        "reservation",
        "scope",
        "started_at",
    )

    def __init__(
        self, meter: Meter, request: CallRequest, scope: Scope, started_at: int, forecast: Forecast | None
    ) -> None:
        self._meter = meter
        self.request = request
        self.scope = scope
        self.budgets: tuple[Any, ...] = scope.budgets
        self.forecast = forecast
        self.started_at = started_at
        self.id = new_id(started_at)
        self.reservation: Reservation | None = None
        self.on_exit: Callable[[], None] | None = None
        self._began = time.perf_counter_ns()
        self._first_chunk_ns: int | None = None
        self._slot = -1

    def occupy(self) -> None:
        """Note the call as in flight, as the event that it becomes if this process dies now."""
        nano = self.charged
        cost: Quote = NO_PRICE if nano is None else (nano, semconv.COST_ESTIMATED, ())
        self._slot = self._meter.journal.occupy(self.event(None, (cost, None, None), _LOST))

    def first_chunk(self) -> None:
        """Mark the moment when the first piece of a stream arrived."""
        if self._first_chunk_ns is None:
            self._first_chunk_ns = time.perf_counter_ns() - self._began

    def finish(self) -> None:
        """End the call because the interpreter exits, with what its stream has seen."""
        if self.on_exit is not None:
            contained("exit", self.on_exit)
        self.settle(None, status=semconv.STATUS_ABANDONED)

    def settle(
        self,
        usage: Usage | None = None,
        *,
        status: str = semconv.STATUS_OK,
        error_type: str | None = None,
        model: str | None = None,
        response_id: str | None = None,
        attempts: int = 1,
        billable: bool = True,
        partial: bool = False,
        pieces: int = 0,
    ) -> None:
        """End the call; see `ports.Call`."""
        try:
            self._meter.open_calls.remove(self)
        except KeyError:  # settled already, or opened before a fork by the parent, who settles it
            return
        ending = Ending(status, error_type, model, response_id, attempts, time.perf_counter_ns() - self._began, pieces)
        bill: Bill | None
        stated = usage is not None and not usage.says_nothing
        if usage is not None and stated and not partial:
            quote = contained("pricing", self._meter.biller.quote, self.request, usage, model, self.started_at)
            bill = None if quote is None else (quote, None, None)
        elif not billable:
            bill = (FREE, None, None)
        else:
            bill = contained("estimate", self._meter.biller.unknown, self, usage if stated else None, ending)
        bill = bill or (FAULT, None, None)
        if self.reservation is not None:
            contained("budget gate", self._settle_budgets, self.reservation, bill[0], usage)
        contained("event", self._publish, usage, bill, ending)

    def event(self, usage: Usage | None, bill: Bill, ending: Ending) -> CallEvent:
        """The event of this call."""
        request, scope = self.request, self.scope
        cost, low, high = bill
        more: dict[str, Any] = scope.said
        if usage is not None:
            prompt, read, written, out = usage.totals()
            more = {
                **more,
                "reasoning_tokens": usage.reasoning,
                "units": usage.units,
                "raw_usage": usage.raw,
                "usage_notes": usage.notes,
                "service_tier": usage.service_tier,
                "batch": usage.batch,
            }
            if usage.units or not usage.says_nothing:
                more["input_tokens"], more["cache_read_tokens"] = prompt, read
                more["cache_write_tokens"], more["output_tokens"] = written, out
            if "baseline_model" in more:
                more["baseline_cost_nano"] = contained("baseline", self._baseline, usage)
        return CallEvent(
            id=self.id,
            started_at=self.started_at,
            duration_ns=ending.duration_ns,
            first_chunk_ns=self._first_chunk_ns,
            provider=request.provider,
            server_address=request.server_address,
            operation=request.operation,
            api=request.api,
            request_model=request.model,
            response_model=ending.model,
            response_id=ending.response_id,
            service=self._meter.service,
            stream=request.stream,
            status=ending.status,
            error_type=ending.error_type,
            attempts=ending.attempts,
            cost_nano=cost[0],
            cost_low_nano=low,
            cost_high_nano=high,
            cost_status=cost[1],
            cost_missing=cost[2],
            price_book=self._meter.biller.book,
            budget=self.budgets[0].name if self.budgets else None,
            **more,
        )

    def _publish(self, usage: Usage | None, bill: Bill, ending: Ending) -> None:
        try:
            self._meter.publish(self, self.event(usage, bill, ending))
        finally:
            self._meter.journal.vacate(self._slot)

    def _settle_budgets(self, reservation: Reservation, cost: Quote, usage: Usage | None) -> None:
        # A call whose price failed us is charged what it held: the provider may well have billed it.
        held = reservation.amount
        self._meter.gate.settle(reservation, held if cost is FAULT else self._meter.booked(cost[0], usage, held))
        for budget in self.budgets:
            if budget.strength == "soft":
                budget.settled()
        if cost[0] is not None and cost[1] == semconv.COST_PRICED and usage is not None and self.forecast is not None:
            task = self.scope.attribution.task_type
            self._meter.estimator.learn(self.request, task, self.forecast, usage, cost[0])

    def _baseline(self, usage: Usage) -> int | None:
        request = msgspec.structs.replace(self.request, model=self.scope.attribution.baseline_model)
        return self._meter.biller.quote(request, usage, None, self.started_at)[0]

    @property
    def charged(self) -> int | None:
        """Nano-dollars that the call costs if its outcome stays unknown: what it holds, else what it was expected to cost."""
        if self.reservation is not None and self.reservation.amount:
            return self.reservation.amount
        return None if self.forecast is None else self.forecast.expected_nano


_LOST: Final = Ending(semconv.STATUS_LOST)
