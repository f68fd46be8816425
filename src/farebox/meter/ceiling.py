"""What a call can cost at most, in nano-dollars: the bound of its tokens at the dearest rates. May import budgets, pricing and below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from farebox.budgets.bound import MIN_OUTPUT_TOKENS, REMEDY, Bound, Clamp, Unbounded, bound
from farebox.core.errors import PriceError
from farebox.core.event import CallRequest
from farebox.pricing import installed
from farebox.pricing.book import Book
from farebox.pricing.dearest import Asked, Dearest, dearest, thresholds
from farebox.pricing.rate import PICO_PER_NANO, Rate

_FRESH_NS: Final = 60_000_000_000
"""Rates are found again after a minute. They hold for an hour on, so none that is billed can be dearer."""
_REMEMBERED: Final = 1_024


class Ceiling(msgspec.Struct, frozen=True):
    """What one attempt of a call can cost at most.

    Attributes:
        input_tokens: tokens of the prompt.
        input_nano: nano-dollars of everything but the output.
        output_rate: pico-dollars for a token that comes out.
        cap: tokens that come out at most as the request stands, all copies; None: nothing limits them.
        clamp: how the request's output cap may be lowered; None: nothing comes out that is billed.
    """

    input_tokens: int
    input_nano: int
    output_rate: Rate
    cap: int | None
    clamp: Clamp | None = None

    def nano(self, cap: int | None = None) -> int | None:
        """Nano-dollars of one attempt; None: nothing limits them.

        Args:
            cap: a value of the request's cap field; None: as the request stands.
        """
        tokens = self.cap if cap is None else 0 if self.clamp is None else self.clamp.tokens(cap)
        return None if tokens is None else self.input_nano + _nano(tokens * self.output_rate)

    def cap_within(self, nano: int, *, least: int = MIN_OUTPUT_TOKENS) -> int | None:
        """The largest value of the request's cap field under which one attempt costs at most `nano`.

        Args:
            nano: nano-dollars that are left.
            least: tokens below which an answer is of no use.

        Returns:
            None: there is none of at least `least`, or of what the interface takes; or the cap cannot be changed.
        """
        left = (nano - self.input_nano) * PICO_PER_NANO
        if self.clamp is None or left < 0:
            return None
        if not self.output_rate:
            return self.clamp.most
        return self.clamp.largest(int(left // self.output_rate), least=least)


class NoCeiling(msgspec.Struct, frozen=True):
    """A call without a ceiling.

    Attributes:
        reason: why, and what helps, in a sentence.
    """

    reason: str


class Ceilings:
    """Ceilings of calls at the prices in force.

    Args:
        book: gives the price book; asked for each call, as it may be updated.
    """

    def __init__(self, book: Callable[[], Book] = installed.current) -> None:
        self._book = book
        self._known: dict[Any, tuple[int, Dearest]] = {}

    def of(self, request: CallRequest, at_ns: int) -> Ceiling | NoCeiling:
        """The ceiling of one attempt of a call that is sent at `at_ns` (nanoseconds UTC)."""
        book, model = self._book(), request.model or ""
        entry = book.find(request.provider, model, at_ns)
        bounded = bound(request, model=None if entry is None else entry.id)
        if isinstance(bounded, Unbounded):
            return NoCeiling(bounded.reason)
        try:
            rates = self._rates(book, request, bounded, at_ns)
        except PriceError as error:
            return NoCeiling(f"{error}: set it with farebox.set_price, or {REMEDY}")
        return Ceiling(
            bounded.input_tokens,
            _nano(bounded.input_tokens * rates.input + rates.request),
            rates.output,
            bounded.output_tokens,
            bounded.clamp,
        )

    def _rates(self, book: Book, request: CallRequest, bounded: Bound, at_ns: int) -> Dearest:
        extra = request.extra or {}
        asked = Asked(
            request.provider,
            request.model or "",
            tier=bounded.tier,
            writes=bounded.writes,
            output=bounded.clamp is not None,
            unit=bounded.unit,
            location=extra.get("location"),
            residency=extra.get("data_residency"),
            server_address=request.server_address,
        )
        limits = thresholds(book, asked.provider, asked.model, at_ns)
        key = (book.hash, asked, sum(bounded.input_tokens > limit for limit in limits))
        known = self._known.get(key)
        if known is not None and 0 <= at_ns - known[0] < _FRESH_NS:
            return known[1]
        rates = dearest(book, asked, prompt=bounded.input_tokens, at_ns=at_ns)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = (at_ns, rates)
        return rates


def _nano(pico: Rate) -> int:
    return -int(-pico // PICO_PER_NANO)
