"""When a price may be out of date: an old book, a promotion past its day. Said once each. May import core only."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from farebox.core.guard import logger

STALE_AFTER: Final = timedelta(days=30)

_said: Final[set[tuple[str, ...]]] = set()
_SAID_AT_MOST: Final = 1_000


def today() -> date:
    """The day, in UTC."""
    return datetime.now(UTC).date()


def warn_of_age(as_of: str) -> None:
    """Warn, once for each book, that it is older than `STALE_AFTER`.

    Args:
        as_of: ISO day that its prices were published.
    """
    days = (today() - date.fromisoformat(as_of)).days
    if days > STALE_AFTER.days and _first((as_of,)):
        logger.warning(
            "farebox's prices are of %s, %d days old: run farebox prices update, or set prices.auto_update = 'weekly'.",
            as_of,
            days,
        )


def warn_of_promotion(provider: str, model: str, last_day: str) -> None:
    """Warn, once for each model, that calls are priced by a promotion that was announced up to a day that has passed."""
    if _first((provider, model, last_day)):
        logger.warning(
            "farebox prices %s of %s at a promotional rate that was announced up to %s: it may have risen since. "
            "Run farebox prices update, or set what you pay with farebox.set_price.",
            model,
            provider,
            last_day,
        )


def forget() -> None:
    """Say everything again. For tests."""
    _said.clear()


def _first(what: tuple[str, ...]) -> bool:
    if what in _said or len(_said) >= _SAID_AT_MOST:
        return False
    _said.add(what)
    return True
