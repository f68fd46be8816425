"""The ledger in a SQLite file. Imports core and the ledger's own parts."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self

from farebox.core.event import CallEvent
from farebox.ledger import ingest, queries, schema
from farebox.ledger.file import LedgerFile
from farebox.ledger.locate import Location, ledger_path
from farebox.ledger.rollups import HOUR_NS
from farebox.ledger.rows import event_of

_AT_ONCE: Final = 2000
"""Calls that are read in one question, unless one hour has more."""


class SQLiteLedger:
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

    def forget(self, journal: str) -> None:
        """Drop the mark of a journal whose files are gone."""
        with self._file.use() as (connection, _):
            connection.execute("DELETE FROM journals WHERE journal = ?", (journal,))

    def checkpoint(self) -> bool:
        """Make everything ingested so far survive the death of the system; False when a reader is in the way."""
        with self._file.use() as (connection, replaced):
            busy, written, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            return bool(busy == 0 and written == moved and not replaced)

    # --- reading

    def mark(self, journal: str) -> tuple[int, int]:
        """See `ports.Ledger`."""
        with self._file.use() as (connection, _):
            return ingest.mark_of(connection, journal)

    def by(
        self,
        *dimensions: str,
        since: int | None = None,
        until: int | None = None,
        where: Mapping[str, str | None] | None = None,
    ) -> list[dict[str, Any]]:
        """See `ports.Ledger`. `day` and `hour` are ISO texts in UTC; `tag:NAME` is a tag of the user's."""
        queries.check_dimensions((*dimensions, *(where or {})))
        query = queries.grouped(dimensions, since, until, where or {})
        names = (*dimensions, *schema.MEASURES)
        return [dict(zip(names, row, strict=True)) for row in self._rows(query)]

    def totals(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        where: Mapping[str, str | None] | None = None,
    ) -> dict[str, Any]:
        """The sums over all calls, as `by` gives them for a group."""
        return self.by(since=since, until=until, where=where)[0]

    def calls(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        where: Mapping[str, str | None] | None = None,
        limit: int | None = None,
    ) -> Iterator[CallEvent]:
        """See `ports.Ledger`. A few hours are fetched at a time, and no lock is held in between.

        Raises:
            ConfigurationError: `where` names no dimension.
        """
        queries.check_dimensions(where or {})
        return self._newest(since, until, where or {}, limit)

    def _newest(
        self, since: int | None, until: int | None, where: Mapping[str, str | None], left: int | None
    ) -> Iterator[CallEvent]:
        for first, last in [(since, until)] if where.get("id") else self._stretches(since, until):
            if left is not None and left <= 0:
                return
            rows = self._rows(queries.newest(first, last, where, left))
            yield from map(event_of, rows)
            left = None if left is None else left - len(rows)

    def _stretches(self, since: int | None, until: int | None) -> list[tuple[int, int]]:
        """Times that cover all calls in between, latest first, each of at most `_AT_ONCE` calls or of one hour."""
        stretches: list[tuple[int, int]] = []
        room = 0
        for hour, calls in self._rows(queries.spans(since, until)):
            first = hour if since is None else max(hour, since)
            last = hour + HOUR_NS if until is None else min(hour + HOUR_NS, until)
            if stretches and calls <= room:
                stretches[-1] = (first, stretches[-1][1])
                room -= calls
            else:
                stretches.append((first, last))
                room = _AT_ONCE - calls
        return stretches

    def check(self) -> list[str]:
        """What is wrong with the ledger: SQLite's own integrity check, and rollups that differ from the sums over `calls`."""
        found = [str(row[0]) for row in self._rows(queries.Query("PRAGMA integrity_check", {}))]
        problems = [] if found == ["ok"] else found
        for rollup in queries.ROLLUPS:
            problems += [
                f"{rollup.table} is not the sum of calls at {row}"
                for row in self._rows(queries.rollup_differences(rollup))
            ]
        problems += [
            f"call {row[0]} is not among the ids of its hour" for row in self._rows(queries.ids_outside_their_hour())
        ]
        return problems

    def _rows(self, query: queries.Query) -> list[tuple[Any, ...]]:
        with self._file.use() as (connection, _):
            return connection.execute(query.sql, query.parameters).fetchall()

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
