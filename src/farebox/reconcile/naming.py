"""Models by the price book's names, whatever a statement or a ledger calls them. May import pricing and reconcile.days."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from farebox.pricing.book import Book
from farebox.reconcile import days

_FAMILIES: Final = ("gemini", "gemma", "imagen", "veo", "claude")
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9.\-]*", re.IGNORECASE)
_LONGEST: Final = 7
_DATED: Final = re.compile(r"-\d{4}-?\d\d-?\d\d$")


def canonical(provider: str, model: str | None, day: str) -> str:
    """The book's name of a model as it was named on that day; where the book does not know it, its name without a date behind it."""
    return known(provider, model, day) or _DATED.sub("", (model or "").strip().lower())


def known(provider: str, model: str | None, day: str) -> str | None:
    """The book's name of a model; None where it does not know it."""
    return _known(provider, model, day, Book.default().hash) if model else None


@lru_cache(maxsize=8192)
def _known(provider: str, model: str, day: str, _book: str) -> str | None:
    entry = Book.default().find(provider, model, days.start_ns(day))
    return None if entry is None else entry.id


def model_in(provider: str, text: str, day: str) -> tuple[str | None, str]:
    """The model that a text names, and the text without it.

    "Generate content input token count gemini 3.8 flash text" names gemini-3.8-flash: the longest run of words that the book knows.
    """
    found = list(_WORD.finditer(text))
    for at, word in enumerate(found):
        if not word.group().lower().startswith(_FAMILIES):
            continue
        for length in range(min(_LONGEST, len(found) - at), 0, -1):
            parts = found[at : at + length]
            name = "-".join(part.group().lower() for part in parts)
            if known(provider, name, day):
                return name, text[: parts[0].start()] + text[parts[-1].end() :]
    return None, text
