"""Numbers out of other people's JSON: never raises, odd values become notes. May import the standard library only."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any


def count(value: Any, name: str, notes: list[str]) -> int:
    """A whole, non-negative count; anything else is 0 and, unless it is just missing, noted.

    Args:
        value: what the provider wrote: an int, a whole float, digits in a string, or something odd.
        name: the field, for the note.
        notes: grows by one sentence when the value had to be mended or dropped.
    """
    if value is None:
        return 0
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif (isinstance(value, float) and value.is_integer()) or (
        isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value()
    ):
        number = int(value)
    elif isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        number = int(value)
        notes.append(f"{name} is a string")
    if number is None or number < 0:
        notes.append(f"{name} is not a count")
        return 0
    return number


def amount(value: Any) -> Decimal | None:
    """A finite, non-negative decimal, a float by its shortest representation; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if value >= 0 else None
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) and value >= 0 else None
    if isinstance(value, Decimal):
        return value if value.is_finite() and value >= 0 else None
    if isinstance(value, str) and 0 < len(value) <= 40 and value.isascii() and value.replace(".", "", 1).isdigit():
        return Decimal(value)
    return None


def quantity(value: Any, name: str, notes: list[str]) -> int | Decimal:
    """A count that may have a fraction, such as seconds: an int where it is whole, else an exact decimal."""
    if value is None:
        return 0
    exact = amount(value)
    if exact is None:
        notes.append(f"{name} is not a quantity")
        return 0
    return int(exact) if exact == exact.to_integral_value() else exact


def part(value: Any, name: str, notes: list[str]) -> dict[str, Any]:
    """A nested object; anything else is empty and, unless it is just missing, noted."""
    if isinstance(value, dict):
        return value
    if value is not None:
        notes.append(f"{name} is not an object")
    return {}


def word(value: Any) -> str | None:
    """A non-empty text, or the value of an enum of texts; None for anything else."""
    value = getattr(value, "value", value)
    return value if isinstance(value, str) and value else None
