"""The price book: what a unit of a model cost at a moment, and where that is written. May import core and its neighbours here.

Loading is cheap: the file is decoded when the first price is asked for (about 3 ms), a model's prices are parsed when that model is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from farebox.core.errors import PriceError
from farebox.pricing import names, rate
from farebox.pricing.rate import Period, Source
from farebox.pricing.resolve import Conditions, ModelEntry, Resolved, Uplift, resolve

_MEMORY = 4096
"""Resolved rates and looked-up names that are remembered; beyond that, remembering starts again."""


class _Reroute(msgspec.Struct, frozen=True):
    """A name that means another model from a day on."""

    provider: str
    name: str
    model: str
    since: str | None = None


class _Provider(msgspec.Struct):
    """One provider's names and models; models stay undecoded until one is asked for."""

    models: list[msgspec.Raw]
    names: dict[str, int]
    patterns: list[tuple[str, int]] = []
    fallback: list[str] = []


class _File(msgspec.Struct):
    """The file."""

    aliases: dict[str, str]
    books: dict[str, str]
    reroutes: list[_Reroute]
    uplifts: list[Uplift]
    providers: dict[str, _Provider]
    sources: list[Source]


class Book:
    """Prices of every provider.

    Args:
        data: the bytes of a `book.json`.
    """

    def __init__(self, data: bytes) -> None:
        self._file = msgspec.json.decode(data, type=_File)
        self._digest = hashlib.sha256(data)
        self.hash = self._digest.hexdigest()[:12]
        self._entries: dict[tuple[str, int], ModelEntry] = {}
        self._own: dict[tuple[str, str], ModelEntry] = {}
        self._found: dict[tuple[str, str], tuple[str, ModelEntry] | None] = {}
        self._compiled: dict[str, list[tuple[re.Pattern[str], int]]] = {}
        self.memory: dict[Any, Resolved] = {}

    @staticmethod
    def default() -> Book:
        """The book of this installation; loaded once."""
        return _default()

    def providers(self) -> tuple[str, ...]:
        """Every provider that has prices, in every spelling that is understood."""
        return tuple(
            sorted({*self._file.providers, *self._file.books, *self._file.aliases, *(name for name, _ in self._own)})
        )

    def provider(self, name: str) -> str:
        """The provider's name as the book's rules have it, from any spelling."""
        name = name.strip().lower()
        return self._file.aliases.get(name, name)

    def source(self, index: int) -> Source:
        """The source of that index."""
        return self._file.sources[index]

    def find(self, provider: str, model: str, at_ns: int) -> ModelEntry | None:
        """The book's entry of a model as it is named at that moment; None when it is not known. Never a near name."""
        key = (provider, model)
        if key in self._found:
            found = self._found[key]
        else:
            if len(self._found) >= _MEMORY:
                self._found.clear()
            found = self._found[key] = self._search(provider, model)
        if found is None:
            return None
        _where, entry = found
        name = self.provider(provider)
        for reroute in self._file.reroutes:
            if reroute.provider == name and reroute.name == entry.id:
                since = 0 if reroute.since is None else rate.day_ns(reroute.since)
                if at_ns >= since:
                    return self.find(provider, reroute.model, at_ns)
        return entry

    def resolve(self, provider: str, model: str, conditions: Conditions, at_ns: int) -> Resolved:
        """Flat rates at that moment; `Resolved.model` is None when the book does not know the model or its price."""
        entry = self.find(provider, model, at_ns)
        name = self.provider(provider)
        found = None if entry is None else resolve(entry, name, conditions, at_ns, self._file.uplifts)
        if found is None:
            return Resolved(model=None, since=at_ns, until=at_ns)
        return self._bounded(found, name, at_ns)

    def unit_rates(self, provider: str, model: str, at_ns: int) -> dict[str, int | Fraction] | None:
        """Pico-dollars per unit at the standard tier and short context; None when the model has no known price."""
        found = self.resolve(provider, model, Conditions(location="global"), at_ns)
        if found.model is None:
            return None
        level = found.standard
        return {**{unit: doubtful for unit, (doubtful, _why) in level.doubtful.items()}, **level.rates}

    def context_window(self, provider: str, model: str, at_ns: int) -> int | None:
        """Tokens of the model's context window, where the book knows it."""
        entry = self.find(provider, model, at_ns)
        return None if entry is None else entry.context

    def set_price(
        self, *, provider: str, model: str, rates: Mapping[str, str], effective_from: str | None = None
    ) -> None:
        """Add or change a model's standard prices in this process, from a day on.

        Args:
            provider: who bills it.
            model: exact name.
            rates: unit → price as written: dollars for a million tokens, a thousand calls, an hour.
            effective_from: ISO day (UTC); None: for all time, instead of what the book says.

        Raises:
            PriceError: a price or the day cannot be read.
        """
        try:
            wrong = next((price for unit, price in rates.items() if rate.parse(price, unit) < 0), None)
            since = None if effective_from is None else rate.day_ns(effective_from)
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise PriceError(f"{provider} {model}: {error}; give decimals in dollars and an ISO day") from None
        if wrong is not None or not rates:
            raise PriceError(f"{provider} {model}: {wrong or rates!r} is no price; give at least one, of 0 or more")
        period = Period(rates=dict(rates), since=effective_from)
        old = None if since is None else self.find(provider, model, since)
        kept = [] if old is None else [p for p in old.periods if p.since is None or rate.day_ns(p.since) < (since or 0)]
        self._own[self.provider(provider), model.strip().lower()] = ModelEntry(id=model, periods=[*kept, period])
        self._digest.update(repr((provider, model, sorted(rates.items()), effective_from)).encode())
        self.hash = self._digest.hexdigest()[:12]
        self._found.clear()
        self.memory.clear()

    def remember(self, key: Any, found: Resolved) -> Resolved:
        """Keep resolved rates for the next call of the same kind."""
        if len(self.memory) >= _MEMORY:
            self.memory.clear()
        self.memory[key] = found
        return found

    def _bounded(self, found: Resolved, provider: str, at_ns: int) -> Resolved:
        """No further than the days on which names of this provider are rerouted."""
        days = [
            rate.day_ns(row.since) for row in self._file.reroutes if row.since is not None and row.provider == provider
        ]
        since = max((found.since, *(day for day in days if day <= at_ns)))
        until = min((found.until, *(day for day in days if day > at_ns)))
        return msgspec.structs.replace(found, since=since, until=until)

    def _search(self, provider: str, model: str) -> tuple[str, ModelEntry] | None:
        name = self.provider(provider)
        book = self._file.books.get(name, name)
        own = self._own.get((name, model.strip().lower()))
        if own is not None:
            return book, own
        listed = self._file.providers.get(book)
        if listed is None:
            return None
        owners = (name, book, *listed.fallback)
        for where in (book, *listed.fallback):
            for candidate in names.candidates(model, owners):
                index = self._index(where, candidate)
                if index is not None:
                    return where, self._entry(where, index)
        return None

    def _index(self, provider: str, name: str) -> int | None:
        listed = self._file.providers[provider]
        if name in listed.names:
            return listed.names[name]
        if provider not in self._compiled:
            self._compiled[provider] = [(re.compile(pattern), index) for pattern, index in listed.patterns]
        return next((index for pattern, index in self._compiled[provider] if pattern.match(name)), None)

    def _entry(self, provider: str, index: int) -> ModelEntry:
        key = (provider, index)
        if key not in self._entries:
            self._entries[key] = msgspec.json.decode(self._file.providers[provider].models[index], type=ModelEntry)
        return self._entries[key]


@cache
def _default() -> Book:
    return Book(Path(__file__).with_name("book.json").read_bytes())
