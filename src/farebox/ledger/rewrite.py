"""Changing calls that are stored, and the rollups by the difference, in one transaction. Imports core and the ledger's own parts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from farebox.core.event import CallEvent
from farebox.ledger.rollups import Difference
from farebox.ledger.rows import COLUMNS, event_of, row_of
from farebox.ledger.schema import STRETCH_NS

_NAMES: Final = ", ".join(COLUMNS)
_VALUES: Final = ", ".join("?" * len(COLUMNS))
_REPLACE: Final = f"REPLACE INTO calls ({_NAMES}) VALUES ({_VALUES})"  # noqa: S608 - names of ours
_PAGE: Final = f"""
SELECT {_NAMES} FROM calls
WHERE id > :after
    AND (:since IS NULL OR started_at >= :since)
    AND (:model IS NULL OR :model IN (request_model, response_model))
ORDER BY id LIMIT 1000
"""  # noqa: S608 - as above
_FIRST: Final = "SELECT min(first_id) FROM ids_by_stretch WHERE stretch > ?"


def rewrite(
    connection: sqlite3.Connection,
    change: Callable[[CallEvent], CallEvent | None],
    *,
    since: int | None,
    model: str | None,
    dry_run: bool,
) -> int:
    """Ask of each call what it should be, and store what differs; see `ports.Ledger.rewrite`."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        changed = _pages(connection, change, since, model)
        connection.execute("ROLLBACK" if dry_run else "COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return changed


def _pages(
    connection: sqlite3.Connection,
    change: Callable[[CallEvent], CallEvent | None],
    since: int | None,
    model: str | None,
) -> int:
    difference = Difference()
    changed, after = 0, _before(connection, since)
    while True:
        rows = connection.execute(_PAGE, {"after": after, "since": since, "model": model}).fetchall()
        if not rows:
            difference.apply(connection)
            return changed
        fresh = []
        for event in map(event_of, rows):
            after = event.id
            new = change(event)
            if new is None or new == event:
                continue
            if (new.id, new.started_at) != (event.id, event.started_at):
                raise ValueError(f"call {event.id} cannot become {new.id}: a call keeps its id and time")
            difference.take(event)
            difference.add(new)
            fresh.append(row_of(new))
        connection.executemany(_REPLACE, fresh)
        changed += len(fresh)


def _before(connection: sqlite3.Connection, since: int | None) -> str:
    """An id before that of the first call since then: ids are ordered by time, nearly; `ids_by_stretch` knows how nearly."""
    if since is None:
        return ""
    (first,) = connection.execute(_FIRST, (since - STRETCH_NS,)).fetchone()
    # A text just before the first id, so that `id >` does not leave it out; no id is greater than "~".
    return "~" if first is None else str(first)[:-1]
