"""The reviewed corrections of `overlay.toml`, read and laid over a draft of the book. Used by builds and updates; may import core and its neighbours here.

Kinds of rows: `rate` sets prices, `fill` sets them where there are none, `share` derives a variant that the source lacks, `ratio` derives
a unit from another, `uplift` multiplies at run time, `alias` reroutes a name from a day on, `free` and `uncounted` mark models.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from datetime import date
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import msgspec

from farebox.core.errors import PriceError
from farebox.pricing import rate
from farebox.pricing.draft import Conflicts, DraftModel, DraftPeriod, DraftProvider, DraftRates, Prices, put
from farebox.pricing.rate import Source


class _Row(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What every row says: for which models, from where, checked when."""

    provider: str
    models: list[str]
    source: str
    checked: str
    confidence: str
    note: str | None = None


Row = TypeVar("Row", bound=_Row)


class RateRow(_Row, kw_only=True):
    """Prices of models that there are, or of a `new` one."""

    rates: dict[str, str]
    over: dict[str, dict[str, str]] = {}
    variant: str | None = None
    since: date | None = None
    until: date | None = None
    replaces: dict[str, str] = {}
    new: bool = False
    names: list[str] = []


class FillRow(_Row, kw_only=True):
    """Prices where there are none."""

    rates: dict[str, str]
    only_with: str | None = None


class ShareRow(_Row, kw_only=True):
    """A variant that costs a share of the standard price; `units` that differ have their own share or price."""

    variant: str
    share: str
    units: dict[str, str] = {}
    since: date | None = None
    until: date | None = None


class RatioRow(_Row, kw_only=True):
    """A unit that costs a multiple of another one, in every period, variant and length."""

    unit: str
    of: str
    share: str


class UpliftRow(_Row, kw_only=True):
    """A factor on what a call costs under a condition that the usage object or the client states."""

    when: dict[str, str]
    share: str
    books: list[str]
    all_units: bool = False


class AliasRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A name that means another model from a day on."""

    provider: str
    name: str
    model: str
    source: str
    checked: str
    confidence: str
    since: date | None = None
    note: str | None = None


class MarkRow(_Row, kw_only=True):
    """Models that are free, or that use units which no answer counts."""

    units: list[str] = []


class PromotionRow(_Row, kw_only=True):
    """A price that was announced as promotional, with the last day that the announcement covers; the one after it is not known."""

    until: date


class PatternRow(_Row, kw_only=True):
    """More names of a model, as anchored regular expressions."""

    patterns: list[str]


class Overlay(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    aliases: dict[str, str]
    books: dict[str, str]
    rate: list[RateRow] = []
    fill: list[FillRow] = []
    share: list[ShareRow] = []
    ratio: list[RatioRow] = []
    uplift: list[UpliftRow] = []
    promotion: list[PromotionRow] = []
    alias: list[AliasRow] = []
    pattern: list[PatternRow] = []
    free: list[MarkRow] = []
    uncounted: list[MarkRow] = []
    weekdays: list[MarkRow] = []


class Sources:
    """Every source once, by index."""

    def __init__(self, first: Source) -> None:
        self.rows = [first]

    def index(self, row: _Row | AliasRow) -> int:
        """The index of the row's source."""
        source = Source(url=row.source, checked=row.checked, confidence=row.confidence, note=row.note)
        if source not in self.rows:
            self.rows.append(source)
        return self.rows.index(source)


def load(path: Path) -> Overlay:
    """The overlay in a file.

    Raises:
        PriceError: it is no TOML, or a row has a field that its kind does not know.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Overlay)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise PriceError(f"{path}: {error}") from None


def standard(overlay: Overlay, drafts: dict[str, DraftProvider], sources: Sources, conflicts: Conflicts) -> None:
    """Lay the standard prices over the draft, before variants find their periods."""
    for row in overlay.rate:
        if row.new:
            _create(row, drafts, conflicts)
    for mark, model in _targets(overlay.free, drafts, conflicts):
        with conflicts.about(mark.provider, model.id):
            _free(model, mark, sources)
    for row, model in _targets(overlay.rate, drafts, conflicts):
        with conflicts.about(row.provider, model.id):
            for period in _periods(model, row) if row.variant is None else ():
                _set(period, row, sources, f"{row.provider} {model.id}")
    for share, model in _targets(overlay.share, drafts, conflicts):
        model.within(share.since, share.until)
    for pattern, model in _targets(overlay.pattern, drafts, conflicts):
        model.patterns += pattern.patterns


def variants(overlay: Overlay, drafts: dict[str, DraftProvider], sources: Sources, conflicts: Conflicts) -> None:
    """Lay tiers and derived units over the draft, and mark models."""
    for row, model in _targets(overlay.rate, drafts, conflicts):
        with conflicts.about(row.provider, model.id):
            for period in _periods(model, row) if row.variant is not None else ():
                into = period.variants.setdefault(str(row.variant), DraftRates())
                _set(into, row, sources, f"{row.provider} {model.id} {row.variant}")
    for fill, model in _targets(overlay.fill, drafts, conflicts):
        for period in model.periods:
            _fill(period, fill, sources.index(fill))
    for share, model in _targets(overlay.share, drafts, conflicts):
        for period in model.within(share.since, share.until):
            if share.variant not in period.variants and period.rates:
                period.variants[share.variant] = _shared(period, share, sources.index(share))
    for ratio, model in _targets(overlay.ratio, drafts, conflicts):
        for period in model.periods:
            _derive(period, ratio, sources.index(ratio))
    _mark(overlay, drafts, conflicts)


def _mark(overlay: Overlay, drafts: dict[str, DraftProvider], conflicts: Conflicts) -> None:
    for mark, model in _targets(overlay.uncounted, drafts, conflicts):
        model.uncounted = sorted({*model.uncounted, *mark.units})
    for _mark, model in _targets(overlay.weekdays, drafts, conflicts):
        model.weekdays = True
    for promotion, model in _targets(overlay.promotion, drafts, conflicts):
        model.promotion = promotion.until.isoformat()
    for index, uplift in enumerate(overlay.uplift):
        for book in uplift.books:
            for model in _models(drafts, book, uplift.models, conflicts):
                model.uplifts.append(index)


def _free(model: DraftModel, mark: MarkRow, sources: Sources) -> None:
    if any(price for period in model.periods for price in period.rates.values()):
        raise PriceError(f"{mark.provider} {model.id} is marked free but has a price")
    zero = {unit: Fraction(0) for unit in ("input", "output")}
    model.periods = [DraftPeriod(rates=zero, sources=dict.fromkeys(zero, sources.index(mark)))]


def _targets(
    rows: Iterable[Row], drafts: dict[str, DraftProvider], conflicts: Conflicts
) -> Iterator[tuple[Row, DraftModel]]:
    """Each row with each model that it names."""
    for row in rows:
        for model in _models(drafts, row.provider, row.models, conflicts):
            yield row, model


def _models(
    drafts: dict[str, DraftProvider], provider: str, globs: list[str], conflicts: Conflicts
) -> list[DraftModel]:
    """The models that the globs name; `!glob` leaves out. A row that names nothing is a mistake, unless other data is laid under it."""
    if provider not in drafts and not conflicts.strict:
        return []
    if provider not in drafts:
        raise PriceError(f"the overlay names provider {provider!r}, which the book does not have")
    wanted = [glob for glob in globs if not glob.startswith("!")]
    unwanted = [glob[1:] for glob in globs if glob.startswith("!")]
    found = [
        model
        for model in drafts[provider].models.values()
        if any(fnmatchcase(model.id, glob) for glob in wanted)
        and not any(fnmatchcase(model.id, glob) for glob in unwanted)
    ]
    if not found and conflicts.strict:
        raise PriceError(f"the overlay names {provider} {globs}, which match no model")
    return found


def _periods(model: DraftModel, row: RateRow) -> list[DraftPeriod]:
    if not model.periods:
        model.periods.append(DraftPeriod())
    found = model.within(row.since, row.until)
    if row.since is not None and not found:
        raise PriceError(f"{row.provider} {model.id}: no period from {row.since} on")
    return found


def _create(row: RateRow, drafts: dict[str, DraftProvider], conflicts: Conflicts) -> None:
    provider = drafts.setdefault(row.provider, DraftProvider(id=row.provider))
    for name in row.models:
        if name in provider.models:
            if conflicts.strict:
                raise PriceError(f"{row.provider} {name} is not new: the source has it now; review the overlay's row")
            continue  # the row is compared with the source's prices like any other
        for model in provider.models.values():
            model.names -= {name, *row.names}
        provider.models[name] = DraftModel(id=name, names={name, *row.names})


def _set(into: DraftRates, row: RateRow, sources: Sources, where: str) -> None:
    index = sources.index(row)
    for unit, price in row.rates.items():
        replaces = row.replaces.get(unit)
        put(into.rates, unit, Fraction(price), replaces=Fraction(replaces) if replaces else None, where=where)
        into.sources[unit] = index
        if not row.over and unit in row.replaces:
            for prices in into.over.values():
                prices.pop(unit, None)
    for limit, listed in row.over.items():
        beyond = into.over.setdefault(int(limit), {})
        for unit, price in listed.items():
            put(beyond, unit, Fraction(price), replaces=beyond.get(unit), where=f"{where} over {limit}")


def _fill(period: DraftPeriod, row: FillRow, source: int) -> None:
    """Set prices that the standard lacks; one that is written as another unit's name is that unit's, in every variant too."""
    if not any(period.rates.values()) or (row.only_with is not None and row.only_with not in period.rates):
        return  # free models stay free
    for unit, price in row.rates.items():
        if unit in period.rates:
            continue
        if price not in period.rates:
            period.rates[unit] = Fraction(price)
            period.sources[unit] = source
            continue
        for rates in (period, *period.variants.values()):
            for prices in rates.every():
                if price in prices and unit not in prices:
                    prices[unit] = prices[price]
                    rates.sources[unit] = source


def _shared(period: DraftPeriod, row: ShareRow, source: int) -> DraftRates:
    """A variant from the standard prices of the same period."""
    derived = DraftRates(
        rates=_share(period.rates, row),
        over={limit: _share(prices, row) for limit, prices in period.over.items()},
    )
    derived.sources = dict.fromkeys(derived.rates, source)
    return derived


def _share(prices: Prices, row: ShareRow) -> Prices:
    tokens = {unit for unit in prices if rate.per(unit) == 1_000_000}
    return {unit: prices[unit] * Fraction(row.units.get(unit, row.share)) for unit in sorted(tokens)}


def _derive(period: DraftPeriod, row: RatioRow, source: int) -> None:
    for rates in (period, *period.variants.values()):
        for prices in rates.every():
            if row.of in prices and row.unit not in prices:
                prices[row.unit] = prices[row.of] * Fraction(row.share)
                rates.sources[row.unit] = source
