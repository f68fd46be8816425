"""Days in UTC, as providers bill by them. Imports the standard library only."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

NANO: Final = 10**9
DAY_SECONDS: Final = 86_400


def day_of(nanoseconds: int) -> str:
    """The ISO day that a moment lies in."""
    return datetime.fromtimestamp(nanoseconds // NANO, UTC).date().isoformat()


def start_of(day: str) -> int:
    """Seconds since the epoch at which a day begins."""
    return int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp())


def start_ns(day: str) -> int:
    """The same in nanoseconds."""
    return start_of(day) * NANO


def after(day: str, days: int = 1) -> str:
    """The day that comes so many days later."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def span(first: str, last: str) -> list[str]:
    """Every day from the first to the last, both included."""
    days = []
    while first <= last:
        days.append(first)
        first = after(first)
    return days


def rfc3339(day: str) -> str:
    """The beginning of a day, as RFC 3339 writes it."""
    return f"{day}T00:00:00Z"


def runs(wanted: list[str]) -> list[tuple[str, str]]:
    """Days as (first, last) of the stretches without a hole that they form."""
    found: list[tuple[str, str]] = []
    for day in sorted(set(wanted)):
        if found and after(found[-1][1]) == day:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
