"""What a batch of events changes in the sums by hour and day, in the histograms, and in the ids of each stretch. Imports core and the schema.

Only the finest sums are added up event by event; the coarser ones are made of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from operator import add
from typing import Any, Final, TypeAlias

from farebox.core import semconv
from farebox.core.event import CallEvent
from farebox.ledger import schema
from farebox.ledger.histograms import Histograms
from farebox.ledger.schema import DAY_NS, HOUR_NS, STRETCH_NS, Family

Key: TypeAlias = tuple[Any, ...]
Sums: TypeAlias = dict[Key, Sequence[int]]
"""Measures by the values of a family's dimensions."""


def _upsert(family: Family, grain: str) -> str:
    key = (grain, *family.dimensions)
    columns = (*key, *family.measures)
    moved = ", ".join(f"{name} = {name} + excluded.{name}" for name in family.measures)
    return (
        f"INSERT INTO {family.table(grain)} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "  # noqa: S608 - names of ours
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {moved}"
    )


def _prune(family: Family, grain: str) -> str:
    same = " AND ".join(f"{column} = ?" for column in (grain, *family.dimensions))
    return f"DELETE FROM {family.table(grain)} WHERE {same} AND calls = 0"  # noqa: S608 - names of ours


_STATEMENTS: Final = {
    (family.name, grain): (_upsert(family, grain), _prune(family, grain))
    for family in schema.FAMILIES
    for grain, _ in schema.GRAINS
}

_WIDEN: Final = """
INSERT INTO ids_by_stretch (stretch, first_id, last_id) VALUES (?, ?, ?)
ON CONFLICT (stretch) DO UPDATE SET first_id = min(first_id, excluded.first_id), last_id = max(last_id, excluded.last_id)
"""

_COARSER: Final[tuple[tuple[Family, Callable[[Key], Key]], ...]] = (
    (schema.TENANTS, lambda key: (key[0], key[2])),
    (schema.TASKS, lambda key: (key[1], key[2])),
)
"""Families that are sums over `schema.TENANT_TASKS`, and where their key is in its key."""


class Difference:
    """What events add to the rollups, and changed events take away from them."""

    def __init__(self) -> None:
        self._spend: dict[int, Sums] = {}
        self._tenant_tasks: dict[int, Sums] = {}
        self._latency = Histograms()
        self._ids: dict[int, tuple[str, str]] = {}

    def add(self, event: CallEvent) -> None:
        """Count an event that is now in `calls`."""
        stretch = event.started_at - event.started_at % STRETCH_NS
        first, last = self._ids.get(stretch, (event.id, event.id))
        if event.id <= first or event.id >= last:
            self._ids[stretch] = min(first, event.id), max(last, event.id)
        self._count(event, 1)

    def take(self, event: CallEvent) -> None:
        """Count an event no longer, because another version of it takes its place."""
        self._count(event, -1)

    def _count(self, event: CallEvent, sign: int) -> None:
        hour = event.started_at - event.started_at % HOUR_NS
        cost_status, status = event.cost_status, event.status
        measures = (
            sign,
            sign if status == semconv.STATUS_ERROR else 0,
            sign if cost_status == semconv.COST_UNPRICED else 0,
            sign if cost_status == semconv.COST_ESTIMATED else 0,
            sign if cost_status == semconv.COST_PARTIAL else 0,
            sign * (event.input_tokens or 0),
            sign * (event.cache_read_tokens or 0),
            sign * (event.cache_write_tokens or 0),
            sign * (event.output_tokens or 0),
            sign * (event.cost_nano or 0),
        )
        if hour not in self._spend:
            self._spend[hour], self._tenant_tasks[hour] = {}, {}
        model = event.request_model or event.response_model or ""
        _add(self._spend[hour], (event.kind, event.provider, model, event.operation, status), measures)
        _add(self._tenant_tasks[hour], (event.tenant_id or "", event.task_type or "", status), measures)
        self._latency.count(event, hour, model, sign)

    def apply(self, connection: sqlite3.Connection) -> None:
        """Move the rollups, inside the transaction that stores the events."""
        connection.executemany(_WIDEN, ((stretch, *ids) for stretch, ids in self._ids.items()))
        _store(connection, schema.SPEND_FAMILY, self._spend)
        _store(connection, schema.TENANT_TASKS, self._tenant_tasks)
        for family, narrow in _COARSER:
            _store(connection, family, {hour: _summed(sums, narrow) for hour, sums in self._tenant_tasks.items()})
        self._latency.apply(connection)


def _add(sums: Sums, key: Key, measures: Sequence[int]) -> None:
    found = sums.get(key)
    sums[key] = measures if found is None else tuple(map(add, found, measures))


def _summed(sums: Mapping[Key, Sequence[int]], narrow: Callable[[Key], Key]) -> Sums:
    found: Sums = {}
    for key, measures in sums.items():
        _add(found, narrow(key), measures)
    return found


def _store(connection: sqlite3.Connection, family: Family, hours: Mapping[int, Mapping[Key, Sequence[int]]]) -> None:
    """Move a family's two tables."""
    days: dict[int, Sums] = {}
    for hour, sums in hours.items():
        day = hour - hour % DAY_NS
        if day not in days:
            days[day] = dict(sums)
            continue
        for key, measures in sums.items():
            _add(days[day], key, measures)
    for (grain, _), times in zip(schema.GRAINS, (hours, days), strict=True):
        upsert, prune = _STATEMENTS[family.name, grain]
        rows = [
            (time, *key, *measures) for time, sums in times.items() for key, measures in sums.items() if any(measures)
        ]
        connection.executemany(upsert, rows)
        emptied = [row[: -len(family.measures)] for row in rows if row[-len(family.measures)] < 0]
        if emptied:
            connection.executemany(prune, emptied)
