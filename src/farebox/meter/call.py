"""One paid call in flight: what it holds, how it ends, the event that it becomes. May import pricing, budgets and below."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from farebox.billing import FAULT, FREE, NO_PRICE, Bill, Ending, Quote
from farebox.budgets.reservation import Reservation
from farebox.budgets.waiting import Waiting
from farebox.core import semconv
from farebox.core.context import Scope
from farebox.core.errors import BudgetExceeded
from farebox.core.event import CallEvent, CallRequest, Limits
from farebox.core.guard import contained
from farebox.core.identity import new_id, stable_id
from farebox.core.usage import Usage
from farebox.meter.plan import Plan
from farebox.meter.retold import Known
from farebox.pricing.estimate import Forecast

if TYPE_CHECKING:
    from farebox.meter.meter import Meter


_ALL: Final = Fraction(1)
SURE: Final = frozenset({semconv.COST_PRICED, semconv.COST_PROVIDER})
"""Costs that can be held against a baseline: an estimate or a lower bound would make a saving that nobody had."""


class PaidCall:
    """One paid call in flight; see `core.metering.Call`. What settles it first wins."""

    __slots__ = (
        "_began",
        "_first_chunk_ns",
        "_meter",
        "_slot",
        "budgets",
        "forecast",
        "hold",
        "id",
        "on_exit",
        "parent_id",
        "patient",
        "plan",
        "request",
        "reservation",
        "scope",
        "shares",
        "started_at",
        "strict",
        "waiting",
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
        self.hold: str | None = None
        self.waiting: Waiting | None = None
        self.plan: Plan | None = None
        self.strict = self.patient = self.shares = False
        self.parent_id: str | None = None
        self.on_exit: Callable[[], None] | None = None
        self._began = time.perf_counter_ns()
        self._first_chunk_ns: int | None = None
        self._slot = -1

    def reserve(self) -> bool:
        """Hold the call's money; False when it stands in line for it now (`waiting`).

        Raises:
            BudgetExceeded: a budget cannot pay for it, and waiting cannot help.
        """
        patient = self.patient
        refusal = self._ask(last=not patient)
        if refusal is not None and patient:
            self.waiting = self._meter.holding.line_up(self)
            if self.waiting is not None:
                # Once more, now that it stands in line: what settled between the refusal and this woke nobody.
                self.again()
                return False
            refusal = self._ask(last=True)
        if refusal is not None:
            self._meter.refuse(self, refusal)
            raise refusal
        return self._reserve_standing(None)

    def _ask(self, *, last: bool) -> BudgetExceeded | None:
        """Ask the request budgets. Returns their refusal.

        Args:
            last: whether no waiting can help any more.
        """
        try:
            self.reservation = self._meter.holding.reserve(self, last=last)
        except BudgetExceeded as refusal:
            return refusal
        return None

    def again(self) -> bool:
        """After a turn of waiting: whether the call may be sent now.

        Raises:
            BudgetExceeded: it has waited as long as it may.
        """
        waiting = self.waiting
        if waiting is None:
            return True
        refusal = self._ask(last=False)
        if refusal is not None:
            if not waiting.over and self._meter.holding.gate.pass_on(waiting):
                return False
            refusal = self._ask(last=True)
        if refusal is not None:
            self.give_up()
            if waiting.impossible:
                refusal.args = (f"{refusal.reason} It could not wait: {waiting.impossible}.",)
            self._meter.refuse(self, refusal)
            raise refusal
        if not self._reserve_standing(waiting):
            return False
        self.waiting = None
        self._meter.holding.gate.leave_line(waiting, admitted=True)
        self._meter.admit(self)
        return True

    def _reserve_standing(self, before: Waiting | None, *, last: bool = False) -> bool:
        """Ask the store. Returns whether it holds the call's money; False: the call stands in the line of a shared budget.

        Args:
            before: the place in a line that it has.
            last: whether strict budgets have lowered the cap already, as far as they may.
        """
        try:
            self._meter.holding.reserve_standing(self)
        except BudgetExceeded as refusal:
            self.waiting = self._meter.holding.line_up_shared(self, refusal, before)
            if self.waiting is not None:
                return False
            if self.strict and not last and self.patient and self._ask(last=True) is None:
                return self._reserve_standing(before, last=True)
            if before is not None:
                self._meter.holding.gate.leave_line(before, admitted=False)
                if before.impossible:
                    refusal.args = (f"{refusal.reason} It could not wait: {before.impossible}.",)
            self._meter.refuse(self, refusal)
            raise
        return True

    @property
    def limits(self) -> Limits | None:
        """How it is to be sent, so that it costs no more than strict budgets hold for it."""
        return None if self.plan is None or not self.strict else self.plan.taken.limits

    def unsent(self) -> None:
        """End it: it was not sent after all."""
        self.settle(None, status=semconv.STATUS_REFUSED, billable=False)

    def retrying(self) -> None:
        """Hold the money of one more attempt; see `core.metering.Call`."""
        self._meter.holding.extend(self)

    def give_up(self) -> None:
        """Leave the line: the program waits no longer."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            self._meter.holding.gate.leave_line(waiting, admitted=False)

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
        text: str | None = None,
        share: Fraction = _ALL,
        unanswered: int = 0,
        rough: bool = False,
        key: str | None = None,
        created: int | None = None,
        group: str | None = None,
        pending: bool = False,
    ) -> None:
        """End the call; see `core.metering.Call`."""
        try:
            self._meter.open_calls.remove(self)
        except KeyError:  # settled already, or opened before a fork by the parent, who settles it
            return
        if key is not None:
            contained("identity", self.identify, key, created, group, own=True)
        took = time.perf_counter_ns() - self._began
        ending = Ending(status, error_type, model, response_id, attempts, took, pieces, text, share)
        bill = self._bill(usage, ending, billable=billable, partial=partial, pending=pending)
        if rough:
            bill = contained("estimate", self._meter.biller.rough, self, bill) or bill
        if unanswered:
            bill = contained("estimate", self._meter.biller.with_unanswered, self, bill, unanswered) or bill
        self._meter.holding.settle(self, bill[0], usage)
        if self.reservation is not None or self.hold is not None:
            contained("estimate", self._learn, bill[0], usage)
        event = contained("event", self.event, usage, bill, ending)
        if key is not None and event is not None:
            known = Known.of(self, usage, bill[0][0], pending=pending)
            contained("identity", self._meter.retold.keep, self.id, known, event)
        contained("event", self._publish, event)

    def identify(self, key: str, created: int | None, group: str | None, *, own: bool) -> None:
        """Take the id of what was billed, so that whoever tells of it again means this event."""
        provider, before = self.request.provider, self.id
        found = stable_id(provider, key, seconds=created or 0)
        known = self._meter.retold.known(found)
        if own and known is not None and known.units is not None:
            return  # the answer to a request of its own cannot be what was answered before: these ids are not unique
        self.id = found
        self.parent_id = None if group is None else stable_id(provider, group)
        self._meter.journal.rename(self._slot, before, self.id)

    def _bill(self, usage: Usage | None, ending: Ending, *, billable: bool, partial: bool, pending: bool) -> Bill:
        biller = self._meter.biller
        if pending:
            return contained("estimate", biller.pending, self, ending) or (FAULT, None, None)
        stated = usage is not None and not usage.says_nothing
        if usage is not None and stated and not partial and self._prices(usage):
            quote = contained("pricing", biller.quote, self.request, usage, ending.model, self.started_at)
            return (quote or FAULT, None, None)
        if not billable:
            return (FREE, None, None)
        bill = contained("estimate", biller.unknown, self, usage if stated and partial else None, ending)
        return bill or (FAULT, None, None)

    def _prices(self, usage: Usage) -> bool:
        """Whether a usage prices the call: a model may be billed by something else than its request says, as speech is by tokens."""
        if usage.raw is not None or self.expected is None:
            return True
        return bool(contained("pricing", self._meter.biller.prices_units, self.request, usage, self.started_at))

    def resume(self, known: Known) -> None:
        """Be the call that was begun earlier: its time, and its scope where that is still known."""
        self.started_at = known.began
        if known.scope is not None:
            self.scope = known.scope
            self.budgets = known.scope.budgets

    @property
    def is_batch(self) -> bool:
        """Whether it is a batch as a whole."""
        return self.request.operation == semconv.BATCH

    def event(self, usage: Usage | None, bill: Bill, ending: Ending) -> CallEvent:
        """The event of this call."""
        request, scope = self.request, self.scope
        cost, low, high = bill
        more: dict[str, Any] = {**scope.said, "batch": True} if self.is_batch else scope.said
        if usage is not None:
            prompt, read, written, out = usage.totals()
            more = {
                **more,
                "reasoning_tokens": usage.reasoning,
                "units": usage.units,
                "raw_usage": usage.raw,
                "usage_notes": usage.notes,
                "service_tier": usage.service_tier,
                "batch": usage.batch or self.is_batch,
            }
            if usage.units or not usage.says_nothing:
                more["input_tokens"], more["cache_read_tokens"] = prompt, read
                more["cache_write_tokens"], more["output_tokens"] = written, out
            if cost[1] in SURE or cost[1] == semconv.COST_UNPRICED:
                if "baseline_model" in more:
                    model = more["baseline_model"]
                    more["baseline_cost_nano"] = contained(
                        "baseline", self._meter.biller.baseline, request, usage, model, self.started_at
                    )
                if read or written or request.operation == semconv.CONTEXT_CACHE:
                    more["uncached_cost_nano"] = contained(
                        "baseline", self._meter.biller.uncached, request, usage, ending.model, self.started_at
                    )
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
            parent_id=self.parent_id or scope.parent_id,
            **more,
        )

    def _publish(self, event: CallEvent | None) -> None:
        try:
            if event is not None:
                self._meter.publish(self, event)
        finally:
            self._meter.journal.vacate(self._slot)

    def tokens(self, usage: Usage | None) -> int | None:
        """Tokens that were used; without a usage those that were held, None when there are none."""
        if usage is not None:
            prompt, _, _, out = usage.totals()
            return prompt + out
        if self.hold is None or self.forecast is None:
            return None
        return self.forecast.input_tokens + self.forecast.output_tokens

    def _learn(self, cost: Quote, usage: Usage | None) -> None:
        if cost[0] is not None and cost[1] == semconv.COST_PRICED and usage is not None and self.forecast is not None:
            task = self.scope.attribution.task_type
            self._meter.estimator.learn(self.request, task, self.forecast, usage, cost[0])

    @property
    def expected(self) -> int | None:
        """Nano-dollars that the call was expected to cost, or None."""
        return None if self.forecast is None else self.forecast.expected_nano

    @property
    def charged(self) -> int | None:
        """Nano-dollars that the call costs if its outcome stays unknown: what it holds for one attempt, else what it was expected to cost."""
        if self.reservation is not None and self.reservation.once:
            return self.reservation.once
        return self.expected


_LOST: Final = Ending(semconv.STATUS_LOST)
