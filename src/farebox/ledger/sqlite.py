"""The ledger in a SQLite file. Imports core and the ledger's own parts."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from farebox.core.errors import LedgerError
from farebox.core.event import CallEvent
from farebox.ledger import ingest, migrations, queries, schema
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
        self.path: Path = self.location.path
        self.read_only = read_only
        self._busy_timeout = busy_timeout
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        with self._errors():
            self._open()

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
        with self._lock, self._errors():
            replaced = self._follow_file()
            connection = self._connected()
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
        with self._lock, self._errors():
            self._connected().execute("DELETE FROM journals WHERE journal = ?", (journal,))

    def checkpoint(self) -> bool:
        """Make everything ingested so far survive the death of the system; False when a reader is in the way."""
        with self._lock, self._errors():
            if self._follow_file():
                return False
            busy, written, moved = self._connected().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            return bool(busy == 0 and written == moved)

    # --- reading

    def mark(self, journal: str) -> tuple[int, int]:
        """See `ports.Ledger`."""
        with self._lock, self._errors():
            self._follow_file()
            return ingest.mark_of(self._connected(), journal)

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
        with self._lock, self._errors():
            self._follow_file()
            return self._connected().execute(query.sql, query.parameters).fetchall()

    # --- the file

    def close(self) -> None:
        """Close the file. A later call opens it again."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                with self._errors():
                    connection.close()

    def before_fork(self) -> None:
        """Close the file and let nobody in until `after_fork`.

        SQLite keeps its locks of a file in the memory of the process. A child inherits that memory but not the locks: forked in the
        middle of a transaction it waits for ever for one that nobody holds, and at other times it writes to a log that its parent
        believes to be its own and removes (https://www.sqlite.org/howtocorrupt.html, 2.6). Nothing may be open when a process forks.
        """
        self._lock.acquire()
        self.close()

    def after_fork(self) -> None:
        """Let callers in again, in the parent and in the child; the next one opens the file."""
        self._lock.release()

    def leave_in_child(self) -> None:
        """Forget, in a forked child, the connection that is its parent's; the next call opens one of its own."""
        self._lock = threading.RLock()
        connection, self._connection = self._connection, None
        if connection is not None:
            _Kept(connection)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._open()
        assert self._connection is not None
        return self._connection

    def _follow_file(self) -> bool:
        """Open the file at the path if it is another one than before: a commit into a deleted file succeeds, and is lost."""
        if self._connection is None or self._identity == _identity(self.path):
            return False
        self.close()
        self._open()
        return True

    def _open(self) -> None:
        if not self.read_only:
            self._make_file()
        elif not self.path.exists():
            raise LedgerError("is not there: check the path, or run the program that writes it first")
        self.location.check()
        uri = f"{self.path.as_uri()}?mode={'ro' if self.read_only else 'rw'}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
        )
        try:
            if self.read_only:
                migrations.check(connection, complete=True)
            else:
                migrations.check(connection, complete=False)
                self._use_wal(connection)
                connection.execute("PRAGMA synchronous = NORMAL")
                migrations.migrate(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._identity = _identity(self.path)

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        # SQLite does not wait here, whatever the busy timeout is, when another process does the same.
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
            else:
                return

    def _make_file(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Made here, so that only its owner may read it; SQLite gives its other files the same rights.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if not self.path.parent.is_dir():
                raise LedgerError(
                    f"cannot be made, because {self.path.parent} is a file: name another ledger"
                ) from None
        except OSError as error:
            raise LedgerError(
                f"cannot be made ({error.strerror}): set the rights of its directory, or name another ledger"
            ) from error

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of the engine as `LedgerError`, with the path in front."""
        try:
            yield
        except LedgerError as error:
            message = str(error)
            raise LedgerError(
                message if message.startswith(str(self.path)) else f"{self.path} {message}"
            ) from error.__cause__
        except sqlite3.Error as error:
            raise LedgerError(f"{self.path}: {error}: {_remedy(error)}") from error


class _Kept(msgspec.Struct, gc=False):
    """Keeps a connection from ever being closed, also at the interpreter's end: it refers to itself and the collector never sees it.

    Closing an inherited connection would roll back, in memory shared with the parent, what the parent is writing
    (https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_file_across_a_fork_).
    """

    connection: Any
    itself: Any = None

    def __post_init__(self) -> None:
        self.itself = self


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remedy(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    for prefix, remedy in REMEDIES.items():
        if name.startswith(prefix):
            return remedy
    return "see that the file is whole (farebox doctor) and can be written"


REMEDIES: Final[Mapping[str, str]] = {
    "SQLITE_BUSY": "another process is writing; try again, or end it",
    "SQLITE_LOCKED": "another connection is writing; try again",
    "SQLITE_READONLY": "set the rights of the file and its directory, or name another ledger",
    "SQLITE_CANTOPEN": "set the rights of the file and its directory, or name another ledger",
    "SQLITE_FULL": "make room on the disk",
    "SQLITE_NOTADB": "it is no SQLite database; name another file",
    "SQLITE_CORRUPT": "the file is damaged; move it away and restore a backup, or start anew",
}
"""What to do, by the beginning of SQLite's name for the error."""
