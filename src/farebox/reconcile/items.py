"""What a line item pays for, read from its words: providers name them as they like, and change the names. Imports core.semconv only."""

from __future__ import annotations

import re
from typing import Final

from farebox.core import semconv

_WORD: Final = re.compile(r"[a-z]+|\d+[a-z]*")

_TOOLS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = (
    (("web", "search"), (semconv.WEB_SEARCH, semconv.WEB_SEARCH_PREVIEW)),
    (("grounding", "search"), (semconv.GROUNDED_QUERIES,)),
    (("grounding", "maps"), (semconv.MAPS_QUERIES,)),
    (("file", "search"), (semconv.FILE_SEARCH,)),
)
_TTL: Final = {
    "5m": semconv.CACHE_WRITE_5M,
    "30m": semconv.CACHE_WRITE_30M,
    "1h": semconv.CACHE_WRITE_1H,
    "12h": semconv.CACHE_WRITE_12H,
}
_MODALITIES: Final = ("audio", "image", "video")
_FLOWS: Final = {
    "input": semconv.INPUT,
    "prompt": semconv.INPUT,
    "output": semconv.OUTPUT,
    "completion": semconv.OUTPUT,
}
_CREDITS: Final = frozenset({"credit", "credits", "grant", "refund", "discount", "promotion", "promotional"})
_TIERS: Final = ("flex", "priority", "scale", "ultrafast")


def words(text: str) -> list[str]:
    """The words of a line item, in lower case."""
    return _WORD.findall(text.lower())


def units_of(text: str) -> tuple[str, ...]:
    """The units that a line item pays for; none: its words do not tell."""
    found = words(text)
    for needed, units in _TOOLS:
        if all(word in found for word in needed):
            return units
    modality = next((f"_{word}" for word in _MODALITIES if word in found), "")
    if "storage" in found:
        return (semconv.CACHE_STORAGE, semconv.CACHE_TOKEN_SECONDS) if "cached" in found else ()
    if ("write" in found or "creation" in found or "writes" in found) and "cache" in found:
        return tuple(unit for ttl, unit in _TTL.items() if ttl in found) or tuple(_TTL.values())
    if any(word in found for word in ("cached", "cache")):
        return (semconv.CACHE_READ + modality,)
    for word, unit in _FLOWS.items():
        if word in found:
            return (unit + modality,)
    plain = {"images": semconv.IMAGES, "characters": semconv.CHARACTERS, "seconds": semconv.SECONDS}
    return next(((unit,) for word, unit in plain.items() if word in found), ())


def is_credit(text: str) -> bool:
    """Whether a line item is money that the provider gives back."""
    return bool(_CREDITS.intersection(words(text)))


def tier_of(text: str) -> tuple[str | None, bool | None]:
    """The tier and the interface that a line item names; None: it does not say."""
    found = words(text)
    tier = next((name for name in _TIERS if name in found), None)
    return tier, True if "batch" in found else None
