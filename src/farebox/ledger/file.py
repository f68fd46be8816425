"""The SQLite file under a ledger: made, checked, followed when it is replaced, closed when the process forks. Imports core and the ledger's own parts."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from _thread import RLock
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from farebox.core.errors import LedgerError
from farebox.ledger import migrations
from farebox.ledger.latency import bucket_of
from farebox.ledger.locate import Location

_LOG_PAGES: Final = 4000
"""Pages of SQLite's log before they are moved to the file: 16 MB. At its own 1000 a busy writer waited for the disk four times as often."""


class LedgerFile:
    """One connection to the file at a path, for one caller at a time.

    Args:
        location: the file; made, with its directory, unless `read_only`.
        read_only: never write, and fail where there is no ledger.
        busy_timeout: seconds to wait for another process's transaction.

    Raises:
        LedgerError: the file cannot be a ledger; the message names it and the remedy.
    """

    def __init__(self, location: Location, *, read_only: bool, busy_timeout: float) -> None:
        self._location = location
        self._path: Path = location.path
        self._read_only = read_only
        self._busy_timeout = busy_timeout
        self._lock = RLock()  # the system's own, also under gevent: whoever holds it may be in another thread
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, ...] | None = None
        self._immutable = False
        with self.use():
            pass

    @contextlib.contextmanager
    def use(self) -> Iterator[tuple[sqlite3.Connection, bool]]:
        """The connection, and whether another file stands at the path than when it was last used.

        Errors of the engine come out as `LedgerError`, with the path in front. A file that was replaced is left for the new one first:
        a commit into a deleted file succeeds, and is lost.
        """
        with self._lock, _errors(self._path):
            replaced = self._connection is not None and self._identity != self._present()
            if replaced:
                self.close()
            if self._connection is None:
                self._connection = self._open()
                self._identity = self._present()
            yield self._connection, replaced

    def close(self) -> None:
        """Close the connection. The next use opens another."""
        with self._lock, _errors(self._path):
            connection, self._connection = self._connection, None
            if connection is not None:
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

    def _open(self) -> sqlite3.Connection:
        self._look()
        if not self._read_only:
            self._make()
        elif not self._path.exists():
            raise LedgerError("is not there: check the path, or run the program that writes it first")
        self._immutable = self._read_only and self._takes_no_log()
        mode = "ro&immutable=1" if self._immutable else "ro" if self._read_only else "rw"
        uri = f"{self._path.as_uri()}?mode={mode}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _look(self) -> None:
        """See that the path can hold this file, before anything is made or opened."""
        self._location.check(writing=not self._read_only)

    def _takes_no_log(self) -> bool:
        """Whether nobody has the file open and its directory is read-only, as on a volume: SQLite would want to make a log to read it."""
        return not os.access(self._path.parent, os.W_OK) and not _log_of(self._path).exists()

    def _present(self) -> tuple[int, ...] | None:
        """What tells the file from another one at the path; and from itself before a change, where SQLite does not look for any."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        if not self._immutable:
            return found.st_dev, found.st_ino
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, _log_of(self._path).exists()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Bring a fresh connection, and the schema behind it, to where callers need them."""
        migrations.check(connection, complete=self._read_only)
        connection.create_function("latency_bucket", 1, _bucket, deterministic=True)
        if not self._read_only:
            # Counts only before the first table is made: retention gives pages back without writing the file anew.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._use_wal(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            migrations.migrate(connection)

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

    def _make(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Made here, so that only its owner may read it; SQLite gives its other files the same rights.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if not self._path.parent.is_dir():
                raise LedgerError(
                    f"cannot be made, because {self._path.parent} is a file: name another ledger"
                ) from None
            self._see_that_it_can_be_written()
        except OSError as error:
            raise LedgerError(
                f"cannot be made ({error.strerror}): set the rights of its directory, or name another ledger"
            ) from error

    def _see_that_it_can_be_written(self) -> None:
        """SQLite gives its log the rights that the file has then. Those of a log from a time when the file was read-only would stay."""
        if not os.access(self._path, os.W_OK):
            raise LedgerError(f"may not be written: {REMEDIES['SQLITE_READONLY']}")
        for ending in ("-wal", "-shm"):
            beside = self._path.with_name(self._path.name + ending)
            if beside.exists() and not os.access(beside, os.W_OK):
                with contextlib.suppress(OSError):
                    beside.chmod(self._path.stat().st_mode & 0o666)


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


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except LedgerError as error:
        message = str(error)
        raise LedgerError(message if message.startswith(str(path)) else f"{path} {message}") from error.__cause__
    except sqlite3.Error as error:
        raise LedgerError(f"{path}: {error}: {_remedy(error)}") from error


def _remedy(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    for prefix, remedy in REMEDIES.items():
        if name.startswith(prefix):
            return remedy
    return "see that the file is whole (farebox doctor) and can be written"


def _bucket(nanoseconds: int | None) -> int | None:
    return None if nanoseconds is None else bucket_of(nanoseconds)


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")
