"""Removing single calls that are older than they are kept, a bounded step at a time. Imports the ledger's own parts.

The moment moves first and the rows go afterwards, so that whoever reads in between never takes a stretch that is half gone for whole.
Rollups stay.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from farebox.ledger import facts
from farebox.ledger.schema import DAY_NS, STRETCH_NS

_ROWS: Final = 2000
"""Calls that one step removes at most: 40 ms on the machine of `tests/benchmarks/bench_ledger.py`."""
_PAGES: Final = 500
"""Pages that one step gives back to the file system at most."""


def step(connection: sqlite3.Connection, before: int) -> bool:
    """One transaction's worth of retention.

    Args:
        connection: the ledger, outside a transaction.
        before: calls that started before this moment, in nanoseconds UTC, rounded down to a whole day, are to go.

    Returns:
        Whether there is more to do.
    """
    before -= before % DAY_NS
    connection.execute("BEGIN IMMEDIATE")
    try:
        if before > facts.retained_since(connection):
            facts.retain_since(connection, before)
        removed = _remove(connection, facts.retained_since(connection))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return removed > 0 or _shrink(connection)


def _remove(connection: sqlite3.Connection, before: int) -> int:
    """Remove the oldest calls; returns how many rows went, those of `ids_by_stretch` included."""
    removed = 0
    oldest = connection.execute(
        "SELECT stretch, first_id, last_id FROM ids_by_stretch WHERE stretch < ? ORDER BY stretch LIMIT ?",
        (before, _ROWS),
    ).fetchall()
    for stretch, first_id, last_id in oldest:
        gone = connection.execute(
            "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE id BETWEEN ? AND ? AND started_at >= ? AND started_at < ? LIMIT ?)",
            (first_id, last_id, stretch, stretch + STRETCH_NS, _ROWS - removed),
        ).rowcount
        removed += gone
        if removed >= _ROWS:
            break
        connection.execute("DELETE FROM ids_by_stretch WHERE stretch = ?", (stretch,))
        removed += 1
    return removed


def _shrink(connection: sqlite3.Connection) -> bool:
    """Give pages that nothing uses back to the file system; whether there are more."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if free:
        connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
    return bool(free > _PAGES)
