"""The times that a standing budget counts over: calendar windows in a time zone, and rolling ones. Imports core.errors only.

A calendar window is one piece that starts anew at its edge. A rolling window is counted in 60 pieces and the one that is filling:
it holds over every span of its length, and forgets a piece up to a sixtieth of its length late.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from farebox.core.errors import ConfigurationError

PIECES: Final = 60
"""Pieces of a rolling window."""

_NANO: Final = 10**9
_SECONDS: Final[Mapping[str, int]] = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LONGEST: Final = 366 * 86_400
_ROLLING: Final = re.compile(r"([1-9][0-9]{0,6})([mhdw])")
_REMEDY: Final = (
    "give 'hour', 'day', 'week' or 'month', with a time zone if you like ('month Europe/Berlin'), "
    "or a rolling length from '1m' to '366d' such as '24h'"
)


def zone_named(name: object, *, what: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        ConfigurationError: there is none of that name here.
    """
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(
            f"{what}={name!r} is no time zone here: give an IANA name such as 'UTC' or 'Europe/Berlin' "
            "(where the system has no zones, install tzdata)"
        ) from None


def _midnight(moment: datetime, zone: ZoneInfo, days: int = 0) -> datetime:
    """The first moment of a local day; where midnight is skipped, the moment at which the clock skips it."""
    day = moment.date() + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _hour(now: datetime, zone: ZoneInfo) -> tuple[int, int]:  # noqa: ARG001 - one signature for all
    start = int(now.timestamp()) - now.minute * 60 - now.second
    return start, start + 3600


def _day(now: datetime, zone: ZoneInfo) -> tuple[int, int]:
    return int(_midnight(now, zone).timestamp()), int(_midnight(now, zone, 1).timestamp())


def _week(now: datetime, zone: ZoneInfo) -> tuple[int, int]:
    first = -now.weekday()
    return int(_midnight(now, zone, first).timestamp()), int(_midnight(now, zone, first + 7).timestamp())


def _month(now: datetime, zone: ZoneInfo) -> tuple[int, int]:
    first = datetime(now.year, now.month, 1, tzinfo=zone)
    year, month = (now.year, now.month + 1) if now.month < 12 else (now.year + 1, 1)
    return int(first.timestamp()), int(datetime(year, month, 1, tzinfo=zone).timestamp())


CALENDAR: Final[Mapping[str, Callable[[datetime, ZoneInfo], tuple[int, int]]]] = {
    "hour": _hour,
    "day": _day,
    "week": _week,
    "month": _month,
}
"""First second of the window that a moment lies in, and of the next one. Weeks start on Monday."""


class Window:
    """A window that repeats, or rolls.

    Args:
        text: "hour", "day", "week" or "month", with or without a time zone behind it; or a rolling length: "90m", "24h", "7d", "4w".
        zone: the time zone where the text names none.

    Attributes:
        text: the window in full, as errors and reports say it.
        rolling: whether it rolls.

    Raises:
        ConfigurationError: the text is no window.
    """

    __slots__ = ("_edges", "_span", "_step", "_zone", "rolling", "text")

    def __init__(self, text: object, zone: str = "UTC", *, what: str = "window") -> None:
        if not isinstance(text, str):
            raise ConfigurationError(f"{what}={text!r} cannot be used: {_REMEDY}")
        unit, _, named = text.strip().partition(" ")
        rolling = _ROLLING.fullmatch(text.strip())
        self.rolling = rolling is not None
        self._step = 0
        self._span: tuple[int, int] = (0, 0)
        if rolling:
            seconds = int(rolling[1]) * _SECONDS[rolling[2]]
            if seconds > _LONGEST:
                raise ConfigurationError(f"{what}={text!r} is too long: {_REMEDY}")
            self._step = seconds * _NANO // PIECES
            self.text = text.strip()
            return
        if unit not in CALENDAR:
            raise ConfigurationError(f"{what}={text!r} cannot be used: {_REMEDY}")
        self._zone = zone_named(named.strip() or zone, what=what if named else "time_zone")
        self._edges = CALENDAR[unit]
        self.text = f"{unit} {self._zone.key}"

    def place(self, now: int) -> tuple[int, int, int]:
        """Where a booking belongs: its piece, the first piece that counts with it, and when the piece counts no more.

        Args:
            now: nanoseconds UTC.

        Returns:
            Nanoseconds UTC each. A calendar window is one piece, so the first two are the same.
        """
        if self._step:
            piece = now // self._step * self._step
            return piece, piece - PIECES * self._step, piece + (PIECES + 1) * self._step
        start, end = self._span
        if not start <= now < end:
            first, last = self._edges(datetime.fromtimestamp(now // _NANO, self._zone), self._zone)
            start, end = self._span = first * _NANO, last * _NANO
        return start, start, end

    def leaves(self, piece: int) -> int:
        """When a piece of a rolling window counts no more, in nanoseconds UTC."""
        return piece + (PIECES + 1) * self._step

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Window) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)
