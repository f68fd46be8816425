"""From usage to money: exact sums of units times rates, rounded once. May import core, extraction and its neighbours here.

`quote` is the fast way that each call takes, `calculate` the one that explains; both multiply the same units with the same rates.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

import msgspec

from farebox.core import semconv
from farebox.core.money import Money
from farebox.core.usage import Count, Usage
from farebox.pricing import rate
from farebox.pricing.book import Book
from farebox.pricing.context import NO_CONTEXT, PriceContext
from farebox.pricing.rate import Rate
from farebox.pricing.resolve import Conditions, Resolved
from farebox.pricing.terms import Term, terms

_EXPLAIN: Final = Context(prec=40)


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One product of a cost.

    Attributes:
        unit: what was used.
        count: how much of it.
        rate: dollars for `per` units.
        per: the quantity that the rate is for.
        amount: dollars, before the whole is rounded.
        model: whose rate it is, by the book's name.
        conditions: what the rate depends on, in words.
        source: where the rate is written.
    """

    unit: str
    count: Count
    rate: Decimal
    per: int
    amount: Decimal
    model: str | None = None
    conditions: str = ""
    source: str = ""


class Cost(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a call cost.

    Attributes:
        nano: integer nano-dollars; None when it has no price.
        status: how sure it is (`semconv.COST_*`).
        lines: the products that it is the sum of.
        missing: what has no price, or is not known; such a cost is a lower bound unless a missing rate is said to be assumed.
    """

    nano: int | None
    status: str
    lines: tuple[Line, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def amount(self) -> Money | None:
        """Dollars, or None when the call has no price."""
        return None if self.nano is None else Money.from_nano(self.nano)


def quote(
    usage: Usage | None,
    *,
    book: Book,
    provider: str,
    model: str,
    api: str | None = None,
    at_ns: int,
    batch: bool = False,
    extra: Mapping[str, str] | None = None,
) -> tuple[int | None, str, tuple[str, ...]]:
    """(nano-dollars, cost status, what is missing) of a call: the same numbers as `calculate`.

    Args:
        usage: what it used; None when the provider did not say.
        book: the prices.
        provider: who bills it.
        model: the model that answered.
        api: the interface.
        at_ns: when it was started, nanoseconds UTC.
        batch: whether it went through the batch interface.
        extra: facts from the client: `location`, `data_residency`, `billing_plan`.
    """
    if usage is not None and usage.stated_cost is None and not usage.others:
        place = (extra.get("location"), extra.get("data_residency"), extra.get("billing_plan")) if extra else None
        key = (provider, model, usage.service_tier, batch or usage.batch, usage.speed, usage.geo, place)
        found = book.memory.get(key)
        if found is None or not found.since <= at_ns < found.until:
            found = book.remember(
                key, _resolve(usage, book, provider, model, at_ns, batch=batch, context=_context(extra))
            )
        if found.plain:
            levels = found.levels
            rates = (levels[0] if len(levels) == 1 else found.level(_prompt(usage.units))).rates
            pico = found.request
            for unit, count in usage.units.items():
                unit_rate = rates.get(unit)
                if unit_rate is None or type(count) is not int:
                    break
                pico += unit_rate * count
            else:
                if usage.units:
                    return rate.nano(pico), semconv.COST_PRICED, ()
    cost = calculate(
        usage, book=book, provider=provider, model=model, api=api, at_ns=at_ns, batch=batch, context=_context(extra)
    )
    return cost.nano, cost.status, cost.missing


def calculate(
    usage: Usage | None,
    *,
    book: Book,
    provider: str,
    model: str,
    api: str | None = None,
    at_ns: int,
    service_tier: str | None = None,
    batch: bool = False,
    context: PriceContext | None = None,
) -> Cost:
    """The cost of a call with every product that it is the sum of.

    Args:
        usage: what it used; None when the provider did not say.
        book: the prices.
        provider: who bills it.
        model: the model that answered.
        api: the interface; a prefix `batch/` means the batch interface.
        at_ns: when it was started, nanoseconds UTC.
        service_tier: the tier, where the usage does not state it.
        batch: whether it went through the batch interface.
        context: facts outside the usage.
    """
    context = context or NO_CONTEXT
    batch = batch or (api is not None and api.startswith("batch/"))
    used = Usage(units={}) if usage is None else usage
    if service_tier is not None and used.service_tier is None:
        used = msgspec.structs.replace(used, service_tier=service_tier)
    if used.stated_cost is not None:
        return _stated(used.stated_cost)
    found = _resolve(used, book, provider, model, at_ns, batch=batch, context=context)
    if found.model is None:
        return Cost(None, semconv.COST_UNPRICED, (), (f"model {model} of {provider}",))
    products, missing = terms(used, found, context)
    for other in used.others:
        theirs = _resolve(used, book, provider, other.model, at_ns, batch=batch, context=context)
        if theirs.model is None:
            missing.append(f"model {other.model} of {provider}")
            continue
        more, lacking = terms(msgspec.structs.replace(used, units=other.units), theirs, context)
        products += more
        missing += lacking
    if not products and not missing and not _says_nothing_was_used(used, found):
        missing.append("usage")
    if not products and missing:
        return Cost(None, semconv.COST_UNPRICED, (), tuple(dict.fromkeys(missing)))
    total: Rate = sum((term.pico for term in products), Fraction(0))
    status = semconv.COST_PARTIAL if missing else semconv.COST_PRICED
    lines = tuple(_line(term, book) for term in products)
    return Cost(rate.nano(rate.exact(Fraction(total))), status, lines, tuple(dict.fromkeys(missing)))


def _prompt(units: Mapping[str, Count]) -> int:
    """Tokens of the prompt, cached ones included; a third of the time of `Usage.input_tokens`."""
    tokens = 0
    for unit, count in units.items():
        if unit in semconv.PROMPT_UNITS:
            tokens += int(count)
    return tokens


def _says_nothing_was_used(usage: Usage, found: Resolved) -> bool:
    """Whether a usage without units means a cost of 0: the provider stated zero counts, or the model is free."""
    return found.free or not usage.says_nothing


def _resolve(
    usage: Usage, book: Book, provider: str, model: str, at_ns: int, *, batch: bool, context: PriceContext
) -> Resolved:
    conditions = Conditions(
        tier=usage.service_tier,
        batch=batch or usage.batch,
        speed=usage.speed,
        geo=usage.geo,
        residency=context.data_residency,
        location=context.location,
        plan=context.billing_plan,
    )
    return book.resolve(provider, model, conditions, at_ns)


def _context(extra: Mapping[str, str] | None) -> PriceContext:
    if not extra:
        return NO_CONTEXT
    return PriceContext(
        location=extra.get("location"),
        data_residency=extra.get("data_residency"),
        billing_plan=extra.get("billing_plan"),
    )


def _stated(dollars: Decimal) -> Cost:
    """A cost that the provider itself states."""
    line = Line(unit="stated", count=1, rate=dollars, per=1, amount=dollars, source="the provider's answer")
    return Cost(rate.nano(rate.exact(Fraction(dollars) * rate.PICO)), semconv.COST_PROVIDER, (line,))


def _line(term: Term, book: Book) -> Line:
    return Line(
        unit=term.unit,
        count=term.count,
        rate=_decimal(rate.written(term.rate, term.unit)),
        per=rate.per(term.unit),
        amount=_decimal(Fraction(term.pico) / rate.PICO),
        model=term.found.model,
        conditions=term.conditions,
        source=book.source(term.found.sources.get(term.unit, 0)).url,
    )


def _decimal(value: Fraction) -> Decimal:
    return _EXPLAIN.divide(Decimal(value.numerator), Decimal(value.denominator))
