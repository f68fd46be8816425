"""Reads fields of a statement exactly, or says what is wrong with them. Imports the standard library only.

A field that is not known is passed over; one that is needed and is missing, or is of another kind, makes its line unreadable.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_LONGEST: Final = 64


class SchemaError(Exception):
    """A line is not what the interface was known to send."""


def table(row: Any) -> Mapping[str, Any]:
    """An object with names."""
    if not isinstance(row, Mapping):
        raise SchemaError(f"a result is {shown(row)}, and should be an object")
    return row


def count(row: Mapping[str, Any], name: str, *, required: bool = False) -> int:
    """A whole number of at least 0; 0 where it is not stated."""
    value = row.get(name)
    if value is None and not required:
        return 0
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SchemaError(f"{name} is {shown(value)}, and should be a count")
    return value


def amount(value: Any, name: str) -> Decimal:
    """An exact amount from a JSON number or a decimal text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    found = value
    if isinstance(value, str) and len(value) <= _LONGEST:
        try:
            found = Decimal(value.strip().replace(",", ""))
        except InvalidOperation:
            found = None
    if not isinstance(found, Decimal) or not found.is_finite():
        raise SchemaError(f"{name} is {shown(value)}, and should be an amount")
    return found


def text(row: Mapping[str, Any], name: str) -> str | None:
    """A text, or None where there is none."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise SchemaError(f"{name} is {shown(value)}, and should be a text")
    return value


def dollars(currency: Any) -> None:
    """See that a currency is the US dollar."""
    if not isinstance(currency, str) or currency.lower() != "usd":
        raise SchemaError(f"the currency is {shown(currency)}, and only US dollars can be compared")


def shown(value: Any) -> str:
    """A value for a message, short."""
    return "missing" if value is None else repr(value)[:_LONGEST]
