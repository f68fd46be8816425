"""The published price data, read with suspicion: it comes from the network. May import core and its neighbours here.

The data is JSON: a list of providers, as the project `genai-prices` publishes it. What is read here has the shape of that package's
own objects, so that a build and an update go through the same code.
"""

from __future__ import annotations

import json
import re
from datetime import date, time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final, NoReturn

from farebox.core.errors import PriceError

URL: Final = "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
"""Where the data is published."""

_CLAUSES: Final = frozenset({"starts_with", "ends_with", "contains", "equals", "regex"})
_LONGEST: Final = 400
"""Characters of a name or of an expression."""
_DEEPEST: Final = 8

# A repeated group that itself ends in a repetition can take exponential time to fail: https://owasp.org/www-community/attacks/
# Regular_expression_Denial_of_Service_-_ReDoS
_NESTED: Final = re.compile(r"[*+}]\)[*+{]|\\[1-9]")


def providers(data: bytes) -> list[SimpleNamespace]:
    """The providers in the data, with the attributes that `upstream` reads.

    Raises:
        PriceError: it is no such data, or a price, name or expression in it cannot be used.
    """
    try:
        listed = json.loads(data, parse_float=Decimal, parse_int=_whole, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise PriceError(f"this is no price data: {error}") from None
    if not isinstance(listed, list) or not listed:
        raise PriceError("this is no price data: a list of providers was expected")
    found = [_provider(row) for row in listed]
    if len({provider.id for provider in found}) != len(found):
        raise PriceError("this price data names a provider twice")
    return found


def check_price(value: object, where: str) -> Decimal:
    """A price of the data.

    Raises:
        PriceError: it is no number, or one that no price can be: negative, or of a size that only an attack has.
    """
    if not isinstance(value, Decimal) or not value.is_finite() or value < 0:
        raise PriceError(f"{where}: {value!r} is no price")
    # Fractions of 1E+999999999 would fill the memory.
    if (value and not -15 <= value.adjusted() <= 7) or len(value.as_tuple().digits) > 40:
        raise PriceError(f"{where}: {value} is no price in dollars")
    return value


def check_pattern(pattern: str, where: str) -> str:
    """An expression that model names are matched with.

    Raises:
        PriceError: it cannot be compiled, or could take exponential time.
    """
    if len(pattern) > _LONGEST or _NESTED.search(pattern):
        raise PriceError(f"{where}: the expression {pattern[:60]!r} is not allowed")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise PriceError(f"{where}: the expression {pattern!r} cannot be used: {error}") from None
    return pattern


def _whole(digits: str) -> Decimal | int:
    return int(digits) if len(digits) <= 18 else Decimal(digits)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST or not value.isprintable():
        raise PriceError(f"{where}: {str(value)[:60]!r} is no name")
    return value


def _rows(value: object, where: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise PriceError(f"{where}: a list of objects was expected")
    return value


def _provider(row: object) -> SimpleNamespace:
    if not isinstance(row, dict):
        raise PriceError("this is no price data: a provider is an object")
    name = _text(row.get("id"), "provider")
    fallback = row.get("fallback_model_providers") or []
    if not isinstance(fallback, list):
        raise PriceError(f"{name}: fallback_model_providers is no list")
    models = [_model(model, name) for model in _rows(row.get("models"), name)]
    if len({model.id for model in models}) != len(models):
        raise PriceError(f"{name}: a model is listed twice")
    return SimpleNamespace(id=name, fallback_model_providers=[_text(one, name) for one in fallback], models=models)


def _model(row: dict[str, Any], provider: str) -> SimpleNamespace:
    name = _text(row.get("id"), provider)
    where = f"{provider} {name}"
    prices = row.get("prices")
    window = row.get("context_window")
    return SimpleNamespace(
        id=name,
        match=_clause(row.get("match"), where, 0),
        context_window=window if type(window) is int and window > 0 else None,
        prices=_conditional(prices, where) if isinstance(prices, list) else _prices(prices, where),
        price_variants=[_variant(variant, where) for variant in _rows(row.get("price_variants"), where)],
    )


def _clause(value: object, where: str, depth: int) -> SimpleNamespace:
    if not isinstance(value, dict) or len(value) != 1 or depth > _DEEPEST:
        raise PriceError(f"{where}: its match cannot be read")
    ((kind, given),) = value.items()
    if kind in {"or", "and"}:
        return SimpleNamespace(**{f"{kind}_": [_clause(part, where, depth + 1) for part in _rows(given, where)]})
    if kind not in _CLAUSES:
        raise PriceError(f"{where}: the match {kind!r} is not known")
    text = _text(given, where)
    return SimpleNamespace(**{kind: check_pattern(text, where) if kind == "regex" else text})


def _conditional(value: object, where: str) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(constraint=_constraint(row.get("constraint"), where), prices=_prices(row.get("prices"), where))
        for row in _rows(value, where)
    ]


def _variant(row: dict[str, Any], where: str) -> SimpleNamespace:
    when = row.get("when")
    if not isinstance(when, dict) or len(when) != 1:
        raise PriceError(f"{where}: a variant of its prices has a condition that cannot be read: {when!r}")
    return SimpleNamespace(
        when={_text(name, where): _text(value, where) for name, value in when.items()},
        constraint=_constraint(row.get("constraint"), where),
        prices=_prices(row.get("prices"), where),
    )


def _constraint(value: object, where: str) -> SimpleNamespace | None:
    if value is None:
        return None
    if isinstance(value, dict):
        try:
            if value.keys() == {"start_date"}:
                return SimpleNamespace(start_date=date.fromisoformat(value["start_date"]))
            if value.keys() == {"start_time", "end_time"}:
                return SimpleNamespace(**{name: time.fromisoformat(text) for name, text in value.items()})
        except (TypeError, ValueError) as error:
            raise PriceError(f"{where}: {error}") from None
    raise PriceError(f"{where}: the condition {value!r} is not known")


def _prices(value: object, where: str) -> SimpleNamespace:
    if not isinstance(value, dict):
        raise PriceError(f"{where}: it has no prices")
    return SimpleNamespace(**{_text(key, where): _price(price, f"{where} {key}") for key, price in value.items()})


def _price(value: object, where: str) -> Decimal | SimpleNamespace | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        return check_price(_decimal(value), where)
    tiers = [
        SimpleNamespace(start=tier.get("start"), price=check_price(_decimal(tier.get("price")), where))
        for tier in _rows(value.get("tiers"), where)
    ]
    if any(type(tier.start) is not int or tier.start < 0 for tier in tiers):
        raise PriceError(f"{where}: a tier starts at no count of tokens")
    return SimpleNamespace(base=check_price(_decimal(value.get("base")), where), tiers=tiers)


def _decimal(value: object) -> object:
    return Decimal(value) if type(value) is int else value
