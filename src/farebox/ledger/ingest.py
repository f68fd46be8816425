"""Storing a batch of events and moving the rollups by the difference, inside one transaction. Imports core and the ledger's own parts.

What is told twice is one row: the surer telling stands (`CallEvent.certainty`), of equal ones the later. Of a batch that is told as a
whole and line by line the lines count, whichever came first and from whichever process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from farebox.core import semconv
from farebox.core.event import LINE_BY_LINE, CallEvent, emptied
from farebox.core.identity import is_stable
from farebox.ledger.rollups import Difference
from farebox.ledger.rows import COLUMNS, Row, event_of, row_of, within_bounds

_NAMES: Final = ", ".join(COLUMNS)
_VALUES: Final = ", ".join("?" * len(COLUMNS))
_INSERT: Final = f"INSERT INTO calls ({_NAMES}) VALUES ({_VALUES}) ON CONFLICT (id) DO NOTHING"  # noqa: S608 - names of ours
_REPLACE: Final = f"REPLACE INTO calls ({_NAMES}) VALUES ({_VALUES})"  # noqa: S608 - names of ours
_AT_ONCE: Final = 500
_OF_BEGINNING: Final = (
    "started_at",
    "duration_ns",
    "first_chunk_ns",
    "service",
    "tenant_id",
    "workspace_id",
    "user_id",
    "task_type",
    "chain_id",
    "session_id",
    "budget",
    "tags",
    "baseline_model",
    "route_reason",
    "trace_id",
    "span_id",
)
"""What a later telling does not change."""


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
    if any(event.batch and event.parent_id is not None for event in events):
        return False
    inserted = connection.executemany(_INSERT, map(row_of, events)).rowcount if events else 0
    if inserted != len(events):
        return False
    difference = Difference()
    for event in events:
        difference.add(event)
    difference.apply(connection)
    return True


def merge(connection: sqlite3.Connection, events: Sequence[CallEvent]) -> int:
    """Store events of which some may be there already, or are batches and their lines.

    Returns:
        How many were new or changed.
    """
    difference = Difference()
    changed = 0
    for start in range(0, len(events), _AT_ONCE):
        part = [within_bounds(event) for event in events[start : start + _AT_ONCE]]
        changed += _merge_part(connection, part, difference)
    groups = {event.parent_id for event in events if event.batch and event.parent_id is not None}
    for group in groups:
        _count_lines_only(connection, str(group), difference)
    difference.apply(connection)
    return changed


def _merge_part(connection: sqlite3.Connection, part: Sequence[CallEvent], difference: Difference) -> int:
    stored = _stored(connection, "id", [event.id for event in part])
    fresh: dict[str, Row] = {}
    for told in part:
        event, before = told, stored.get(told.id)
        if before is not None:
            known = event_of(before)
            if event.certainty < known.certainty:
                continue
            event = _begun_as(known, event)
            if before == row_of(event):
                continue
            difference.take(known)
        difference.add(event)
        stored[event.id] = fresh[event.id] = row_of(event)
    connection.executemany(_REPLACE, fresh.values())
    return len(fresh)


def _begun_as(known: CallEvent, event: CallEvent) -> CallEvent:
    """A thing told anew belongs to whoever began it, at the time that it was begun."""
    if not is_stable(event.id):
        return event
    said = {name: value for name in _OF_BEGINNING if (value := getattr(known, name)) is not None}
    return msgspec.structs.replace(event, **said)


def _count_lines_only(connection: sqlite3.Connection, group: str, difference: Difference) -> None:
    """Empty a batch whose lines are there."""
    members = [event_of(row) for row in _stored(connection, "parent_id", [group]).values()]
    if all(event.operation == semconv.BATCH for event in members):
        return
    for event in members:
        if event.operation == semconv.BATCH and LINE_BY_LINE not in event.usage_notes:
            difference.take(event)
            difference.add(emptied(event))
            connection.execute(_REPLACE, row_of(emptied(event)))


def _stored(connection: sqlite3.Connection, column: str, ids: Sequence[str]) -> dict[str, Row]:
    holes = ", ".join("?" * len(ids))
    found: Iterable[tuple[object, ...]] = connection.execute(
        f"SELECT {_NAMES} FROM calls WHERE {column} IN ({holes})",  # noqa: S608 - names of ours
        ids,
    )
    at = COLUMNS.index("id")
    return {str(row[at]): list(row) for row in found}
