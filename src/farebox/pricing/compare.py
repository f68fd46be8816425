"""What differs between two books, and a book in which models that cannot be trusted stay as they were. May import core and its neighbours here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, TypeAlias

import msgspec

from farebox.core.errors import PriceError
from farebox.pricing import rate
from farebox.pricing.assemble import lines
from farebox.pricing.draft import text
from farebox.pricing.published import check_pattern, check_price
from farebox.pricing.rate import Period, Rates
from farebox.pricing.resolve import ModelEntry

Name: TypeAlias = tuple[str, str]
"""Provider and model, as the book has them."""


class Change(msgspec.Struct, frozen=True):
    """One price that differs.

    Attributes:
        provider: whose.
        model: its id in the book.
        unit: the unit, with the condition in front: `batch: input over 200000`.
        since: ISO day from which on it differs; None: always.
        before: dollars as written, None when there was none.
        after: dollars as written, None when there is none.
    """

    provider: str
    model: str
    unit: str
    since: str | None
    before: str | None
    after: str | None

    @property
    def jump(self) -> bool:
        """Whether it is so large that a person should look: over half more or half less, or to or from nothing."""
        if self.before is None:
            return False
        old, new = Fraction(self.before), None if self.after is None else Fraction(self.after)
        return new is None or (new != old and (not old or not old / 2 <= new <= old * 3 / 2))

    def __str__(self) -> str:
        since = f" from {self.since} on" if self.since else ""
        return f"{self.provider}/{self.model} {self.unit}{since}: {self.before or 'none'} -> {self.after or 'none'}"


def entries(data: bytes) -> dict[Name, ModelEntry]:
    """Every model of a book, checked to the last price.

    Raises:
        PriceError: something in it cannot be used.
    """
    try:
        book = json.loads(data)
        found = {
            (provider, row["id"]): msgspec.convert(row, ModelEntry)
            for provider, listed in book["providers"].items()
            for row in listed["models"]
        }
        for provider, listed in book["providers"].items():
            if not all(0 <= at < len(listed["models"]) for at in listed["names"].values()):
                raise PriceError(f"{provider}: a name means no model")
            for pattern, at in listed.get("patterns", []):
                # The book's own expressions end in a repeated group, which is why only sizes and syntax are looked at here.
                check_pattern(pattern.replace("))*", "))"), provider)
                if not 0 <= at < len(listed["models"]):
                    raise PriceError(f"{provider}: an expression means no model")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, msgspec.ValidationError) as error:
        raise error if isinstance(error, PriceError) else PriceError(f"this is no price book: {error}") from None
    for (provider, model), entry in found.items():
        _check(entry, f"{provider} {model}", len(book["sources"]), len(book["uplifts"]))
    return found


def changes(old: ModelEntry | None, new: ModelEntry | None, provider: str, model: str) -> list[Change]:
    """Prices of one model that differ, each from the first day on that it does."""
    if old == new:
        return []
    days = sorted({period.since or "" for entry in (old, new) if entry is not None for period in entry.periods})
    found: dict[tuple[str, str | None, str | None], Change] = {}
    for day in days or [""]:
        before, after = _prices(old, day), _prices(new, day)
        for unit in sorted(before.keys() | after.keys()):
            values = before.get(unit), after.get(unit)
            if values[0] != values[1]:
                found.setdefault((unit, *values), Change(provider, model, unit, day or None, *values))
    return list(found.values())


def keep(data: bytes, old: bytes, names: Iterable[Name]) -> bytes:
    """The book `data`, in which these models are as `old` has them."""
    book, before = json.loads(data), json.loads(old)
    move = _Move(book, before)
    for provider, model in sorted(names):
        theirs = before["providers"][provider]
        ours = book["providers"].setdefault(
            provider, {"fallback": theirs["fallback"], "names": {}, "patterns": [], "models": []}
        )
        was = next(at for at, row in enumerate(theirs["models"]) if row["id"] == model)
        at = next((at for at, row in enumerate(ours["models"]) if row["id"] == model), len(ours["models"]))
        ours["models"][at : at + 1] = [move.model(theirs["models"][was])]
        for name, index in theirs["names"].items():
            if index == was:
                ours["names"].setdefault(name, at)
        known = [pattern for pattern, _ in ours["patterns"]]
        ours["patterns"] += [[pattern, at] for pattern, i in theirs["patterns"] if i == was and pattern not in known]
    return lines(book)


class _Move:
    """Takes models from one book to another: their sources and factors stand at other places there."""

    def __init__(self, book: dict[str, Any], before: dict[str, Any]) -> None:
        self._book, self._before = book, before

    def _source(self, at: int) -> int:
        return self._place(self._book["sources"], self._before["sources"][at])

    def _uplift(self, at: int) -> int:
        row = self._before["uplifts"][at]
        return self._place(self._book["uplifts"], row | {"source": self._source(row.get("source", 0))})

    @staticmethod
    def _place(rows: list[Any], row: Any) -> int:
        if row not in rows:
            rows.append(row)
        return rows.index(row)

    def model(self, row: dict[str, Any]) -> dict[str, Any]:
        """The model as the other book says it."""
        moved = row | {"periods": [self._rates(period) for period in row["periods"]]}
        if "uplifts" in row:
            moved["uplifts"] = [self._uplift(at) for at in row["uplifts"]]
        return moved

    def _rates(self, rates: dict[str, Any]) -> dict[str, Any]:
        units = {*rates.get("rates", {}), *(unit for _, prices in rates.get("over", []) for unit in prices)}
        sources = {unit: self._source(rates.get("sources", {}).get(unit, 0)) for unit in sorted(units)}
        moved = rates | {"sources": {unit: at for unit, at in sources.items() if at}}
        if "variants" in rates:
            moved["variants"] = {name: self._rates(variant) for name, variant in rates["variants"].items()}
        return moved


def _check(entry: ModelEntry, where: str, sources: int, uplifts: int) -> None:
    if not all(0 <= at < uplifts for at in entry.uplifts):
        raise PriceError(f"{where}: it names a factor that is not there")
    for period in entry.periods:
        for rates in (period, *period.variants.values()):
            if not all(0 <= at < sources for at in rates.sources.values()):
                raise PriceError(f"{where}: it names a source that is not there")
            for prices in (rates.rates, *(prices for _, prices in rates.over)):
                for unit, price in prices.items():
                    _check_written(price, f"{where} {unit}")
        try:
            rate.day_ns(period.since or "2020-01-01")
        except ValueError as error:
            raise PriceError(f"{where}: {error}") from None


def _check_written(price: str, where: str) -> None:
    try:
        for part in price.split("/", 1):
            check_price(Decimal(part).scaleb(-9) if "/" in price and len(part) > 8 else Decimal(part), where)
        Fraction(price)
    except (InvalidOperation, ValueError, ZeroDivisionError):
        raise PriceError(f"{where}: {price!r} is no price") from None


def _prices(entry: ModelEntry | None, day: str) -> dict[str, str]:
    """Every price of the model that holds on a day, by unit and condition."""
    periods = [] if entry is None else [period for period in entry.periods if (period.since or "") <= day]
    return dict(_named(periods[-1])) if periods else {}


def _named(period: Period) -> Iterator[tuple[str, str]]:
    every: list[tuple[str, Rates]] = [("", period), *((f"{name}: ", rates) for name, rates in period.variants.items())]
    for prefix, rates in every:
        for unit, price in rates.rates.items():
            yield f"{prefix}{unit}", text(Fraction(price))
        for limit, prices in rates.over:
            for unit, price in prices.items():
                yield f"{prefix}{unit} over {limit}", text(Fraction(price))
