"""The price book: what a unit of a model cost at a moment, and where that is written. May import core, price_settings and its neighbours here.

Loading is cheap: the file is decoded when the first price is asked for (about 3 ms), a model's prices are parsed when that model is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

import msgspec

from farebox.core.errors import PriceError
from farebox.price_settings import PriceSettings
from farebox.pricing import freshness, names, rate
from farebox.pricing.own import OWN, OwnPrices
from farebox.pricing.rate import Source
from farebox.pricing.resolve import Conditions, ModelEntry, Resolved, Uplift, period, resolve

FORMAT: Final = 1
"""Number of the file's format that this farebox reads."""

_MEMORY = 4096
"""Resolved rates and looked-up names that are remembered; beyond that, remembering starts again."""


_DAY_NS: Final = 86_400_000_000_000


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

    format: int
    aliases: dict[str, str]
    books: dict[str, str]
    reroutes: list[_Reroute]
    uplifts: list[Uplift]
    providers: dict[str, _Provider]
    sources: list[Source]
    as_of: str


class Book:
    """Prices of every provider.

    Args:
        data: the bytes of a `book.json`.
        settings: what the user says of prices.

    Attributes:
        hash: names these prices, those of the user's included.
        as_of: ISO day that the prices are of.

    Raises:
        PriceError: the bytes are no book.
        ConfigurationError: a price of the settings cannot be used.
    """

    def __init__(self, data: bytes, settings: PriceSettings | None = None) -> None:
        try:
            self._file = msgspec.json.decode(data, type=_File)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PriceError(f"this is no price book: {error}") from None
        if self._file.format != FORMAT:
            raise PriceError(
                f"this book has format {self._file.format}, and this farebox reads {FORMAT}: upgrade farebox"
            )
        self.as_of = self._file.as_of
        self._digest = hashlib.sha256(data)
        self._own = OwnPrices.of(settings, self._file.aliases)
        self._name_prices()
        self._entries: dict[tuple[str, int], ModelEntry] = {}
        self._found: dict[tuple[str, str], tuple[ModelEntry, bool] | None] = {}
        self._compiled: dict[str, list[tuple[re.Pattern[str], int]]] = {}
        self.memory: dict[Any, Resolved] = {}

    @staticmethod
    def default() -> Book:
        """The book in force in this process; see `installed.current`."""
        from farebox.pricing import installed

        return installed.current()

    def providers(self) -> tuple[str, ...]:
        """Every provider that has prices, in every spelling that is understood."""
        return tuple(sorted({*self._file.providers, *self._file.books, *self._file.aliases, *self._own.providers}))

    def models(self, provider: str | None = None) -> tuple[tuple[str, str], ...]:
        """(provider, model) of everything in the file, of one provider or of all."""
        wanted = None if provider is None else self._file.books.get(self.provider(provider), self.provider(provider))
        return tuple(
            (name, self._entry(name, at).id)
            for name, listed in sorted(self._file.providers.items())
            if wanted in (None, name)
            for at in range(len(listed.models))
        )

    def provider(self, name: str) -> str:
        """The provider's name as the book's rules have it, from any spelling."""
        name = name.strip().lower()
        return self._file.aliases.get(name, name)

    def source(self, index: int) -> Source:
        """The source of that index."""
        return OWN if index < 0 else self._file.sources[index]

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
        entry, own = found
        name = self.provider(provider)
        for reroute in () if own else self._file.reroutes:
            if reroute.provider == name and reroute.name == entry.id:
                since = 0 if reroute.since is None else rate.day_ns(reroute.since)
                if at_ns >= since:
                    return self.find(provider, reroute.model, at_ns)
        return entry

    def resolve(self, provider: str, model: str, conditions: Conditions, at_ns: int) -> Resolved:
        """Flat rates at that moment; `Resolved.model` is None when the book does not know the model or its price."""
        entry = self.find(provider, model, at_ns)
        name = self.provider(provider)
        if entry is not None and entry.promotion is not None and at_ns >= rate.day_ns(entry.promotion) + _DAY_NS:
            freshness.warn_of_promotion(provider, entry.id, entry.promotion)
        found = None if entry is None else resolve(entry, name, conditions, at_ns, self._file.uplifts)
        if found is None:
            return Resolved(model=None, since=at_ns, until=at_ns)
        names = (model.strip().lower(), found.model.lower()) if found.model else ()
        return self._own.discounted(self._bounded(found, name, at_ns), name, names, at_ns)

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

    def tiers(self, provider: str, model: str, at_ns: int) -> tuple[str, ...]:
        """Service tiers that the model has prices for at that moment, beside the standard one."""
        entry = self.find(provider, model, at_ns)
        found = None if entry is None else period(entry, at_ns)
        return () if found is None else tuple(name for name in found[0].variants if name != "batch" and ":" not in name)

    def uplifts(self, provider: str, model: str, at_ns: int) -> tuple[Uplift, ...]:
        """Factors that may hold for the model's prices, each under its condition."""
        entry, name = self.find(provider, model, at_ns), self.provider(provider)
        rules = () if entry is None else (self._file.uplifts[index] for index in entry.uplifts)
        return tuple(rule for rule in rules if rule.provider == name)

    def set_price(
        self,
        *,
        provider: str,
        model: str,
        rates: Mapping[str, str],
        effective_from: str | None = None,
        any_unit: bool = False,
    ) -> None:
        """Add or change a model's standard prices in this process, from a day on.

        Args:
            provider: who bills it.
            model: exact name.
            rates: unit → price as written: dollars for a million tokens, a thousand calls, an hour.
            effective_from: ISO day (UTC); None: for all time, instead of what the book says.
            any_unit: whether units are taken that no model has: an operation's own, priced one by one.

        Raises:
            PriceError: a unit, a price or the day cannot be used; nothing was changed.
        """
        self._own.set(provider, model, rates, effective_from, any_unit=any_unit)
        self._name_prices()
        self._found.clear()
        self.memory.clear()

    def _name_prices(self) -> None:
        digest = self._digest.copy()
        digest.update(self._own.fingerprint)
        self.hash = digest.hexdigest()[:12]

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

    def _search(self, provider: str, model: str) -> tuple[ModelEntry, bool] | None:
        """A model's entry, and whether its prices are the user's."""
        name = self.provider(provider)
        deployed = self._own.model_of(name, model)
        if deployed is not None and deployed.strip().lower() != model.strip().lower():
            return self._search(provider, deployed)
        listed = self._listed(name, model)
        own = self._own.entry(name, names.candidates(model, (name,)), listed)
        if own is not None:
            return own, True
        return None if listed is None else (listed, False)

    def _listed(self, name: str, model: str) -> ModelEntry | None:
        book = self._file.books.get(name, name)
        listed = self._file.providers.get(book)
        if listed is None:
            return None
        owners = (name, book, *listed.fallback)
        for where in (book, *listed.fallback):
            for candidate in names.candidates(model, owners):
                index = self._index(where, candidate)
                if index is not None:
                    return self._entry(where, index)
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
