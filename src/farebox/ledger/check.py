"""What must hold in a ledger: SQLite's own integrity, and rollups that are the sums of calls. Imports the ledger's own parts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from farebox.ledger import savings, schema
from farebox.ledger.facts import retained_since
from farebox.ledger.histograms import Histogram, decode
from farebox.ledger.latency import SPANS
from farebox.ledger.queries import MODEL
from farebox.ledger.schema import STRETCH_NS, Family


def problems(connection: sqlite3.Connection) -> Iterator[str]:
    """What is wrong with the ledger. Rollups of times whose calls retention removed cannot be compared and are trusted."""
    yield from (str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok")
    since = retained_since(connection)
    for grain, step in schema.GRAINS:
        for family in schema.FAMILIES:
            if (grain, step) not in family.grains:
                continue
            for row in connection.execute(_differences(family, grain, _sums(family, step)), {"since": since}):
                yield f"{family.table(grain)} is not the sum of calls at {row}"
        counted, kept = _counted(connection, step, since), _kept(connection, grain, since)
        for key in sorted(counted.keys() | kept.keys()):
            if counted.get(key) != kept.get(key):
                yield f"{schema.LATENCY.table(grain)} is not the histogram of calls at {key}"
    for family in schema.SAVING_FAMILIES:
        for row in connection.execute(_differences(family, "day", _saved(family)), {"since": since}):
            yield f"{family.table('day')} is not the sum of savings at {row}"
    for (call,) in connection.execute(_OUTSIDE):
        yield f"call {call} is not among the ids of its five minutes"


_OUTSIDE = (
    f"SELECT id FROM calls LEFT JOIN ids_by_stretch ON stretch = started_at - started_at % {STRETCH_NS}"  # noqa: S608 - names of ours
    " WHERE stretch IS NULL OR id NOT BETWEEN first_id AND last_id"
)


def _differences(family: Family, grain: str, raw: str) -> str:
    """SQL for rows of a rollup that differ from the sums over `calls`, since a moment."""
    kept = f"SELECT {', '.join((grain, *family.dimensions, *family.measures))} FROM {family.table(grain)} WHERE {grain} >= :since"  # noqa: S608 - names of ours
    return f"SELECT * FROM ({raw} EXCEPT {kept}) UNION ALL SELECT * FROM ({kept} EXCEPT {raw})"  # noqa: S608 - names of ours


def _sums(family: Family, step: int) -> str:
    sources = [f"started_at - started_at % {step}", *_sources(family.dimensions)]
    sums = [f"sum({measure})" for measure in schema.MEASURE_OF_CALL]
    paid = "1" if "kind" in family.dimensions else schema.PAID
    return f"SELECT {', '.join(sources + sums)} FROM calls WHERE started_at >= :since AND {paid} GROUP BY {', '.join(sources)}"  # noqa: S608 - names of ours


def _saved(family: Family) -> str:
    return f"{savings.sums(family)} AND started_at >= :since GROUP BY {savings.keys(family)}"


def _kept(connection: sqlite3.Connection, grain: str, since: int) -> dict[tuple[object, ...], Histogram]:
    family = schema.LATENCY
    columns = ", ".join((grain, *family.dimensions, "histogram"))
    rows = connection.execute(f"SELECT {columns} FROM {family.table(grain)} WHERE {grain} >= ?", (since,))  # noqa: S608 - names of ours
    return {row[:-1]: decode(row[-1]) for row in rows}


def _counted(connection: sqlite3.Connection, step: int, since: int) -> dict[tuple[object, ...], Histogram]:
    found: dict[tuple[object, ...], Histogram] = {}
    for span in SPANS:
        columns = [
            f"started_at - started_at % {step}",
            *_sources(schema.LATENCY.dimensions[:-1]),
            f"latency_bucket({span}_ns)",
        ]
        groups = ", ".join(map(str, range(1, len(columns) + 1)))
        for *key, bucket, count in connection.execute(
            f"SELECT {', '.join(columns)}, count(*) FROM calls WHERE {span}_ns IS NOT NULL AND {schema.PAID} AND started_at >= ? GROUP BY {groups}",  # noqa: S608 - names of ours
            (since,),
        ):
            found.setdefault((*key, span), {})[bucket] = count
    return found


def _sources(dimensions: tuple[str, ...]) -> list[str]:
    return [f"coalesce({MODEL if name == 'model' else name}, '')" for name in dimensions]
