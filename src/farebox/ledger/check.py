"""What must hold in a ledger: SQLite's own integrity, and rollups that are the sums of calls. Imports the ledger's own parts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from farebox.ledger import schema
from farebox.ledger.facts import retained_since
from farebox.ledger.latency import SPANS
from farebox.ledger.queries import MODEL
from farebox.ledger.schema import STRETCH_NS, Family


def problems(connection: sqlite3.Connection) -> Iterator[str]:
    """What is wrong with the ledger. Rollups of times whose calls retention removed cannot be compared and are trusted."""
    yield from (str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok")
    since = retained_since(connection)
    for grain, step in schema.GRAINS:
        for family in (*schema.FAMILIES, schema.LATENCY):
            for row in connection.execute(_differences(family, grain, step), {"since": since}):
                yield f"{family.table(grain)} is not the sum of calls at {row}"
    for (call,) in connection.execute(_OUTSIDE):
        yield f"call {call} is not among the ids of its five minutes"


_OUTSIDE = (
    f"SELECT id FROM calls LEFT JOIN ids_by_stretch ON stretch = started_at - started_at % {STRETCH_NS}"  # noqa: S608 - names of ours
    " WHERE stretch IS NULL OR id NOT BETWEEN first_id AND last_id"
)


def _differences(family: Family, grain: str, step: int) -> str:
    """SQL for rows of a rollup that differ from the sums over `calls`, since a moment."""
    kept = f"SELECT {', '.join((grain, *family.dimensions, *family.measures))} FROM {family.table(grain)} WHERE {grain} >= :since"  # noqa: S608 - names of ours
    raw = _histogram(family, step) if family is schema.LATENCY else _sums(family, step)
    return f"SELECT * FROM ({raw} EXCEPT {kept}) UNION ALL SELECT * FROM ({kept} EXCEPT {raw})"  # noqa: S608 - names of ours


def _sums(family: Family, step: int) -> str:
    sources = [f"started_at - started_at % {step}", *_sources(family.dimensions)]
    sums = [f"sum({measure})" for measure in schema.MEASURE_OF_CALL]
    return f"SELECT {', '.join(sources + sums)} FROM calls WHERE started_at >= :since GROUP BY {', '.join(sources)}"  # noqa: S608 - names of ours


def _histogram(family: Family, step: int) -> str:
    known = family.dimensions[:-2]
    spans = []
    for span in SPANS:
        columns = [
            f"started_at - started_at % {step} AS time",
            *_sources(known),
            f"'{span}'",
            f"latency_bucket({span}_ns) AS bucket",
        ]
        spans.append(f"SELECT {', '.join(columns)} FROM calls WHERE {span}_ns IS NOT NULL AND started_at >= :since")  # noqa: S608 - names of ours
    keys = ", ".join(map(str, range(1, len(family.dimensions) + 2)))
    return f"SELECT *, count(*) FROM ({' UNION ALL '.join(spans)}) GROUP BY {keys}"  # noqa: S608 - names of ours


def _sources(dimensions: tuple[str, ...]) -> list[str]:
    return [f"coalesce({MODEL if name == 'model' else name}, '')" for name in dimensions]
