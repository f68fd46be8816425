"""The histograms of durations, by hour and day, as `latency_by_*` keep them. Imports core and the ledger's own parts."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

import msgspec

from farebox.core.event import CallEvent
from farebox.ledger.latency import SPANS, bucket_of
from farebox.ledger.schema import GRAINS, LATENCY

Key: TypeAlias = tuple[Any, ...]
Histogram: TypeAlias = dict[int, int]
"""How many durations by bucket."""
Times: TypeAlias = defaultdict[Key, list[int]]

decode: Final = msgspec.json.Decoder(Histogram).decode
_encode: Final = msgspec.json.Encoder().encode
_DIMENSIONS: Final = ", ".join(LATENCY.dimensions)
_HOLES: Final = ", ".join("?" * len(LATENCY.dimensions))
_SAME: Final = " AND ".join(f"{name} = ?" for name in LATENCY.dimensions)


class Histograms:
    """What events add to the histograms, and changed events take away from them."""

    def __init__(self) -> None:
        self._added, self._taken = _timed(), _timed()

    def count(self, event: CallEvent, hour: int, model: str, sign: int) -> None:
        """Count an event once more, or once less."""
        durations, first_chunks = self._added if sign > 0 else self._taken
        key = (hour, event.provider, model, event.operation, event.status)
        if event.duration_ns is not None:
            durations[key].append(event.duration_ns)
        if event.first_chunk_ns is not None:
            first_chunks[key].append(event.first_chunk_ns)

    def apply(self, connection: sqlite3.Connection) -> None:
        """Move the tables, inside the transaction that stores the events."""
        hours = [*_bucketed(self._added, 1), *_bucketed(self._taken, -1)]
        for grain, step in GRAINS:
            times: dict[int, dict[Key, list[Histogram]]] = {}
            for (hour, *key), histogram in hours:
                times.setdefault(hour - hour % step, {}).setdefault(tuple(key), []).append(histogram)
            for time, changes in times.items():
                _store(connection, grain, time, changes)


def _timed() -> list[Times]:
    return [defaultdict(list) for _ in SPANS]


def _bucketed(timed: list[Times], sign: int) -> Iterator[tuple[Key, Histogram]]:
    for span, times in zip(SPANS, timed, strict=True):
        for key, durations in times.items():
            yield (*key, span), {bucket: sign * count for bucket, count in Counter(map(bucket_of, durations)).items()}


def add_all(connection: sqlite3.Connection, grain: str, rows: Iterable[Key]) -> None:
    """Add rows of another ledger's table."""
    for time, *key, text in rows:
        _store(connection, grain, time, {tuple(key): [decode(text)]})


def summed(histograms: Iterable[Histogram]) -> Histogram:
    """One histogram of several; empty buckets are left out."""
    found: Histogram = {}
    for histogram in histograms:
        for bucket, count in histogram.items():
            found[bucket] = found.get(bucket, 0) + count
    return {bucket: count for bucket, count in found.items() if count}


def encode(histogram: Histogram) -> str:
    """A histogram as it is kept."""
    return _encode(histogram).decode()


def _store(connection: sqlite3.Connection, grain: str, time: int, changes: dict[Key, list[Histogram]]) -> None:
    table = LATENCY.table(grain)
    rows = connection.execute(f"SELECT {_DIMENSIONS}, histogram FROM {table} WHERE {grain} = ?", (time,))  # noqa: S608 - names of ours
    kept = {row[:-1]: row[-1] for row in rows}
    new = {key: summed([*([decode(kept[key])] if key in kept else []), *parts]) for key, parts in changes.items()}
    filled = [(time, *key, encode(histogram)) for key, histogram in new.items() if histogram]
    connection.executemany(
        f"REPLACE INTO {table} ({grain}, {_DIMENSIONS}, histogram) VALUES (?, {_HOLES}, ?)",  # noqa: S608 - names of ours
        filled,
    )
    emptied = [(time, *key) for key, histogram in new.items() if not histogram]
    connection.executemany(f"DELETE FROM {table} WHERE {grain} = ? AND {_SAME}", emptied)  # noqa: S608 - names of ours
