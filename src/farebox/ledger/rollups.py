"""What a batch of events changes in the sums by hour and day, and in the ids of each hour. Imports core and the schema."""

from __future__ import annotations

import sqlite3
from typing import Any, Final, TypeAlias

from farebox.core import semconv
from farebox.core.event import CallEvent
from farebox.ledger import schema

Sums: TypeAlias = dict[tuple[Any, ...], list[int]]

HOUR_NS: Final = 3_600_000_000_000
DAY_NS: Final = 24 * HOUR_NS


def _upsert(table: str, key: tuple[str, ...]) -> str:
    columns = (*key, *schema.MEASURES)
    moved = ", ".join(f"{name} = {name} + excluded.{name}" for name in schema.MEASURES)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "  # noqa: S608 - names of ours
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {moved}"
    )


def _prune(table: str, key: tuple[str, ...]) -> str:
    same = " AND ".join(f"{column} = ?" for column in key)
    return f"DELETE FROM {table} WHERE {same} AND calls = 0"  # noqa: S608 - names of ours


_STATEMENTS: Final = (
    (_upsert("spend_by_hour", schema.HOURS), _prune("spend_by_hour", schema.HOURS)),
    (_upsert("spend_by_day", schema.DAYS), _prune("spend_by_day", schema.DAYS)),
)

_WIDEN: Final = """
INSERT INTO ids_by_hour (hour, first_id, last_id) VALUES (?, ?, ?)
ON CONFLICT (hour) DO UPDATE SET first_id = min(first_id, excluded.first_id), last_id = max(last_id, excluded.last_id)
"""


class Difference:
    """What events add to the rollups, and changed events take away from them."""

    def __init__(self) -> None:
        self._hours: Sums = {}
        self._days: Sums = {}
        self._ids: dict[int, tuple[str, str]] = {}

    def add(self, event: CallEvent) -> None:
        """Count an event that is now in `calls`."""
        hour = event.started_at - event.started_at % HOUR_NS
        first, last = self._ids.get(hour, (event.id, event.id))
        if event.id <= first or event.id >= last:
            self._ids[hour] = min(first, event.id), max(last, event.id)
        self._count(event, hour, 1)

    def take(self, event: CallEvent) -> None:
        """Count an event no longer, because another version of it takes its place."""
        self._count(event, event.started_at - event.started_at % HOUR_NS, -1)

    def _count(self, event: CallEvent, hour: int, sign: int) -> None:
        cost_status = event.cost_status
        measures = (
            sign,
            sign if event.status == semconv.STATUS_ERROR else 0,
            sign if cost_status == semconv.COST_UNPRICED else 0,
            sign if cost_status == semconv.COST_ESTIMATED else 0,
            sign if cost_status == semconv.COST_PARTIAL else 0,
            sign * (event.input_tokens or 0),
            sign * (event.cache_read_tokens or 0),
            sign * (event.cache_write_tokens or 0),
            sign * (event.output_tokens or 0),
            sign * (event.cost_nano or 0),
        )
        model = event.request_model or event.response_model or ""
        by_hour = (hour, event.kind, event.provider, model, event.operation, event.status)
        by_day = (hour - hour % DAY_NS, event.tenant_id or "", event.task_type or "", event.status)
        for sums, key in ((self._hours, by_hour), (self._days, by_day)):
            found = sums.get(key)
            if found is None:
                sums[key] = list(measures)
            else:
                for at, value in enumerate(measures):
                    found[at] += value

    def apply(self, connection: sqlite3.Connection) -> None:
        """Move the rollups, inside the transaction that stores the events."""
        connection.executemany(_WIDEN, ((hour, first, last) for hour, (first, last) in self._ids.items()))
        for sums, (upsert, prune) in zip((self._hours, self._days), _STATEMENTS, strict=True):
            connection.executemany(upsert, ((*key, *measures) for key, measures in sums.items() if any(measures)))
            emptied = [key for key, measures in sums.items() if measures[0] < 0]
            connection.executemany(prune, emptied)
