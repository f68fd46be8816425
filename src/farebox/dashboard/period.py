"""The times that a view is about: a range, the pieces it is cut into, and the time before that it is compared with. Imports core only.

Everything is reckoned in the view's time zone: a day is from midnight to midnight there, also where clocks change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from farebox.core.errors import ConfigurationError

NANO: Final = 10**9
_MINUTES: Final = 300
_EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""What nanoseconds in 64 bits, and every time zone, can hold."""


class Period(NamedTuple):
    """Times in nanoseconds UTC.

    Attributes:
        since: first moment that counts.
        until: first moment that no longer counts; lies in the future where the period goes on.
        step: what a piece is: "5 minutes", "hour", "day", "week", "month" or "year".
        edges: where pieces begin, and at last `until`.
        before: the time that it is compared with, (since, until): as much of it as has passed of this one.
    """

    since: int
    until: int
    step: str
    edges: tuple[int, ...]
    before: tuple[int, int]


def _midnight(moment: datetime, days: int = 0) -> datetime:
    day = moment.date() + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=moment.tzinfo)


def _first(moment: datetime, months: int = 0) -> datetime:
    count = moment.year * 12 + moment.month - 1 + months
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=moment.tzinfo)


def _forth(moment: datetime, seconds: int, times: int = 1) -> datetime:
    """So much later on a clock that is never changed."""
    return (moment.astimezone(UTC) + timedelta(seconds=seconds * times)).astimezone(moment.tzinfo)


def _minutes(now: datetime) -> datetime:
    return now.replace(minute=now.minute - now.minute % 5, second=0, microsecond=0)


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)


_NEXT: Final[Mapping[str, Callable[[datetime], datetime]]] = {
    "5 minutes": lambda moment: _forth(_minutes(moment), _MINUTES),
    "hour": lambda moment: _forth(_hour(moment), 3600),
    "day": lambda moment: _midnight(moment, 1),
    "week": lambda moment: _midnight(moment, 7 - moment.weekday()),
    "month": lambda moment: _first(moment, 1),
    "year": lambda moment: datetime(moment.year + 1, 1, 1, tzinfo=moment.tzinfo),
}
"""The first moment of the piece behind the one that a moment lies in."""

_SECONDS: Final = {"5 minutes": _MINUTES, "hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400}
_PIECES: Final = 100

Edges = tuple[datetime, datetime, datetime]
"""First moment, first moment behind, and first moment of the period before."""

RANGES: Final[Mapping[str, Callable[[datetime], Edges]]] = {
    "1h": lambda now: _rolling(_minutes(now), _MINUTES, 12),
    "24h": lambda now: _rolling(_hour(now), 3600, 24),
    "7d": lambda now: _days(now, 7),
    "30d": lambda now: _days(now, 30),
    "90d": lambda now: _days(now, 90),
    "today": lambda now: _days(now, 1),
    "month": lambda now: (_first(now), _first(now, 1), _first(now, -1)),
    "year": lambda now: (_first(now, -11), _first(now, 1), _first(now, -23)),
}
"""Ranges by the name that stands in the address. They begin where a piece begins: "7d" is today and the six days before."""

_STEPS: Final = {"today": "hour", "year": "month"}


def _rolling(last: datetime, seconds: int, count: int) -> Edges:
    return _forth(last, seconds, 1 - count), _forth(last, seconds), _forth(last, seconds, 1 - 2 * count)


def _days(now: datetime, count: int) -> Edges:
    return _midnight(now, 1 - count), _midnight(now, 1), _midnight(now, 1 - 2 * count)


def named(name: str, now: int, zone: ZoneInfo, *, first: int | None = None) -> Period:
    """A range by its name.

    Args:
        name: one of `RANGES`, or "all".
        now: nanoseconds UTC.
        zone: where its days are.
        first: when the first call was, for "all"; None: there is none.

    Raises:
        ConfigurationError: there is no such range; the message lists those there are.
    """
    here = local(now, zone)
    if name == "all":
        return between(_midnight(local(now if first is None else first, zone)), _midnight(here, 1), now)
    if name not in RANGES:
        raise ConfigurationError(f"range={name!r} is not known: use one of {', '.join((*RANGES, 'all'))}")
    since, until, earlier = RANGES[name](here)
    return _period(since, until, earlier, _STEPS.get(name), now)


def between(since: datetime, until: datetime, now: int) -> Period:
    """A range of one's own, compared with the same length of time before it.

    Raises:
        ConfigurationError: no moment lies between them.
    """
    if nanoseconds(since) >= nanoseconds(until):
        raise ConfigurationError(
            f"since={since.isoformat()} is not before until={until.isoformat()}: no moment lies between"
        )
    since, until = max(since, _EARLIEST.astimezone(since.tzinfo)), min(until, _LATEST.astimezone(until.tzinfo))
    earlier = since.astimezone(UTC) - (until.astimezone(UTC) - since.astimezone(UTC))
    return _period(since, until, max(earlier, _EARLIEST).astimezone(since.tzinfo), None, now)


def _period(since: datetime, until: datetime, earlier: datetime, step: str | None, now: int) -> Period:
    step = step or _step(since, until)
    start, end, before = nanoseconds(since), nanoseconds(until), nanoseconds(earlier)
    edges, edge = [start], since
    while edges[-1] < end:  # in UTC: where a clock is set back, wall clocks read the same twice
        edge = _NEXT[step](edge)
        moment = min(nanoseconds(edge), end)
        if moment > edges[-1]:  # a day that a zone left out, as Samoa did in 2011, has no moment
            edges.append(moment)
        else:  # a clock that is set back by half an hour must not be met again and again
            edge = _forth(edge, 3600)
    passed = max(0, min(end, now) - start)
    return Period(start, end, step, tuple(edges), (before, min(before + passed, start)))


def _step(since: datetime, until: datetime) -> str:
    """The smallest pieces of which there are not too many."""
    seconds = (until - since).total_seconds()
    return next((step for step, length in _SECONDS.items() if seconds <= length * _PIECES), "year")


def moment_named(text: str, zone: ZoneInfo, *, what: str) -> datetime:
    """An ISO 8601 date or time, in the zone where it names none.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
        return min(max(moment, _EARLIEST), _LATEST).astimezone(zone)
    except (ValueError, OverflowError):
        raise ConfigurationError(f"{what}={text!r} is no moment: give a date such as 2026-11-01") from None


def tomorrow(now: int, zone: ZoneInfo) -> datetime:
    """The next midnight."""
    return _midnight(local(now, zone), 1)


def nanoseconds(moment: datetime) -> int:
    """Nanoseconds UTC of a moment, to the microsecond."""
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NANO + since.microseconds * 1000


def local(moment: int, zone: tzinfo) -> datetime:
    """A moment on the clocks of a zone, to the microsecond."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment // 1000)).astimezone(zone)


def iso(moment: int, zone: ZoneInfo) -> str:
    """A moment as text, in a zone."""
    return local(moment, zone).isoformat()
