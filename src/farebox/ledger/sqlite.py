"""The ledger in a SQLite file. Imports core and the ledger's own parts."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from farebox.core.event import CallEvent
from farebox.ledger import check, facts, ingest, retention, rewrite, upkeep
from farebox.ledger.file import LedgerFile
from farebox.ledger.locate import Location, ledger_path
from farebox.ledger.queries import Query
from farebox.ledger.questions import Questions


class SQLiteLedger(Questions):
    """The `Ledger` port on one file, in WAL mode. Any thread may use it; a lock lets them in one at a time.

    Args:
        location: the file; made, with its directory, unless `read_only`.
        read_only: never write, and fail where there is no ledger.
        busy_timeout: seconds to wait for another process's transaction.

    Raises:
        LedgerError: the file cannot be a ledger; the message names it and the remedy.
    """

    def __init__(
        self, location: Location | str | os.PathLike[str], *, read_only: bool = False, busy_timeout: float = 2.0
    ) -> None:
        self.location = ledger_path(location)
        self._file = LedgerFile(self.location, read_only=read_only, busy_timeout=busy_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- writing

    def ingest(self, events: Sequence[CallEvent], *, journal: str, segment: int, offset: int) -> int:
        """See `ports.Ledger`. Waits for other processes' transactions up to the busy timeout.

        In the call that finds the file replaced, the events are stored and the mark is not, so that the journal is read from its
        start again: what the old file took with it comes back, as far as the journal still has it.

        Raises:
            LedgerError: nothing was stored.
        """
        with self._file.use() as (connection, replaced):
            return self._transaction(connection, events, None if replaced else (journal, segment, offset))

    def _transaction(
        self, connection: sqlite3.Connection, events: Sequence[CallEvent], mark: tuple[str, int, int] | None
    ) -> int:
        for plain in (True, False):
            connection.execute("BEGIN IMMEDIATE")
            try:
                if mark is not None and ingest.mark_of(connection, mark[0]) >= mark[1:]:
                    return 0
                if plain:
                    if not self._insert_new(connection, events):
                        continue
                    count = len(events)
                else:
                    count = ingest.merge(connection, events)
                if mark is not None:
                    ingest.set_mark(connection, *mark)
                connection.execute("COMMIT")
                return count
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        raise AssertionError("merging always ends")

    @staticmethod
    def _insert_new(connection: sqlite3.Connection, events: Sequence[CallEvent]) -> bool:
        try:
            return ingest.insert_new(connection, events)
        except OverflowError:  # a count that no database holds: merging looks at each
            return False

    def rewrite(
        self,
        change: Callable[[CallEvent], CallEvent | None],
        *,
        since: int | None = None,
        model: str | None = None,
        dry_run: bool = False,
    ) -> int:
        """See `ports.Ledger`."""
        with self._file.use() as (connection, _):
            return rewrite.rewrite(connection, change, since=since, model=model, dry_run=dry_run)

    def forget(self, journal: str) -> None:
        """Drop the mark of a journal whose files are gone."""
        with self._file.use() as (connection, _):
            connection.execute("DELETE FROM journals WHERE journal = ?", (journal,))

    def checkpoint(self) -> bool:
        """Make everything ingested so far survive the death of the system; False when a reader is in the way."""
        with self._file.use() as (connection, replaced):
            busy, written, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            return bool(busy == 0 and written == moved and not replaced)

    def retain(self, before: int) -> bool:
        """See `ports.Ledger`."""
        with self._file.use() as (connection, _):
            return retention.step(connection, before)

    # --- reading

    def mark(self, journal: str) -> tuple[int, int]:
        """See `ports.Ledger`."""
        with self._file.use() as (connection, _):
            return ingest.mark_of(connection, journal)

    def check(self) -> list[str]:
        """What is wrong with the ledger: SQLite's own integrity check, and rollups that differ from the sums over `calls`."""
        with self._file.use() as (connection, _), _reading(connection):
            return list(check.problems(connection))

    def _ask(self, build: Callable[[int], Query]) -> list[tuple[Any, ...]]:
        with self._file.use() as (connection, _), _reading(connection):
            query = build(facts.retained_since(connection))
            return connection.execute(query.sql, query.parameters).fetchall()

    # --- upkeep

    def compact(self) -> tuple[int, int]:
        """Write the file anew without gaps; nobody can write meanwhile, and the disk must have room for a second copy.

        Returns:
            Bytes before and after.
        """
        with self._file.use() as (connection, _):
            return upkeep.compact(connection, self.location.path)

    def backup(self, target: Path) -> None:
        """Copy the ledger as it is at one moment, while others write it.

        Raises:
            LedgerError: something stands at `target`; it is not touched.
        """
        with self._file.use() as (connection, _):
            upkeep.backup(connection, target)

    def merge(self, other: Path) -> upkeep.Merged:
        """Bring another ledger's calls and rollups in; a second time brings only what is new there. `other` is not changed.

        Raises:
            LedgerError: `other` is no ledger of this schema, or cannot be merged without counting something twice.
        """
        with self._file.use() as (connection, _):
            return upkeep.merge(connection, other)

    # --- the file

    def close(self) -> None:
        """Close the file. A later call opens it again."""
        self._file.close()

    def before_fork(self) -> None:
        """See `ports.Ledger`: an open SQLite file must not be inherited."""
        self._file.before_fork()

    def after_fork(self) -> None:
        """See `ports.Ledger`."""
        self._file.after_fork()


@contextlib.contextmanager
def _reading(connection: sqlite3.Connection) -> Iterator[None]:
    """One state of the file for several statements."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
