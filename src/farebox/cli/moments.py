"""Moments as people type them. Imports the standard library and core.errors."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from farebox.core.errors import ConfigurationError

_AGO: Final = re.compile(r"(\d{1,6})([mhdw])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def parse_moment(text: str, *, now: datetime, what: str) -> int:
    """Nanoseconds UTC of a moment.

    Args:
        text: an ISO 8601 date or time (UTC where it names no zone), "today", "yesterday", "month" (its first day),
            or a time ago: "90m", "24h", "7d", "4w".
        now: the present moment, with a time zone.
        what: how the message names the value, for example "--since".

    Raises:
        ConfigurationError: none of these.
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"today": midnight, "yesterday": midnight - timedelta(days=1), "month": midnight.replace(day=1), "now": now}
    ago = _AGO.fullmatch(text)
    try:
        if text in named:
            moment = named[text]
        elif ago:
            moment = now - int(ago[1]) * _UNITS[ago[2]]
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{what} {text!r} is no moment: give a date such as {now:%Y-%m-%d}, 'today', 'month', or a time ago such as 7d or 24h"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (seconds.days * 86_400 + seconds.seconds) * 10**9 + seconds.microseconds * 1000
