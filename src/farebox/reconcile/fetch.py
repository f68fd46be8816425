"""Brings the days of a statement in, and goes on where an earlier run stopped. Imports core and its neighbours here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from farebox.reconcile import days
from farebox.reconcile.pages import Clock, StatementError
from farebox.reconcile.readers import Reader
from farebox.reconcile.statement import MONEY, USAGE, Coverage, Lines, Statement
from farebox.reconcile.store import Fetched, StatementStore

_AT_ONCE: Final = 16
"""Days that are kept in one transaction."""
_EMPTY: Final = Lines()
_FILE: Final = "export"


class Horizon(msgspec.Struct, frozen=True):
    """When a day is final.

    Attributes:
        grace: seconds after its end in which its bill may still grow.
        clock: the time, of the provider where it is known.
    """

    grace: float
    clock: Clock

    def is_open(self, day: str) -> bool:
        """Whether data of a day may still come."""
        return self.clock.providers < days.start_of(days.after(day)) + self.grace


def fetch(
    provider: str,
    reader: Reader,
    wanted: Sequence[str],
    *,
    store: StatementStore,
    horizon: Horizon,
    again: bool = False,
) -> Statement:
    """The statement of some days: what is final comes from the store, the rest from the provider. Failures are gaps in it.

    Args:
        provider: whose.
        reader: how it is read.
        wanted: ISO days.
        store: what was fetched before, and where each day is kept as soon as it is there.
        horizon: when a day is final.
        again: fetch final days too.
    """
    statement = Statement(provider=provider, source=reader.title, dimensions=reader.dimensions())
    known = store.fetched(provider, min(wanted), max(wanted))
    for part in reader.parts():
        done = set() if again else {day for day in wanted if (part, day) in known and known[part, day].final}
        missing = [day for day in wanted if day not in done]
        try:
            for first, last in days.runs(missing):
                for batch in _batches(reader.read(part, first, last), first, last, horizon, whole=part == _FILE):
                    store.keep(provider, part, batch)
        except StatementError as error:
            statement.gaps.append(f"{provider}: {error}")
    _assemble(statement, reader.parts(), wanted, store.fetched(provider, min(wanted), max(wanted)))
    if horizon.clock.off:
        statement.remarks.append(
            f"{provider}: its clock is {horizon.clock.off:+.0f} seconds off ours: calls near midnight may lie in another day"
        )
    return statement


def _batches(
    found: Iterator[tuple[str, Lines]], first: str, last: str, horizon: Horizon, *, whole: bool
) -> Iterator[dict[str, Fetched]]:
    """Days to keep. Those of an interface are whole when they come; those of a file when the file is read."""
    waiting: dict[str, Fetched] = {}
    for day, lines in found:
        if not day and lines.problems:  # a row that names no day may be of any
            for other in days.span(first, last):
                _add(waiting, other, lines, horizon)
        if not first <= day <= last:
            continue
        if whole:
            _add(waiting, day, lines, horizon)
            continue
        waiting[day] = _fetched(day, lines, horizon)
        if len(waiting) >= _AT_ONCE:
            yield waiting
            waiting = {}
    yield waiting


def _add(waiting: dict[str, Fetched], day: str, lines: Lines, horizon: Horizon) -> None:
    before = waiting[day].lines if day in waiting else _EMPTY
    both = Lines(before.usage + lines.usage, before.money + lines.money, before.problems + lines.problems)
    waiting[day] = _fetched(day, both, horizon)


def _fetched(day: str, lines: Lines, horizon: Horizon) -> Fetched:
    now = int(horizon.clock.now() * days.NANO)
    return Fetched(lines, now, final=not horizon.is_open(day) and not lines.problems)


def _assemble(
    statement: Statement, parts: Mapping[str, str], wanted: Sequence[str], found: Mapping[tuple[str, str], Fetched]
) -> None:
    """Put the days together out of their parts."""
    problems: dict[str, None] = {}
    for day in wanted:
        lacking: set[str] = set()
        fetched_at = 0
        for part, what in parts.items():
            has = {USAGE, MONEY} if what not in (USAGE, MONEY) else {what}
            one = found.get((part, day))
            if one is None:
                lacking |= has
                continue
            statement.usage += one.lines.usage
            statement.money += one.lines.money
            fetched_at = max(fetched_at, one.fetched_at)
            if one.lines.problems:
                lacking |= has
                problems.update(dict.fromkeys(one.lines.problems))
        for what in (USAGE, MONEY):
            if not any(kind not in (USAGE, MONEY) or kind == what for kind in parts.values()):
                lacking.add(what)
        statement.days[day] = Coverage(USAGE not in lacking, MONEY not in lacking, fetched_at)
    statement.gaps += [f"{statement.provider}: not understood: {problem}" for problem in list(problems)[:20]]
