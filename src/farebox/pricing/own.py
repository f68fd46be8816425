"""What the user says of prices: negotiated rates, discounts, free models, Azure deployments. May import core, price_settings and its neighbours here.

They are laid over whatever book is in force, so they outlive its updates.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final

import msgspec

from farebox.core import semconv
from farebox.core.errors import ConfigurationError, PriceError
from farebox.price_settings import PriceSettings
from farebox.pricing import rate
from farebox.pricing.rate import Period, Source
from farebox.pricing.resolve import QUOTAS, Level, ModelEntry, Resolved

_ZERO: Final = dict.fromkeys(sorted(rate.UNITS - QUOTAS - {semconv.CACHE_STORAGE, semconv.CACHE_TOKEN_SECONDS}), "0")


OWN: Final = Source(url="your own prices", confidence="yours")
"""The source of prices that the user set; its index is below 0."""


class _Discount(msgspec.Struct, frozen=True):
    """A factor on list prices, from a moment on."""

    provider: str
    model: str | None
    share: Fraction
    since: int


class OwnPrices:
    """Everything that the user said. Providers are kept as the book spells them.

    Attributes:
        providers: those that have a price of the user's.
    """

    def __init__(self) -> None:
        self._spelling: Mapping[str, str] = {}
        self._said: list[str] = []
        self._rates: dict[tuple[str, str], list[Period]] = {}
        self._discounts: list[_Discount] = []
        self._free: set[tuple[str, str | None]] = set()
        self._deployments: dict[tuple[str, str], str] = {}

    @staticmethod
    def of(settings: PriceSettings | None, spelling: Mapping[str, str]) -> OwnPrices:
        """What the settings say.

        Args:
            settings: the table `prices`.
            spelling: other spellings of providers → the book's.

        Raises:
            ConfigurationError: a unit is not known.
        """
        own = OwnPrices()
        own._spelling = spelling
        if settings is None:
            return own
        for where, rows in (("rates", settings.rates), ("operations", settings.operations)):
            for row in rows:
                try:
                    own.set(row.provider, row.model, row.rates, row.effective_from, any_unit=where == "operations")
                except PriceError as error:
                    raise ConfigurationError(f"prices.{where}: {error}") from None
        for off in settings.discounts:
            since = 0 if off.effective_from is None else rate.day_ns(off.effective_from)
            model = None if off.model is None else off.model.lower()
            share = 1 - Fraction(off.percent) / 100
            own._discounts.append(_Discount(own._provider(off.provider), model, share, since))
        own._free = {(own._provider(name), model and model.lower()) for name, model in settings.free}
        own._deployments = {
            (semconv.AZURE, name.strip().lower()): model for name, model in settings.azure_deployments.items()
        }
        if settings.discounts or settings.free or settings.azure_deployments:
            own._said.append(repr((settings.discounts, settings.free, settings.azure_deployments)))
        return own

    @property
    def fingerprint(self) -> bytes:
        """The same for the same prices; empty when nothing was said."""
        return "\n".join(self._said).encode()

    @property
    def providers(self) -> set[str]:
        """Providers that have a price of the user's."""
        return {name for name, _ in (*self._rates, *self._free)}

    def set(
        self,
        provider: str,
        model: str,
        rates: Mapping[str, str],
        effective_from: str | None,
        *,
        any_unit: bool = False,
    ) -> None:
        """Set a model's standard prices, or with `any_unit` those of an operation, from a day on; see `Book.set_price`.

        Raises:
            PriceError: a unit, a price or the day cannot be used; nothing was changed.
        """
        where = f"{provider} {model}"
        if not provider.strip() or not model.strip():
            raise PriceError(f"provider={provider!r}, model={model!r}: give both names")
        for unit in rates:
            if not rate.is_unit(unit) and not any_unit:
                near = difflib.get_close_matches(unit, rate.UNITS, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"give one of {', '.join(sorted(rate.UNITS))}"
                raise PriceError(f"{where}: {unit!r} is no unit that is priced: {hint}")
        try:
            wrong = next((price for unit, price in rates.items() if rate.parse(price, unit) < 0), None)
            since = -1 if effective_from is None else rate.day_ns(effective_from)
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise PriceError(f"{where}: {error}; give decimals in dollars and an ISO day") from None
        if wrong is not None or not rates:
            raise PriceError(f"{where}: {wrong or rates!r} is no price; give at least one, of 0 or more")
        key = (self._provider(provider), model.strip().lower())
        before = [period for period in self._rates.get(key, []) if _since(period) < since]
        after = [period for period in self._rates.get(key, []) if _since(period) > since >= 0]
        self._rates[key] = [
            *before,
            Period(rates=dict(rates), since=effective_from, sources=dict.fromkeys(rates, -1)),
            *after,
        ]
        self._said.append(repr((*key, sorted(rates.items()), effective_from)))

    def model_of(self, provider: str, name: str) -> str | None:
        """The model behind a deployment; None when the name was not mapped."""
        return self._deployments.get((provider, name.strip().lower()))

    def entry(self, provider: str, candidates: Iterable[str], base: ModelEntry | None) -> ModelEntry | None:
        """The user's prices of a model, with the book's (`base`) before their first day; None where the user said none.

        Args:
            provider: as the book spells it.
            candidates: what the model may be called, the exact name first.
            base: the book's entry.
        """
        every = [*candidates, *([] if base is None else [base.id.lower()])]
        if any((provider, name) in self._free for name in (None, *every)):
            return ModelEntry(id=every[0], periods=[Period(rates=dict(_ZERO), sources=dict.fromkeys(_ZERO, -1))])
        own = next((found for name in every if (found := self._rates.get((provider, name)))), None)
        if own is None:
            return None
        if base is None:
            return ModelEntry(id=every[0], periods=own)
        first = _since(own[0])
        return msgspec.structs.replace(base, periods=[*(p for p in base.periods if _since(p) < first), *own])

    def discounted(self, found: Resolved, provider: str, names: Iterable[str], at_ns: int) -> Resolved:
        """List prices less what the user gets off: a discount on the model counts instead of one on the provider.

        Rates that the user gave are what is paid; nothing comes off those.
        """
        if any(index < 0 for index in found.sources.values()):
            return found
        wanted = {None, *names}
        rows = [row for row in self._discounts if row.provider == provider and row.model in wanted]
        if not rows:
            return found
        since = max((found.since, *(row.since for row in rows if row.since <= at_ns)))
        until = min((found.until, *(row.since for row in rows if row.since > at_ns)))
        begun = [row for row in rows if row.since <= at_ns]
        if not begun:
            return msgspec.structs.replace(found, until=until)
        row = max(begun, key=lambda row: (row.model is not None, row.since))
        words = f"discount: x {row.share}"
        return msgspec.structs.replace(
            found,
            since=since,
            until=until,
            levels=tuple(_level(level, row.share) for level in found.levels),
            fees=_times(found.fees, row.share),
            request=rate.exact(Fraction(found.request) * row.share),
            conditions=f"{found.conditions}, {words}" if found.conditions else words,
        )

    def _provider(self, name: str) -> str:
        name = name.strip().lower()
        return self._spelling.get(name, name)


def _since(period: Period) -> int:
    return -1 if period.since is None else rate.day_ns(period.since)


def _times(rates: Mapping[str, rate.Rate], share: Fraction) -> dict[str, rate.Rate]:
    return {unit: rate.exact(Fraction(price) * share) for unit, price in rates.items()}


def _level(level: Level, share: Fraction) -> Level:
    doubtful = {unit: (rate.exact(Fraction(price) * share), why) for unit, (price, why) in level.doubtful.items()}
    return Level(level.limit, _times(level.rates, share), doubtful)
