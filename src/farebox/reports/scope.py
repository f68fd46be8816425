"""What a question is about, times and conditions, and how it is said in a report. Imports core only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from farebox.core.answers import Moment, nanoseconds
from farebox.core.ports import Ledger

NOBODY: Final = "(none)"
"""How a report names calls that have no value in a dimension."""

DAY_NS: Final = 86_400 * 10**9

_NAMES: Final = {"parent_id": "part of", "request_model": "model asked for", "response_model": "model that answered"}


class Scope(NamedTuple):
    """The calls that a question is about.

    Attributes:
        since: first moment that counts, nanoseconds UTC; None: from the first call on.
        until: first moment that no longer counts; None: to the last call.
        where: dimension → value that calls must have, None for calls that have none.
    """

    since: int | None
    until: int | None
    where: Mapping[str, str | None]

    @property
    def filters(self) -> dict[str, Any]:
        """The arguments by which every question of a ledger takes it."""
        return self._asdict()

    def __str__(self) -> str:
        start = "" if self.since is None else f" from {moment(self.since)}"
        end = "" if self.until is None else f" to {moment(self.until)}"
        return start + end + "".join(f", {name} = {NOBODY if it is None else it}" for name, it in self.where.items())

    def unseen(self, ledger: Ledger, *dimensions: str, timed: bool = False) -> tuple[str, ...]:
        """What a question by these dimensions cannot see, because only sums are left of it, as notes."""
        reach = ledger.reach(*dimensions, *self.where, timed=timed)
        if (self.since or 0) >= reach:
            return ()
        end = reach if self.until is None else min(reach, self.until)
        gone = ledger.summary(self.since, end).calls
        if not gone:
            return ()
        return (
            f"{gone:,} calls before {moment(end)} are kept as sums only, which do not tell this apart: they are left out.",
        )


def scope(since: Moment | None, until: Moment | None, where: Mapping[str, str | None] | None) -> Scope:
    """The scope of a report's arguments.

    Raises:
        ConfigurationError: a `datetime` without a time zone.
    """
    return Scope(nanoseconds(since), nanoseconds(until), dict(where or {}))


def title(dimension: str) -> str:
    """A dimension as a heading says it."""
    plain = dimension.removeprefix("tag:").removesuffix("_id").removesuffix("_type")
    return _NAMES.get(dimension, plain).replace("_", " ")


def by_titles(dimensions: Sequence[str]) -> str:
    """The end of a title: by what its rows are told apart, or nothing."""
    return f" by {', '.join(map(title, dimensions))}" if dimensions else ""


def moment(nanoseconds_utc: int) -> str:
    """A moment as text: the date alone where it is midnight UTC."""
    found = datetime.fromtimestamp(nanoseconds_utc // 10**9, UTC)
    return f"{found:%Y-%m-%d}" if found.time() == datetime.min.time() else f"{found:%Y-%m-%d %H:%M}"


def iso(nanoseconds_utc: int) -> str:
    """A moment in ISO 8601, UTC, to the millisecond."""
    found = datetime.fromtimestamp(nanoseconds_utc // 10**9, UTC)
    return f"{found:%Y-%m-%dT%H:%M:%S}.{nanoseconds_utc // 10**6 % 1000:03d}Z"
