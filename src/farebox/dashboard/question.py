"""What a view asks, read from the address that holds all of it. Imports core, reports and the dashboard's period.

A question is a value: two tabs that show the same ask the same, and are answered once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from farebox.core.errors import ConfigurationError
from farebox.core.ports import Ledger
from farebox.core.windows import zone_named
from farebox.dashboard import period
from farebox.dashboard.period import Period
from farebox.reports.scope import Scope

DEFAULT_RANGE: Final = "30d"
DEFAULT_BY: Final = "model"
MOST_ROWS: Final = 500
_LONGEST: Final = 512
_MOST: Final = 40

GROUPS: Final = (
    *("model", "provider", "tenant_id", "task_type", "workspace_id", "user_id", "operation", "service", "status"),
    *("session_id", "chain_id", "budget", "cost_status", "error_type", "kind"),
)
"""Dimensions that a view is told apart or filtered by; tags of the user's besides ("tag:team")."""

_TAG: Final = "tag:"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a view is about.

    Attributes:
        range: name of a range, or "custom".
        since: first moment of a custom range, as written.
        until: first moment behind it, as written.
        zone: time zone of its days, by IANA name.
        by: dimension that sums are told apart by.
        where: (dimension, value) that calls must have, None for calls that have none.
        limit: rows at most, where single things are listed.
        cursor: place in a list of calls.
        name: what one thing is asked of: a budget, a dimension.
        bucket: of a budget.
    """

    range: str
    since: str = ""
    until: str = ""
    zone: str = "UTC"
    by: str = DEFAULT_BY
    where: tuple[tuple[str, str | None], ...] = ()
    limit: int = 50
    cursor: str = ""
    name: str = ""
    bucket: str = ""

    @property
    def filters(self) -> dict[str, str | None]:
        """`where` as ledgers take it."""
        return dict(self.where)

    def scope(self, times: Period) -> Scope:
        """The calls that it is about, as reports take it."""
        return Scope(times.since, times.until, self.filters)

    def period(self, ledger: Ledger, now: int) -> Period:
        """The times that it is about now.

        Raises:
            ConfigurationError: it names no time; the message says what would do.
        """
        zone = zone_named(self.zone, what="zone")
        if self.range == "custom":
            since = period.moment_named(self.since, zone, what="since")
            until = period.moment_named(self.until, zone, what="until") if self.until else period.tomorrow(now, zone)
            return period.between(since, until, now)
        first = None
        if self.range == "all":
            months = ledger.series("month")
            first = months[0].start if months else None
        return period.named(self.range, now, zone, first=first)


_PLAIN: Final = ("range", "since", "until", "zone", "by", "cursor", "name", "bucket")
_WRITING: Final = ("format", "limit")


def question(given: Sequence[tuple[str, str]], *, zone: str) -> Question:
    """The question of an address's parameters.

    Args:
        given: parameters and values; a dimension with an empty value means calls without one.
        zone: time zone where they name none.

    Raises:
        ConfigurationError: a parameter is unknown, given twice, or cannot be used.
    """
    if len(given) > _MOST or any(len(name) + len(value) > _LONGEST for name, value in given):
        raise ConfigurationError(f"the address asks too much: give at most {_MOST} parameters of {_LONGEST} characters")
    parameters = dict(given)
    if len(parameters) != len(given):
        raise ConfigurationError("a parameter is given twice: give each once")
    plain = {name: parameters[name] for name in _PLAIN if parameters.get(name)}
    where = tuple(sorted((name, value or None) for name, value in given if name not in (*_PLAIN, *_WRITING)))
    for name, _ in where:
        _check(name)
    by = plain.setdefault("by", DEFAULT_BY)
    _check(by)
    zone_named(plain.setdefault("zone", zone), what="zone")
    custom = "since" in plain or "until" in plain
    plain.setdefault("range", "custom" if custom else DEFAULT_RANGE)
    return Question(**plain, where=where, limit=_limit(parameters))


def _limit(parameters: Mapping[str, str]) -> int:
    text = parameters.get("limit") or "50"
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_ROWS:
        raise ConfigurationError(f"limit={text!r} cannot be used: give a number from 1 to {MOST_ROWS}")
    return int(text)


def _check(name: str) -> None:
    tag = name.startswith(_TAG) and len(name) > len(_TAG) and '"' not in name
    if not tag and name not in GROUPS:
        raise ConfigurationError(f"{name!r} is no dimension: use one of {', '.join(GROUPS)}, or {_TAG}NAME")
