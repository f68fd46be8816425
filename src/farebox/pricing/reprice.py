"""Prices calls that are written already anew, and keeps count of what that changes. May import core and its neighbours here."""

from __future__ import annotations

from functools import partial

import msgspec

from farebox.core import semconv
from farebox.core.event import CallEvent
from farebox.core.usage import Usage
from farebox.pricing.again import price_again, price_usage, usage_of
from farebox.pricing.baseline import on_model, uncached
from farebox.pricing.book import Book
from farebox.pricing.calculate import Cost


class Tally(msgspec.Struct):
    """What changes of one model.

    Attributes:
        calls: those whose cost changes.
        filled: those among them that had no cost.
        before: nano-dollars that they cost, unknown ones left out.
        after: nano-dollars that they cost now.
    """

    calls: int = 0
    filled: int = 0
    before: int = 0
    after: int = 0


class Repricing:
    """What each call should cost by a book; given to `Ledger.rewrite`.

    A cost that today is less sure stays as it is: the ledger does not hold every fact that the call was priced by.

    Args:
        book: the prices.

    Attributes:
        tallies: what changes, by provider and model.
        looked: calls that were looked at.
        unsure: calls that stay, because their new cost would be less sure than the one they have.
        unpriced: calls that have no cost, before and after.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.looked = self.unsure = self.unpriced = 0

    def __call__(self, event: CallEvent) -> CallEvent | None:
        """The call with its new cost; None when it stays."""
        self.looked += 1
        if event.kind == semconv.KIND_CACHE_HIT:
            return self._needless(event)
        cost = price_again(event, self._book)
        if cost is None or cost.nano is None:
            if event.cost_nano is None:
                self.unpriced += 1
            elif cost is not None:
                self.unsure += 1
            return None
        if event.cost_status == semconv.COST_PRICED and cost.status != semconv.COST_PRICED:
            self.unsure += 1
            return None
        other, uncached = self._otherwise(event, cost)
        known = (event.cost_nano, event.cost_status, event.cost_missing)
        before = (*known, event.baseline_cost_nano, event.uncached_cost_nano)
        if before == (cost.nano, cost.status, cost.missing, other, uncached):
            return None
        tally = self.tallies.setdefault((event.provider, event.request_model or event.response_model or ""), Tally())
        tally.calls += 1
        tally.filled += event.cost_nano is None
        tally.before += event.cost_nano or 0
        tally.after += cost.nano
        return msgspec.structs.replace(
            event,
            cost_nano=cost.nano,
            cost_status=cost.status,
            cost_missing=cost.missing,
            baseline_cost_nano=other,
            uncached_cost_nano=uncached,
            price_book=self._book.hash,
        )

    def _otherwise(self, event: CallEvent, cost: Cost) -> tuple[int | None, int | None]:
        """What the same usage costs of the baseline model, and without the provider's cache."""
        if cost.status != semconv.COST_PRICED:
            return None, None
        usage, other = usage_of(event), None
        if event.baseline_model is not None:
            ask = partial(self._ask, event)
            other = on_model(ask, usage, event.provider, event.baseline_model)
        plain = uncached(usage, event.operation)
        fresh = None if plain is None else self._of_its_model(event, plain) if plain.units else 0
        return event.baseline_cost_nano if other is None else other, fresh

    def _needless(self, event: CallEvent) -> CallEvent | None:
        """What a local cache answered still costs nothing; the call that it made needless may have another price."""
        usage = usage_of(event)
        nano = None if usage.stated_cost is not None else self._of_its_model(event, usage)
        if nano is None or nano == event.baseline_cost_nano:
            return None
        tally = self.tallies.setdefault((event.provider, event.request_model or ""), Tally())
        tally.calls += 1
        return msgspec.structs.replace(event, baseline_cost_nano=nano, price_book=self._book.hash)

    def _of_its_model(self, event: CallEvent, usage: Usage) -> int | None:
        """Nano-dollars of a usage on the model that answered, else on the one that was asked for; None unless they are sure."""
        for model in dict.fromkeys((event.response_model, event.request_model)):
            if model:
                nano, status = self._ask(event, usage, event.provider, model)
                if nano is not None:
                    return nano if status == semconv.COST_PRICED else None
        return None

    def _ask(self, event: CallEvent, usage: Usage, provider: str, model: str) -> tuple[int | None, str]:
        found = price_usage(event, usage, provider, model, self._book)
        return found.nano, found.status
