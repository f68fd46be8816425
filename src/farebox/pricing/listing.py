"""The book's prices as rows for people. May import core and its neighbours here."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from farebox.core import semconv
from farebox.pricing import rate
from farebox.pricing.book import Book
from farebox.pricing.draft import text
from farebox.pricing.rate import Period, Rates
from farebox.pricing.resolve import ModelEntry


class Row(msgspec.Struct, frozen=True):
    """One price as written.

    Attributes:
        provider: whose.
        model: its id in the book.
        conditions: what it holds under; empty for the standard.
        unit: what it is for.
        price: dollars for `per` units.
        per: the quantity that it is written for.
        source: where it is written.
    """

    provider: str
    model: str
    conditions: str
    unit: str
    price: str
    per: int
    source: str


def rates_of(book: Book, model: str, provider: str | None, at_ns: int) -> list[Row]:
    """Every price of a model at a moment, of one provider or of all whose own book has it; discounts are not taken off."""
    rows = []
    seen: set[str] = set()
    for name in book.providers() if provider is None else (provider,):
        spelled = book.provider(name)
        entry = book.find(spelled, model, at_ns)
        if entry is not None and spelled not in seen:
            seen.add(spelled)
            rows += _rows(book, spelled, entry, at_ns)
    return rows


def models(book: Book, provider: str | None, at_ns: int) -> tuple[tuple[str, ...], ...]:
    """Provider, model, and dollars for a million input, cached and output tokens, of everything with a price at that moment."""
    rows = []
    for name, model in book.models(provider):
        rates = book.unit_rates(name, model, at_ns)
        if rates is not None:
            units = (semconv.INPUT, semconv.CACHE_READ, semconv.OUTPUT)
            rows.append((name, model, *(_written(rates, unit) for unit in units)))
    return tuple(rows)


def _written(rates: dict[str, int | Fraction], unit: str) -> str:
    return text(rate.written(rates[unit], unit)) if unit in rates else ""


def _rows(book: Book, provider: str, entry: ModelEntry, at_ns: int) -> list[Row]:
    periods = [period for period in entry.periods if period.since is None or rate.day_ns(period.since) <= at_ns]
    if not periods:
        return []
    period: Period = periods[-1]
    since = f"since {period.since}" if period.since else ""
    every: list[tuple[str, Rates]] = [("", period), *period.variants.items()]
    found = []
    for variant, rates in every:
        for over, prices in [
            ("", rates.rates),
            *((f"prompt over {limit:,} tokens", more) for limit, more in rates.over),
        ]:
            conditions = ", ".join(filter(None, (variant, over, since)))
            for unit, price in sorted(prices.items()):
                source = book.source(rates.sources.get(unit, 0))
                checked = f" (checked {source.checked})" if source.checked else ""
                found.append(Row(provider, entry.id, conditions, unit, price, rate.per(unit), f"{source.url}{checked}"))
    return found
