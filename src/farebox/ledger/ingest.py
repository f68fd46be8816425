"""Storing a batch of events and moving the rollups by the difference, inside one transaction. Imports core and the ledger's own parts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from farebox.core import semconv
from farebox.core.event import CallEvent
from farebox.ledger.rollups import Difference
from farebox.ledger.rows import COLUMNS, Row, event_of, row_of, within_bounds

_NAMES: Final = ", ".join(COLUMNS)
_VALUES: Final = ", ".join("?" * len(COLUMNS))
_INSERT: Final = f"INSERT INTO calls ({_NAMES}) VALUES ({_VALUES}) ON CONFLICT (id) DO NOTHING"  # noqa: S608 - names of ours
_REPLACE: Final = f"REPLACE INTO calls ({_NAMES}) VALUES ({_VALUES})"  # noqa: S608 - names of ours
_AT_ONCE: Final = 500


def mark_of(connection: sqlite3.Connection, journal: str) -> tuple[int, int]:
    """How far a journal has been ingested; (0, 0) when it never was."""
    found = connection.execute("SELECT segment, offset FROM journals WHERE journal = ?", (journal,)).fetchone()
    return (0, 0) if found is None else (int(found[0]), int(found[1]))


def set_mark(connection: sqlite3.Connection, journal: str, segment: int, offset: int) -> None:
    """Note how far a journal has been ingested."""
    connection.execute("REPLACE INTO journals (journal, segment, offset) VALUES (?, ?, ?)", (journal, segment, offset))


def insert_new(connection: sqlite3.Connection, events: Sequence[CallEvent]) -> bool:
    """Store events of which none is there yet, the case that is nearly always so.

    Returns:
        False when one was there already: the transaction is then to be rolled back and the events to be stored by `merge`.
    """
    inserted = connection.executemany(_INSERT, map(row_of, events)).rowcount if events else 0
    if inserted != len(events):
        return False
    difference = Difference()
    for event in events:
        difference.add(event)
    difference.apply(connection)
    return True


def merge(connection: sqlite3.Connection, events: Sequence[CallEvent]) -> int:
    """Store events of which some may be there already; a `lost` one never replaces what is known better.

    Returns:
        How many were new or changed.
    """
    difference = Difference()
    changed = 0
    for start in range(0, len(events), _AT_ONCE):
        part = [within_bounds(event) for event in events[start : start + _AT_ONCE]]
        stored = _stored(connection, [event.id for event in part])
        fresh: dict[str, Row] = {}
        for event in part:
            row, before = row_of(event), stored.get(event.id)
            if before is not None:
                known = event_of(before)
                if before == row or (event.status == semconv.STATUS_LOST and known.status != semconv.STATUS_LOST):
                    continue
                difference.take(known)
            difference.add(event)
            stored[event.id] = fresh[event.id] = row
            changed += 1
        connection.executemany(_REPLACE, fresh.values())
    difference.apply(connection)
    return changed


def _stored(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Row]:
    holes = ", ".join("?" * len(ids))
    found: Iterable[tuple[object, ...]] = connection.execute(
        f"SELECT {_NAMES} FROM calls WHERE id IN ({holes})",  # noqa: S608 - names of ours
        ids,
    )
    at = COLUMNS.index("id")
    return {str(row[at]): list(row) for row in found}
