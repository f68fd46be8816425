"""The book in force in this process, with the user's prices laid over it. May import core, config and its neighbours here.

It is the newest valid one that was fetched, or the bundled one, and is chosen when the first price is asked for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from farebox import config
from farebox.price_settings import PriceSettings
from farebox.pricing import freshness, shelf
from farebox.pricing.book import Book
from farebox.pricing.own import OwnPrices

BUNDLED: Final = Path(__file__).with_name("book.json")
"""The book that came with the package."""


class _State:
    """What there is one of in a process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.book: Book | None = None
        self.settings: PriceSettings | None = None
        self.chosen = False
        self.base = self.as_of = ""
        self.said: list[tuple[str, str, dict[str, str], str | None, bool]] = []

    def renew(self) -> None:
        """A lock that another thread held when the process forked is never released in the child."""
        self.lock = threading.RLock()


_state: Final = _State()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_state.renew)


def current() -> Book:
    """The book; loaded once, in about 5 ms.

    Raises:
        ConfigurationError: nobody called `use`, and the settings of the process cannot be used.
    """
    book = _state.book
    return book if book is not None else _load()


def use(settings: PriceSettings | None) -> None:
    """Take these settings for the prices of this process, now and when another book comes into force.

    Raises:
        ConfigurationError: a price in them cannot be used; what was in force stays.
    """
    with _state.lock:
        if _state.chosen and _state.settings == settings:
            return
        OwnPrices.of(settings, {})
        _state.settings, _state.chosen, _state.book = settings, True, None


def set_price(
    *,
    provider: str,
    model: str,
    rates: Mapping[str, str],
    effective_from: str | None = None,
    any_unit: bool = False,
) -> None:
    """Set a model's prices in this process; they stay when another book comes into force. See `Book.set_price`.

    Raises:
        PriceError: a unit, a price or the day cannot be used; nothing was changed.
    """
    with _state.lock:
        current().set_price(
            provider=provider, model=model, rates=rates, effective_from=effective_from, any_unit=any_unit
        )
        _state.said.append((provider, model, dict(rates), effective_from, any_unit))


def book_data() -> bytes:
    """The bytes of the newest book there is, without the user's prices: what an update is compared with."""
    bundled = BUNDLED.read_bytes()
    return shelf.newest_data(since=Book(bundled).as_of) or bundled


def reload() -> None:
    """Look again which book is the newest: one was stored."""
    with _state.lock:
        _state.book = None


def refresh() -> bool:
    """Take over a book that another process stored; whether there was one."""
    with _state.lock:
        pinned = _state.settings is not None and _state.settings.book == "bundled"
        names = [path.stem for path in shelf.stored()[:1]]
        if _state.book is None or pinned or not names or _state.base in names or names[0] < _state.as_of:
            return False
        _state.book = None
        return True


def reset() -> None:
    """Forget settings and prices of the user's. For tests."""
    with _state.lock:
        _state.book, _state.said, _state.settings, _state.chosen = None, [], None, False


def _load() -> Book:
    with _state.lock:
        if _state.book is not None:
            return _state.book
        settings = _state.settings if _state.chosen else config.from_process({}).prices
        data = BUNDLED.read_bytes()
        book = Book(data, settings)
        newer = shelf.newest_data(since=book.as_of) if settings is None or settings.book == "newest" else None
        _state.as_of = book.as_of
        if newer is not None:
            data, book = newer, Book(newer, settings)
        _state.base = f"{book.as_of}-{shelf.hash_of(data)}"
        for provider, model, rates, effective_from, any_unit in _state.said:
            book.set_price(
                provider=provider, model=model, rates=rates, effective_from=effective_from, any_unit=any_unit
            )
        _state.settings, _state.chosen, _state.book = settings, True, book
        freshness.warn_of_age(book.as_of)
        return book
