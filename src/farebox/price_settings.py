"""The table `prices` of the settings: own rates, operations, discounts, free models, Azure deployments, and where the book is from. Imports core only.

```toml
[prices]
auto_update = "weekly"
free = ["ollama"]

[prices.rates]
"openai/gpt-5-mini" = { input = "0.20", output = "1.60", effective_from = "2026-11-01" }

[prices.operations]
"pinecone/vector.search" = { read_units = "0.000016" }

[prices.discounts]
anthropic = "10%"

[prices.azure_deployments]
our-chat = "gpt-5-mini"
```
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

import msgspec

from farebox.core.errors import ConfigurationError

AutoUpdate = Literal["never", "weekly"]
Choice = Literal["newest", "bundled"]


class OwnRates(msgspec.Struct, frozen=True):
    """Negotiated prices of one model: dollars for a million tokens, a thousand calls, an hour, by unit."""

    provider: str
    model: str
    rates: dict[str, str]
    effective_from: str | None = None


class Discount(msgspec.Struct, frozen=True):
    """Per cent off everything of a provider, or of one of its models."""

    provider: str
    model: str | None
    percent: str
    effective_from: str | None = None


class PriceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set about prices.

    Attributes:
        auto_update: "weekly": the maintenance thread fetches newer prices; "never": only `farebox prices update` does.
        book: "newest": the newest valid book that was fetched; "bundled": the one that came with the package.
        source: URL or file that updates are read from; None: the published data.
        rates: negotiated prices.
        operations: prices of other paid operations, by units of their own.
        discounts: per cent off list prices.
        free: (provider, model or None for all) of what costs nothing, such as local servers.
        azure_deployments: name of a deployment → model behind it.
    """

    auto_update: AutoUpdate = "never"
    book: Choice = "newest"
    source: str | None = None
    rates: tuple[OwnRates, ...] = ()
    operations: tuple[OwnRates, ...] = ()
    discounts: tuple[Discount, ...] = ()
    free: tuple[tuple[str, str | None], ...] = ()
    azure_deployments: dict[str, str] = {}


def parse_prices(value: object) -> PriceSettings:
    """The settings in a table, or in its JSON text as an environment variable holds it.

    Raises:
        ConfigurationError: a key or value cannot be used; the message names it and what would do.
    """
    if isinstance(value, PriceSettings):
        return value
    if isinstance(value, str):
        import json

        try:
            value = json.loads(value, parse_float=Decimal)
        except ValueError as error:
            raise _unusable(
                "prices", value, f'a table as JSON, for example {{"auto_update": "weekly"}} ({error})'
            ) from None
    if not isinstance(value, Mapping):
        raise _unusable("prices", value, "a table")
    for name in value:
        if name not in READERS:
            near = difflib.get_close_matches(str(name), READERS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(READERS)}"
            raise ConfigurationError(f"prices.{name} is not a setting: {hint}")
    return PriceSettings(**{name: READERS[name](f"prices.{name}", given) for name, given in value.items()})


def parse_rates(where: str, value: object) -> dict[str, str]:
    """Unit → price as written.

    Raises:
        ConfigurationError: it is no table, is empty, or a price is no decimal of at least 0.
    """
    if not isinstance(value, Mapping) or not value:
        raise _unusable(where, value, 'a table of prices, for example { input = "0.25", output = "2" }')
    return {str(unit): _decimal(f"{where}.{unit}", price) for unit, price in value.items()}


def _unusable(where: str, value: object, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{where}={value!r} cannot be used: give {remedy}")


def _decimal(where: str, value: object, *, most: int | None = None) -> str:
    """A number as written; a float by its shortest representation."""
    try:
        text = repr(value) if isinstance(value, float) else str(value)
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or number < 0 or (most is not None and number > most):
        raise _unusable(where, value, f"a decimal of at least 0{'' if most is None else f' and at most {most}'}")
    return f"{number:f}"


def _one_of(*choices: str) -> Callable[[str, object], str]:
    def read(where: str, value: object) -> str:
        if value not in choices:
            raise _unusable(where, value, "one of " + ", ".join(choices))
        return str(value)

    return read


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _unusable(where, value, "a non-empty text")
    return value.strip()


def _table(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _unusable(where, value, "a table")
    return value


def _whose(where: str, name: object) -> tuple[str, str | None]:
    provider, _, model = _text(where, name).partition("/")
    if not provider:
        raise _unusable(where, name, "provider or provider/model")
    return provider, model or None


def _day(where: str, value: object) -> str | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise _unusable(where, value, "an ISO day, for example 2026-11-01") from None


def _rates(where: str, value: object) -> tuple[OwnRates, ...]:
    found = []
    for name, given in _table(where, value).items():
        provider, model = _whose(where, name)
        if model is None:
            raise _unusable(where, name, 'names of the form "provider/model"')
        row = dict(_table(f"{where}.{name}", given))
        since = _day(f"{where}.{name}.effective_from", row.pop("effective_from", None))
        found.append(OwnRates(provider, model, parse_rates(f"{where}.{name}", row), since))
    return tuple(found)


def _discounts(where: str, value: object) -> tuple[Discount, ...]:
    found = []
    for name, given in _table(where, value).items():
        row = given if isinstance(given, Mapping) else {"percent": given}
        if not row.keys() <= {"percent", "effective_from"} or "percent" not in row:
            raise _unusable(f"{where}.{name}", given, '"10%", or { percent = 10, effective_from = "2026-11-01" }')
        percent = row["percent"]
        percent = percent.strip().removesuffix("%") if isinstance(percent, str) else percent
        since = _day(f"{where}.{name}.effective_from", row.get("effective_from"))
        found.append(Discount(*_whose(where, name), _decimal(f"{where}.{name}", percent, most=100), since))
    return tuple(found)


def _free(where: str, value: object) -> tuple[tuple[str, str | None], ...]:
    if not isinstance(value, list | tuple):
        raise _unusable(where, value, 'a list of providers or provider/model, for example ["ollama"]')
    return tuple(_whose(where, name) for name in value)


def _deployments(where: str, value: object) -> dict[str, str]:
    return {str(name): _text(f"{where}.{name}", model) for name, model in _table(where, value).items()}


READERS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "auto_update": _one_of("never", "weekly"),
    "book": _one_of("newest", "bundled"),
    "source": _text,
    "rates": _rates,
    "operations": _rates,
    "discounts": _discounts,
    "free": _free,
    "azure_deployments": _deployments,
}
"""How each key is read."""
