"""What a person does with a whole ledger: compact it, copy it, bring another one in. Imports core and the ledger's own parts."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from farebox.core.errors import LedgerError
from farebox.ledger import facts, histograms, ingest, migrations, schema
from farebox.ledger.rows import COLUMNS, event_of
from farebox.ledger.schema import Family

_AT_ONCE: Final = 5000
"""Calls of the other ledger in memory at once."""


class Merged(msgspec.Struct, frozen=True):
    """What a merge did.

    Attributes:
        read: calls that the other ledger has.
        changed: calls that were new here, or better known there.
        summed: calls of which the other ledger has only sums, added now.
    """

    read: int
    changed: int
    summed: int


def version_of(path: Path) -> int:
    """The schema of a ledger file, which is not changed.

    Raises:
        LedgerError: it is not there, or another program's.
    """
    if not path.is_file():
        raise LedgerError(f"{path} is not there: check the path")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as looked:
            return migrations.version(looked)
    except LedgerError as error:
        raise LedgerError(f"{path} {error}") from error
    except sqlite3.Error as error:
        raise LedgerError(f"{path} cannot be read ({error}): name another file") from error


def compact(connection: sqlite3.Connection, path: Path) -> tuple[int, int]:
    """Write the file anew without gaps; returns its bytes before and after."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    before = path.stat().st_size
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return before, path.stat().st_size


def backup(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the ledger as it is at one moment.

    Raises:
        LedgerError: something stands at `target`, or it cannot be made; nothing is left of a copy that failed.
    """
    try:
        # Made here, so that nobody else's file is overwritten and only its owner may read it.
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise LedgerError(f"is not copied, because {target} is there already: name another file") from None
    except OSError as error:
        raise LedgerError(f"cannot be copied to {target} ({error.strerror}): name another file") from error
    try:
        with contextlib.closing(sqlite3.connect(target)) as copy:
            connection.backup(copy)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def merge(connection: sqlite3.Connection, other: Path) -> Merged:
    """Bring another ledger in, all of it or nothing.

    Calls are known by their ids, so those are counted once however often it is done. Sums without calls (retention removed them
    there) have no ids: they are added the first time, and a ledger that has removed more since then is refused.
    """
    with _attached(connection, other), _transaction(connection):
        source = _ledger_id(connection)
        retained_there = _fact(connection, "retained_since")
        known = _known(connection, source, retained_there, other)
        summed = 0 if known or not retained_there else _add_sums(connection, retained_there)
        # What retention removed here must not come back from a copy that still has it.
        since = facts.retained_since(connection) if known else -(2**63)
        read, changed = _add_calls(connection, since)
        connection.execute(
            "REPLACE INTO merges (ledger, retained_since, merged_at) VALUES (?, ?, ?)",
            (source, retained_there, time.time_ns()),
        )
        return Merged(read=read, changed=changed, summed=summed)


def _known(connection: sqlite3.Connection, source: str, retained_there: int, other: Path) -> bool:
    """Whether the other ledger, or a copy of it, is in this one already; a copy of this ledger is.

    Raises:
        LedgerError: it has removed calls since then, whose sums can no longer be told from what is here.
    """
    if source == facts.ledger_id(connection):
        before: int | None = facts.retained_since(connection)
        if retained_there <= (before or 0):
            return True
    else:
        found = connection.execute("SELECT retained_since FROM merges WHERE ledger = ?", (source,)).fetchone()
        before = None if found is None else int(found[0])
    if before is not None and before != retained_there:
        raise LedgerError(
            f"already has calls of {other}, which has removed old calls since: merge a backup of it from before that"
        )
    return before is not None


def _add_calls(connection: sqlite3.Connection, since: int) -> tuple[int, int]:
    read, changed, last = 0, 0, ""
    while True:
        rows = connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM other.calls WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608 - names of ours
            (last, _AT_ONCE),
        ).fetchall()
        if not rows:
            return read, changed
        events = list(map(event_of, rows))
        last = events[-1].id
        read += len(events)
        changed += ingest.merge(connection, [event for event in events if event.started_at >= since])


def _add_sums(connection: sqlite3.Connection, before: int) -> int:
    """Add the sums of times of which the other ledger has no calls; returns how many calls they are.

    Calls that came there later than their removal are in both; their own merge would count them again, so they are taken off first.
    """
    (stragglers,) = connection.execute("SELECT count(*) FROM other.calls WHERE started_at < ?", (before,)).fetchone()
    if stragglers:
        raise LedgerError(
            f"cannot take in a ledger that is about to remove {stragglers} old calls: let a program use that one for a moment first"
        )
    for grain, _ in schema.GRAINS:
        for family in schema.FAMILIES:
            if grain in dict(family.grains):
                connection.execute(_adding(family, grain), (before,))
        for family in schema.SAVING_FAMILIES if grain == "day" else ():
            connection.execute(_adding(family, grain), (before,))
        columns = ", ".join((grain, *schema.LATENCY.dimensions, "histogram"))
        table = schema.LATENCY.table(grain)
        rows = connection.execute(f"SELECT {columns} FROM other.{table} WHERE {grain} < ?", (before,))  # noqa: S608 - names of ours
        histograms.add_all(connection, grain, rows.fetchall())
    (summed,) = connection.execute(
        "SELECT coalesce(sum(calls), 0) FROM other.spend_by_day WHERE day < ?", (before,)
    ).fetchone()
    if before > facts.retained_since(connection):
        facts.retain_since(connection, before)
    return int(summed)


def _adding(family: Family, grain: str) -> str:
    key = (grain, *family.dimensions)
    columns = ", ".join((*key, *family.measures))
    moved = ", ".join(f"{name} = {name} + excluded.{name}" for name in family.measures)
    return (
        f"INSERT INTO main.{family.table(grain)} ({columns}) SELECT {columns} FROM other.{family.table(grain)} WHERE {grain} < ? "  # noqa: S608 - names of ours
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {moved}"
    )


def _ledger_id(connection: sqlite3.Connection) -> str:
    return str(connection.execute("SELECT value FROM other.facts WHERE name = 'ledger'").fetchone()[0])


def _fact(connection: sqlite3.Connection, name: str) -> int:
    found = connection.execute("SELECT value FROM other.facts WHERE name = ?", (name,)).fetchone()
    return 0 if found is None else int(found[0])


@contextlib.contextmanager
def _attached(connection: sqlite3.Connection, other: Path) -> Iterator[None]:
    found = version_of(other)
    if found != len(migrations.MIGRATIONS):
        raise LedgerError(
            f"cannot take in {other}, whose schema is {found} and not {len(migrations.MIGRATIONS)}: bring both up to date "
            "with 'farebox ledger migrate'"
        )
    connection.execute("ATTACH DATABASE ? AS other", (f"{other.absolute().as_uri()}?mode=ro",))
    try:
        yield
    finally:
        connection.execute("DETACH DATABASE other")


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
