"""One paid call, from open to event: attribute, estimate, reserve; then price, settle, write. May import pricing, budgets and below."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from farebox.budgets.gate import Gate, Reservation
from farebox.core import context, semconv
from farebox.core.context import Scope
from farebox.core.errors import BudgetExceeded
from farebox.core.event import CallEvent, CallRequest
from farebox.core.guard import contained, logger, report
from farebox.core.identity import new_id
from farebox.core.money import Money
from farebox.core.ports import Journal
from farebox.core.usage import Usage
from farebox.pricing.estimate import Estimator, Forecast

Quote = tuple[int | None, str, tuple[str, ...]]
"""Nano-dollars (None when unknown), cost status, and what had no price."""

_FREE: Final[Quote] = (0, semconv.COST_PRICED, ())
_UNPRICED_WARNED_AT_MOST: Final = 1_000


class Prices(Protocol):
    """What the meter asks of pricing."""

    @property
    def version(self) -> str:
        """Which book prices come from; written on each event."""
        ...

    def quote(
        self, usage: Usage, *, provider: str, model: str, api: str, at_ns: int, extra: dict[str, str] | None
    ) -> Quote:
        """The cost of a usage."""
        ...


class Meter:
    """Opens and settles paid calls.

    Args:
        prices: what things cost.
        estimator: what a call will probably cost.
        gate: where budgets are booked.
        journal: where events are written.
        service: name of this program.
        on_gate_error: whether a call goes on when the gate itself fails.
        on_unpriced: whether a hard budget lets a call go whose model has no price.
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
        on_unpriced: str = "deny",
    ) -> None:
        self.prices = prices
        self.estimator = estimator
        self.gate = gate
        self.journal = journal
        self.service = service
        self.open_calls: set[PaidCall] = set()
        self._deny_on_error = on_gate_error == "deny"
        self._deny_unpriced = on_unpriced == "deny"
        self._warned: set[tuple[str, str]] = set()

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
        if scope.budgets:
            try:
                call.reservation = self._reserve(scope, request, forecast)
            except BudgetExceeded as refusal:
                contained("refusal", self._write_refusal, call, refusal)
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
        """Write a call that was made elsewhere and is over. Budgets around it are charged; they cannot refuse any more."""
        scope = context.current()
        call = PaidCall(self, request, scope, started_at or time.time_ns(), None)
        cost = quote or self.quote(request, usage, None, call.started_at)
        if scope.budgets:
            over = self.gate.reserve(scope.budgets, 0, scope.attribution.task_type)
            self.gate.settle(over, cost[0])
        event = call.event(usage, cost, status=status, response_id=response_id, duration_ns=duration_ns)
        self.publish(call, event)
        return event

    def settle_open_calls(self) -> None:
        """End every call that is still open, as abandoned: the interpreter is about to exit, and no finaliser may run."""
        for call in list(self.open_calls):
            call.finish()

    def leave_in_child(self) -> None:
        """After a fork, the calls in flight belong to the parent."""
        self.open_calls = set()

    # --- used by PaidCall

    def quote(self, request: CallRequest, usage: Usage | None, model: str | None, at_ns: int) -> Quote:
        """The cost of a usage, by the model that answered, else by the one that was asked for."""
        if usage is None:
            return None, semconv.COST_UNPRICED, ("usage",)
        found: Quote = (None, semconv.COST_UNPRICED, ("model",))
        for name in dict.fromkeys((model, request.model)):
            if name:
                found = self.prices.quote(
                    usage, provider=request.provider, model=name, api=request.api, at_ns=at_ns, extra=request.extra
                )
                if found[0] is not None:
                    return found
        self._warn_unpriced(request.provider, model or request.model or "")
        return found

    def publish(self, call: PaidCall, event: CallEvent) -> None:
        """Hand a finished event to the captures around it and to the journal."""
        for capture in call.scope.captures:
            capture.calls.append(event)
        if not call.scope.suppressed:
            self.journal.append(event)

    def _reserve(self, scope: Scope, request: CallRequest, forecast: Forecast | None) -> Reservation | None:
        try:
            expected = self._expected(scope, request, forecast)
            return self.gate.reserve(scope.budgets, expected, scope.attribution.task_type)
        except BudgetExceeded:
            raise
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            report("budget gate", error)
            if self._deny_on_error:
                raise BudgetExceeded(f"the budget gate failed ({error}), and on_gate_error is 'deny'") from error
            return None

    def _expected(self, scope: Scope, request: CallRequest, forecast: Forecast | None) -> int:
        if forecast is not None and forecast.expected_nano is not None:
            return forecast.expected_nano
        self._warn_unpriced(request.provider, request.model or "")
        if not self._deny_unpriced:
            return 0
        for budget in scope.budgets:
            if budget.strength != "soft" and budget.account.limit is not None:
                error = BudgetExceeded(
                    f"{request.provider} model {request.model!r} has no price, so budget {budget.name or '(unnamed)'} cannot "
                    "hold its cost. Nothing was sent. Set on_unpriced='allow' to let such calls go uncounted, "
                    "or use strength='soft'.",
                    budget=budget.name,
                    limit=Money.from_nano(budget.account.limit),
                    spent=budget.total_spent,
                )
                budget.refused(error)
                raise error
        return 0

    def _write_refusal(self, call: PaidCall, refusal: BudgetExceeded) -> None:
        event = call.event(None, _FREE, status=semconv.STATUS_REFUSED, error_type=type(refusal).__name__)
        self.publish(call, event)

    def _warn_unpriced(self, provider: str, model: str) -> None:
        key = (provider, model)
        if key in self._warned or len(self._warned) > _UNPRICED_WARNED_AT_MOST:
            return
        self._warned.add(key)
        logger.warning(
            "farebox has no price for model %r of %s: its calls are metered with an unknown cost, not with 0.",
            model,
            provider,
        )


class PaidCall:
    """One paid call in flight; see `ports.Call`. What settles it first wins."""

    __slots__ = (
        "_began",
        "_first_chunk_ns",
        "_meter",
        "_slot",
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
        nano = self._charged()
        cost: Quote = (None, semconv.COST_UNPRICED, ("model",)) if nano is None else (nano, semconv.COST_ESTIMATED, ())
        self._slot = self._meter.journal.occupy(self.event(None, cost, status=semconv.STATUS_LOST))

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
        duration_ns = time.perf_counter_ns() - self._began
        cost: Quote | None
        low = high = None
        if usage is not None and not partial:
            cost = contained("pricing", self._meter.quote, self.request, usage, model, self.started_at)
        elif not billable:
            cost = _FREE
        else:
            estimate = contained("estimate", self._estimate, usage, model, status, pieces)
            cost, low, high = estimate or (None, None, None)
        cost = cost or (None, semconv.COST_UNPRICED, ("fault",))
        if self.reservation is not None:
            contained("budget gate", self._settle_budgets, self.reservation, cost, usage)
        contained(
            "event",
            self._publish,
            usage,
            cost,
            status,
            error_type,
            model,
            response_id,
            attempts,
            duration_ns,
            low,
            high,
        )

    def event(
        self,
        usage: Usage | None,
        cost: Quote,
        *,
        status: str,
        duration_ns: int | None = None,
        error_type: str | None = None,
        model: str | None = None,
        response_id: str | None = None,
        attempts: int = 1,
        low: int | None = None,
        high: int | None = None,
    ) -> CallEvent:
        """The event of this call."""
        request, scope = self.request, self.scope
        more: dict[str, Any] = scope.said
        if usage is not None:
            prompt, read, written, out = usage.totals()
            more = {
                **more,
                "input_tokens": prompt,
                "cache_read_tokens": read,
                "cache_write_tokens": written,
                "output_tokens": out,
                "reasoning_tokens": usage.reasoning,
                "units": usage.units,
                "raw_usage": usage.raw,
                "service_tier": usage.service_tier,
                "batch": usage.batch,
            }
            if "baseline_model" in more:
                more["baseline_cost_nano"] = self._baseline(usage)
        return CallEvent(
            id=self.id,
            started_at=self.started_at,
            duration_ns=duration_ns,
            first_chunk_ns=self._first_chunk_ns,
            provider=request.provider,
            server_address=request.server_address,
            operation=request.operation,
            api=request.api,
            request_model=request.model,
            response_model=model,
            response_id=response_id,
            service=self._meter.service,
            stream=request.stream,
            status=status,
            error_type=error_type,
            attempts=attempts,
            cost_nano=cost[0],
            cost_low_nano=low,
            cost_high_nano=high,
            cost_status=cost[1],
            cost_missing=cost[2],
            price_book=self._meter.prices.version,
            budget=scope.budgets[0].name if scope.budgets else None,
            **more,
        )

    def _publish(
        self,
        usage: Usage | None,
        cost: Quote,
        status: str,
        error_type: str | None,
        model: str | None,
        response_id: str | None,
        attempts: int,
        duration_ns: int,
        low: int | None,
        high: int | None,
    ) -> None:
        try:
            event = self.event(
                usage,
                cost,
                status=status,
                error_type=error_type,
                model=model,
                response_id=response_id,
                attempts=attempts,
                duration_ns=duration_ns,
                low=low,
                high=high,
            )
            self._meter.publish(self, event)
        finally:
            self._meter.journal.vacate(self._slot)

    def _settle_budgets(self, reservation: Reservation, cost: Quote, usage: Usage | None) -> None:
        # A call whose price failed us is charged what it held: the provider may well have billed it.
        self._meter.gate.settle(reservation, reservation.amount if cost[2] == ("fault",) else cost[0])
        for budget in self.scope.budgets:
            if budget.strength == "soft":
                budget.settled()
        if cost[0] is not None and cost[1] == semconv.COST_PRICED and usage is not None and self.forecast is not None:
            task = self.scope.attribution.task_type
            self._meter.estimator.learn(self.request, task, self.forecast, usage, cost[0])

    def _baseline(self, usage: Usage) -> int | None:
        request = msgspec.structs.replace(self.request, model=self.scope.attribution.baseline_model)
        return self._meter.quote(request, usage, None, self.started_at)[0]

    def _charged(self) -> int | None:
        """What a call of unknown outcome costs: what it holds, else what it was expected to cost."""
        if self.reservation is not None and self.reservation.amount:
            return self.reservation.amount
        return None if self.forecast is None else self.forecast.expected_nano

    def _estimate(
        self, usage: Usage | None, model: str | None, status: str, pieces: int
    ) -> tuple[Quote, int | None, int | None]:
        """The cost of a call whose usage never came, or only in part, with its bounds.

        A stream that ended in order produced about a token a piece. Otherwise the outcome is unknown: the provider may have gone on
        after the reader left, so the call is charged what it held for, and the bounds say how far that may be off.
        """
        forecast = self.forecast
        if forecast is None or forecast.expected_nano is None:
            return (None, semconv.COST_UNPRICED, ("model",)), None, None
        upper = self._meter.estimator.upper_nano(forecast)
        seen = _nano(forecast.input_tokens * forecast.input_rate + pieces * forecast.output_rate)
        if usage is not None:
            seen = self._meter.quote(self.request, usage, model, self.started_at)[0] or 0
            produced = max(pieces, forecast.output_tokens)
            units = {**usage.units, semconv.OUTPUT: max(usage.units.get(semconv.OUTPUT, 0), produced)}
            whole = msgspec.structs.replace(usage, units=units)
            nano = self._meter.quote(self.request, whole, model, self.started_at)[0]
        elif status == semconv.STATUS_OK and pieces:
            nano = seen
        else:
            nano = max(seen, self._charged() or 0)
        nano = seen if nano is None else nano
        return (nano, semconv.COST_ESTIMATED, ()), min(seen, nano), max(upper or 0, nano)


def _nano(pico: Any) -> int:
    return -int(-pico // 1000)
