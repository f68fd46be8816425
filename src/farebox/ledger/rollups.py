"""What a batch of events changes in the sums by hour and day, in the histograms, and in the ids of each stretch. Imports core and the schema.

Only the finest sums are added up event by event; the coarser ones are made of them.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from farebox.core import semconv
from farebox.core.event import CallEvent
from farebox.ledger import savings, schema
from farebox.ledger.histograms import Histograms
from farebox.ledger.schema import DAY_NS, HOUR_NS, STRETCH_NS, Family

Key: TypeAlias = tuple[Any, ...]
Measures: TypeAlias = Sequence[int]
Parts: TypeAlias = defaultdict[Key, list[Measures]]
"""What is to be added up, by the values of a family's dimensions: summed once a batch, which takes a third of adding each event."""
Sums: TypeAlias = dict[Key, Measures]


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
    for family in (*schema.FAMILIES, *schema.SAVING_FAMILIES)
    for grain, _ in family.grains
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
        self._spend: defaultdict[int, Parts] = defaultdict(_parts)
        self._tenant_tasks: defaultdict[int, Parts] = defaultdict(_parts)
        self._savings: defaultdict[int, tuple[Parts, ...]] = defaultdict(_three_parts)
        self._latency = Histograms()
        self._ids: defaultdict[int, list[str]] = defaultdict(list)

    def add(self, event: CallEvent) -> None:
        """Count an event that is now in `calls`."""
        self._ids[event.started_at - event.started_at % STRETCH_NS].append(event.id)
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
        model = event.request_model or event.response_model or ""
        self._spend[hour][event.kind, event.provider, model, event.operation, status].append(measures)
        # Written out: most calls have no saving, and each of them comes by here.
        if (
            event.cache_read_tokens
            or event.cache_write_tokens
            or event.baseline_model is not None
            or event.uncached_cost_nano is not None
            or event.kind == semconv.KIND_CACHE_HIT
        ):
            self._save(event, hour - hour % DAY_NS, model, sign)
        if event.kind == semconv.KIND_CACHE_HIT:  # nobody was called
            return
        self._tenant_tasks[hour][event.tenant_id or "", event.task_type or "", status].append(measures)
        self._latency.count(event, hour, model, sign)

    def _save(self, event: CallEvent, day: int, model: str, sign: int) -> None:
        by_model, by_tenant, by_task = self._savings[day]
        for method, baseline, measures in savings.of(event, sign):
            by_model[method, event.provider, model, baseline].append(measures)
            by_tenant[method, baseline, event.tenant_id or ""].append(measures)
            by_task[method, baseline, event.task_type or ""].append(measures)

    def apply(self, connection: sqlite3.Connection) -> None:
        """Move the rollups, inside the transaction that stores the events."""
        connection.executemany(_WIDEN, ((stretch, min(ids), max(ids)) for stretch, ids in self._ids.items()))
        spend = {hour: _summed(parts) for hour, parts in self._spend.items()}
        tenant_tasks = {hour: _summed(parts) for hour, parts in self._tenant_tasks.items()}
        days = _by_day(tenant_tasks)
        _store(connection, schema.SPEND_FAMILY, {"hour": spend, "day": _by_day(spend)})
        _store(connection, schema.TENANT_TASKS, {"hour": tenant_tasks, "day": days})
        for family, narrow in _COARSER:
            _store(connection, family, {"day": {day: _joined([sums], narrow) for day, sums in days.items()}})
        for at, family in enumerate(schema.SAVING_FAMILIES if self._savings else ()):
            _store(connection, family, {"day": {day: _summed(parts[at]) for day, parts in self._savings.items()}})
        self._latency.apply(connection)


def _parts() -> Parts:
    return defaultdict(list)


def _three_parts() -> tuple[Parts, ...]:
    return _parts(), _parts(), _parts()


def _summed(parts: Parts) -> Sums:
    return {
        key: found[0] if len(found) == 1 else tuple(map(sum, zip(*found, strict=True))) for key, found in parts.items()
    }


def _joined(several: Iterable[Sums], narrow: Callable[[Key], Key] | None = None) -> Sums:
    """One of several sums, by a part of their keys or the whole."""
    parts = _parts()
    for sums in several:
        for key, measures in sums.items():
            parts[key if narrow is None else narrow(key)].append(measures)
    return _summed(parts)


def _by_day(hours: Mapping[int, Sums]) -> dict[int, Sums]:
    several: dict[int, list[Sums]] = {}
    for hour, sums in hours.items():
        several.setdefault(hour - hour % DAY_NS, []).append(sums)
    return {day: found[0] if len(found) == 1 else _joined(found) for day, found in several.items()}


def _store(connection: sqlite3.Connection, family: Family, grains: Mapping[str, Mapping[int, Sums]]) -> None:
    """Move a family's tables, by the sums of each hour or day."""
    for grain, times in grains.items():
        upsert, prune = _STATEMENTS[family.name, grain]
        rows = [
            (time, *key, *measures) for time, sums in times.items() for key, measures in sums.items() if any(measures)
        ]
        connection.executemany(upsert, rows)
        emptied = [row[: -len(family.measures)] for row in rows if row[-len(family.measures)] < 0]
        if emptied:
            connection.executemany(prune, emptied)
