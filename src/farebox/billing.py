"""What a call cost, when the provider says what was used and when it does not. May import pricing and core."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Protocol

import msgspec

from farebox.core import semconv
from farebox.core.alert import UNPRICED
from farebox.core.event import CallRequest
from farebox.core.guard import contained, logger
from farebox.core.ports import Alarm
from farebox.core.usage import Usage
from farebox.pricing import baseline
from farebox.pricing.estimate import Estimator, Forecast, Seen, seen_output

Quote = tuple[int | None, str, tuple[str, ...]]
"""Nano-dollars (None when unknown), cost status, and what had no price."""

Bill = tuple[Quote, int | None, int | None]
"""A cost, and the nano-dollars that it is at least and at most when it is estimated."""

FREE: Final[Quote] = (0, semconv.COST_PRICED, ())
NO_PRICE: Final[Quote] = (None, semconv.COST_UNPRICED, ("model",))
PENDING: Final[Quote] = (None, semconv.COST_UNPRICED, ("usage (not finished when it was last seen)",))
FAULT: Final[Quote] = (None, semconv.COST_UNPRICED, ("fault",))
"""Pricing itself failed."""
_COUNTABLE: Final = frozenset({semconv.OPENAI, semconv.AZURE})
"""Whose models have one of the vocabularies that can be counted with here."""
_WARNED_AT_MOST: Final = 1_000


class Prices(Protocol):
    """What is asked of the price book."""

    @property
    def version(self) -> str:
        """Which book prices come from; written on each event."""
        ...

    def quote(
        self, usage: Usage, *, provider: str, model: str, api: str, at_ns: int, extra: dict[str, str] | None
    ) -> Quote:
        """The cost of a usage."""
        ...


class Ending(msgspec.Struct, frozen=True, gc=False):
    """How a call ended.

    Attributes:
        status: `semconv.STATUS_*`.
        error_type: qualified name of the error that ended it.
        model: the model that answered.
        response_id: the provider's id of the answer.
        attempts: how often it was sent.
        duration_ns: how long it took, or None.
        pieces: chunks of a stream that arrived.
        text: what they said, as far as it was looked at; counted, and never kept.
        share: how many times more arrived than `text` holds.
    """

    status: str
    error_type: str | None = None
    model: str | None = None
    response_id: str | None = None
    attempts: int = 1
    duration_ns: int | None = None
    pieces: int = 0
    text: str | None = None
    share: Fraction = Fraction(1)


def _at_least(seen: Seen, stated: int) -> Seen:
    """What arrived, where the provider has counted `stated` tokens of it already."""
    return Seen(max(seen.low, stated), max(seen.likely, stated), max(seen.high, stated))


class Opened(Protocol):
    """What is known of a call when it is sent."""

    @property
    def request(self) -> CallRequest:
        """What was asked."""
        ...

    @property
    def forecast(self) -> Forecast | None:
        """What it was expected to use and cost."""
        ...

    @property
    def charged(self) -> int | None:
        """Nano-dollars that it costs if its outcome stays unknown."""
        ...

    @property
    def started_at(self) -> int:
        """When it was sent, in nanoseconds UTC."""
        ...


class Biller:
    """Prices usage, and estimates where there is none.

    Args:
        prices: the book.
        estimator: what calls probably cost.
        alarm: told of models without a price.
    """

    def __init__(self, prices: Prices, estimator: Estimator, alarm: Alarm | None = None) -> None:
        self._alarm = alarm
        self._prices = prices
        self._estimator = estimator
        self._warned: set[tuple[str, str]] = set()

    @property
    def book(self) -> str | None:
        """Which book prices come from; None when it cannot be read, which must cost no event."""
        return contained("price book", getattr, self._prices, "version")

    def quote(self, request: CallRequest, usage: Usage | None, model: str | None, at_ns: int) -> Quote:
        """The cost of a usage, by the model that answered, else by the one that was asked for."""
        if usage is None:
            return None, semconv.COST_UNPRICED, ("usage",)
        found = NO_PRICE
        for name in (model,) if model == request.model else (model, request.model):
            if name:
                found = self._prices.quote(
                    usage, provider=request.provider, model=name, api=request.api, at_ns=at_ns, extra=request.extra
                )
                if found[0] is not None:
                    return found
        self.warn_unpriced(request.provider, model or request.model or "")
        return found

    def baseline(self, request: CallRequest, usage: Usage, model: str, at_ns: int) -> int | None:
        """Nano-dollars of the same usage on another model; None when that is not known, which is said once per model."""

        def ask(used: Usage, provider: str, name: str) -> tuple[int | None, str]:
            found = self._prices.quote(
                used, provider=provider, model=name, api=request.api, at_ns=at_ns, extra=request.extra
            )
            return found[0], found[1]

        nano = baseline.on_model(ask, usage, request.provider, model)
        if nano is None and usage.units and ("baseline", model) not in self._warned:
            self._warned.add(("baseline", model))
            logger.warning(
                "farebox has no full price for the baseline model %r: what is saved against it is unknown.", model
            )
        return nano

    def uncached(self, request: CallRequest, usage: Usage, model: str | None, at_ns: int) -> int | None:
        """Nano-dollars of the same tokens without the provider's cache; None when that is not known, or nothing was cached."""
        plain = baseline.uncached(usage, request.operation)
        if plain is None or usage.stated_cost is not None:
            return None
        if not plain.units:
            return 0
        nano, status, _ = self.quote(request, plain, model, at_ns)
        return nano if status == semconv.COST_PRICED else None

    def stated_by(self, request: CallRequest, at_ns: int) -> int | None:
        """What a request costs that says by itself what will be billed; None when that has no price."""
        return self._quietly(request, Usage(units=request.units or {}), at_ns)

    def prices_units(self, request: CallRequest, usage: Usage, at_ns: int) -> bool:
        """Whether units that no usage object states have a price."""
        return self._quietly(request, usage, at_ns) is not None

    def _quietly(self, request: CallRequest, usage: Usage, at_ns: int) -> int | None:
        return self._prices.quote(
            usage,
            provider=request.provider,
            model=request.model or "",
            api=request.api,
            at_ns=at_ns,
            extra=request.extra,
        )[0]

    def unknown(self, call: Opened, usage: Usage | None, ending: Ending) -> Bill:
        """The cost of a call whose usage never came, or only in part (`usage`), with its bounds.

        A stream that ended in order produced what arrived. Otherwise the outcome is unknown: the provider may have gone on
        after the reader left, so the call is charged what was held for it, and the bounds say how far that may be off.
        """
        forecast = call.forecast
        if forecast is None or forecast.expected_nano is None:
            return NO_PRICE, None, None
        seen = self._seen(call, ending)
        upper = self._estimator.upper_nano(forecast) or 0
        if usage is not None:
            seen = _at_least(seen, int(usage.units.get(semconv.OUTPUT, 0)))
            low, likely, most = (
                self._with_output(call, usage, ending, tokens) for tokens in (seen.low, seen.likely, seen.high)
            )
            charged = self._with_output(call, usage, ending, max(seen.likely, forecast.output_tokens))
            nano = likely if ending.status == semconv.STATUS_OK else charged
        else:
            low = self._estimator.lower_nano(forecast) + int(seen.low * forecast.output_rate // 1000)
            likely, most = (
                -int(-(forecast.input_tokens * forecast.input_rate + tokens * forecast.output_rate) // 1000)
                for tokens in (seen.likely, seen.high)
            )
            ended = ending.status == semconv.STATUS_OK and ending.pieces
            nano = likely if ended else max(likely, call.charged or 0)
        return (nano, semconv.COST_ESTIMATED, ()), min(low, nano), max(upper, most, nano)

    def _seen(self, call: Opened, ending: Ending) -> Seen:
        request = call.request
        return seen_output(
            ending.text,
            ending.pieces,
            ending.share,
            ending.model or request.model or "",
            countable=request.provider in _COUNTABLE,
        )

    def _with_output(self, call: Opened, usage: Usage, ending: Ending, tokens: int) -> int:
        """Nano-dollars of a usage whose output was `tokens`."""
        units = {**usage.units, semconv.OUTPUT: tokens}
        whole = msgspec.structs.replace(usage, units={name: count for name, count in units.items() if count})
        return self.quote(call.request, whole, ending.model, call.started_at)[0] or 0

    def pending(self, call: Opened, ending: Ending) -> Bill:
        """The cost of work that was begun and goes on: what it is expected to cost, until its usage is told of."""
        bill = self.unknown(call, None, ending)
        return bill if bill[0][0] is not None else (PENDING, None, None)

    def rough(self, call: Opened, bill: Bill) -> Bill:
        """A bill of a usage that was inferred: at least what the answer showed."""
        cost, low, high = bill
        if cost[0] is None:
            return bill
        most = max(cost[0], call.charged or 0, 0 if high is None else high)
        return (cost[0], semconv.COST_ESTIMATED, cost[2]), cost[0] if low is None else low, most

    def with_unanswered(self, call: Opened, bill: Bill, unanswered: int) -> Bill:
        """A bill with attempts that were sent and never answered, as a client's timeout leaves them: each may have been billed."""
        cost, low, high = bill
        forecast = call.forecast
        if cost[0] is None or forecast is None or forecast.expected_nano is None:
            return bill
        nano = cost[0] + unanswered * forecast.expected_nano
        upper = self._estimator.upper_nano(forecast) or forecast.expected_nano
        most = (cost[0] if high is None else high) + unanswered * upper
        return (nano, semconv.COST_ESTIMATED, cost[2]), cost[0] if low is None else low, max(most, nano)

    def warn_unpriced(self, provider: str, model: str) -> None:
        """Say once per model that it has no price."""
        key = (provider, model)
        if key in self._warned or len(self._warned) > _WARNED_AT_MOST:
            return
        self._warned.add(key)
        logger.warning(
            "farebox has no price for model %r of %s: its calls are metered with an unknown cost, not with 0.",
            model,
            provider,
        )
        if self._alarm is not None:
            contained("alert", self._alarm.tell, UNPRICED, provider=provider, model=model)
