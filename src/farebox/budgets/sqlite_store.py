"""The budget store of one machine: an SQLite file beside the ledger, for any number of processes. Imports the port and the ledger's file.

A file of its own, so that no question here waits for the ledger's writer. A reserve or a settle is one short transaction.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from farebox.budgets.store import (
    LARGEST,
    READABLE,
    REMEMBERED,
    RETRIED,
    Denied,
    Draw,
    Kept,
    Reading,
    Shared,
    bounded,
)
from farebox.core.errors import LedgerError
from farebox.ledger.file import REMEDIES, LedgerFile
from farebox.ledger.locate import Location
from farebox.ledger.network import network_file_system

BUSY_TIMEOUT: Final = 2.0
"""Seconds that a question waits for other processes' transactions before the gate counts as failed."""

APPLICATION_ID: Final = 0x46415242
"""What the header says of its application: "FARB" in ASCII."""

VERSION: Final = 1
"""Number of the schema, in the header as SQLite's user version; a later one only adds tables."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS counters (
    budget TEXT NOT NULL, terms TEXT NOT NULL, bucket TEXT NOT NULL, piece INTEGER NOT NULL, until INTEGER NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0, calls INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (budget, terms, bucket, piece)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holds (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, expires_at INTEGER NOT NULL, state TEXT NOT NULL, draws TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS holds_by_state ON holds (state, expires_at);
CREATE TABLE IF NOT EXISTS budgets (name TEXT PRIMARY KEY, row TEXT NOT NULL, binding INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shared (
    budget TEXT PRIMARY KEY, owner TEXT NOT NULL, expires_at INTEGER NOT NULL, row TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

_CHECKPOINT: Final = 8_000
"""Pages of the log (32 MB) before a commit moves them into the file and waits for the disk. At SQLite's 1,000 every hundredth did."""

_NOTICED: Final = 0.01
"""Seconds that a question may have waited for other threads without waiting less for other processes."""

_SUMS: Final = """SELECT coalesce(sum(spent), 0), coalesce(sum(held), 0), min(CASE WHEN spent OR held THEN piece END)
FROM counters WHERE budget = ? AND terms = ? AND bucket = ? AND piece >= ?"""
_ADD: Final = """INSERT INTO counters (budget, terms, bucket, piece, until, spent, held, calls)
VALUES (?1, ?2, ?3, ?4, ?5, min(?6, ?9), min(?7, ?9), ?8)
ON CONFLICT DO UPDATE SET
    spent = min(spent + ?6, ?9), held = min(held + ?7, ?9), calls = calls + ?8, until = max(until, ?5)"""
_MOVE: Final = """UPDATE counters SET spent = min(spent + ?5, ?8), held = held + ?6, calls = calls + ?7
WHERE budget = ?1 AND terms = ?2 AND bucket = ?3 AND piece = ?4"""

_encode: Final = msgspec.json.encode
_draws: Final = msgspec.json.Decoder(tuple[Draw, ...]).decode


class _File(LedgerFile):
    """The file of the store: followed, and closed around a fork, as the ledger's is. Nobody waits longer for it than the busy timeout."""

    @contextlib.contextmanager
    def use(self) -> Iterator[tuple[sqlite3.Connection, bool]]:
        """See `LedgerFile`; threads that wait for each other wait the less for other processes."""
        began = time.monotonic()
        if not self._lock.acquire(timeout=self._busy_timeout):
            raise LedgerError(f"{self._path}: other threads wait for it too: {REMEDIES['SQLITE_BUSY']}")
        try:
            with super().use() as (connection, replaced):
                waited = time.monotonic() - began
                if waited > _NOTICED:
                    left = max(1, int((self._busy_timeout - waited) * 1000))
                    connection.execute(f"PRAGMA busy_timeout = {left}")
                try:
                    yield connection, replaced
                finally:
                    if waited > _NOTICED:
                        connection.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")
        finally:
            self._lock.release()

    def _look(self) -> None:
        network = network_file_system(self._path)
        if network:
            raise LedgerError(
                f"lies on a network file system ({network}), where locks do not hold: name a ledger on a local disk"
            )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        owner, version, tables = connection.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id, pragma_user_version"
        ).fetchone()
        if owner not in (0, APPLICATION_ID) or (not owner and tables):
            raise LedgerError("is a database of another program: move it away; nothing of it was changed")
        self._use_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
        if owner == APPLICATION_ID and version >= VERSION:
            return
        with transaction(connection):
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing; it takes the write lock first, so that what it reads is what it decides on."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    try:
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class SQLiteBudgetStore:
    """Counters in a file that processes of one machine share.

    Args:
        path: the file; made when it is first needed.
        busy_timeout: seconds to wait for another process's transaction.
    """

    def __init__(self, path: Path, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self.path = path
        self._file = _File(Location("sqlite", path, str(path)), read_only=False, busy_timeout=busy_timeout)

    def reserve(self, hold: str, draws: Sequence[Draw], *, owner: str, now: int, expires_at: int) -> Denied | None:
        """See the port."""
        del now
        with self._writing() as db:
            if db.execute("SELECT 1 FROM holds WHERE id = ?", (hold,)).fetchone():
                return None
            for place, draw in enumerate(draws):
                if draw.shared and not db.execute("SELECT 1 FROM shared WHERE budget = ?", (draw.budget,)).fetchone():
                    return Denied(place, 0, 0, draw.piece, closed=True)
                if draw.limit is None or not draw.amount:
                    continue
                spent, held, oldest = db.execute(_SUMS, (draw.budget, draw.terms, draw.bucket, draw.since)).fetchone()
                if spent + held + draw.amount > draw.limit:
                    return Denied(place, spent, held, draw.piece if oldest is None else oldest)
            for draw in draws:
                _add(db, draw, held=bounded(draw.amount))
            db.execute(
                "INSERT INTO holds VALUES (?, ?, ?, 'held', ?)", (hold, owner, expires_at, _encode(draws).decode())
            )
            return None

    def settle(self, hold: str, actual: Mapping[str, int | None], *, now: int, calls: int = 1) -> bool:
        """See the port."""
        with self._writing() as db:
            found = db.execute("SELECT state, draws FROM holds WHERE id = ? AND state != 'settled'", (hold,)).fetchone()
            if found is None:
                return False
            held = found[0] == "held"
            for draw in _draws(found[1]):
                amount = actual.get(draw.unit)
                spent = bounded(draw.amount if amount is None else amount)
                if held:
                    _move(db, draw, spent=spent, held=-bounded(draw.amount), calls=calls)
                else:
                    _move(db, draw, spent=spent - draw.amount)
            db.execute(
                "UPDATE holds SET state = 'settled', draws = '[]', expires_at = ? WHERE id = ?",
                (now + RETRIED, hold),
            )
            return True

    def book(self, booking: str, draws: Sequence[Draw], *, calls: int, now: int) -> None:
        """See the port."""
        with self._writing() as db:
            if db.execute("SELECT 1 FROM holds WHERE id = ?", (booking,)).fetchone():
                return
            for draw in draws:
                _add(db, draw, spent=bounded(draw.amount), calls=calls)
            db.execute("INSERT INTO holds VALUES (?, '', ?, 'settled', '[]')", (booking, now + RETRIED))

    def expire(self, now: int, dead: Callable[[str], bool]) -> int:
        """See the port."""
        with self._file.use() as (db, _):
            owners = db.execute(
                "SELECT owner FROM holds WHERE state = 'held' UNION SELECT owner FROM shared"
            ).fetchall()
        gone = _encode([owner for (owner,) in owners if dead(owner)]).decode()  # asks the system: not in a transaction
        with self._writing() as db:
            charged = db.execute(
                "SELECT id, draws FROM holds WHERE state = 'held' AND (expires_at <= ? OR owner IN (SELECT value FROM json_each(?)))",
                (now, gone),
            ).fetchall()
            for hold, draws in charged:
                _charge(db, hold, _draws(draws), now)
            ended = db.execute(
                "SELECT budget FROM shared WHERE owner IN (SELECT value FROM json_each(?2)) OR (expires_at <= ?1 "
                "AND NOT EXISTS (SELECT 1 FROM counters WHERE counters.budget = shared.budget AND until > ?1))",
                (now, gone),
            ).fetchall()
            for (budget,) in ended:
                charged += _end(db, budget, now)
            db.execute("DELETE FROM holds WHERE state != 'held' AND expires_at <= ?", (now,))
            db.execute("DELETE FROM counters WHERE until < ?", (now - REMEMBERED,))
            return len(charged)

    def read(self, budget: str, terms: str, since: int) -> list[Reading]:
        """See the port."""
        with self._file.use() as (db, _):
            rows = db.execute(
                "SELECT bucket, sum(spent), sum(held), sum(calls) FROM counters "
                "WHERE budget = ? AND terms = ? AND piece >= ? GROUP BY bucket ORDER BY bucket",
                (budget, terms, since),
            ).fetchall()
        return [Reading(*row) for row in rows]

    def reset(self, budget: str) -> int:
        """See the port."""
        with self._writing() as db:
            touched = db.execute(
                "SELECT count(DISTINCT terms || char(0) || bucket) FROM counters WHERE budget = ? AND (spent OR calls)",
                (budget,),
            ).fetchone()
            db.execute("UPDATE counters SET spent = 0, calls = 0 WHERE budget = ?", (budget,))
            # What was charged and is forgotten now must not be taken back when its call ends after all.
            for hold, draws in db.execute("SELECT id, draws FROM holds WHERE state = 'charged'").fetchall():
                left = [draw for draw in _draws(draws) if draw.budget != budget]
                db.execute("UPDATE holds SET draws = ? WHERE id = ?", (_encode(left).decode(), hold))
            return int(touched[0])

    def share(self, shared: Shared) -> None:
        """See the port."""
        with self._writing() as db:
            db.execute(
                "INSERT OR IGNORE INTO shared VALUES (?, ?, ?, ?)",
                (shared.budget, shared.owner, shared.expires_at, shared.row),
            )

    def shared(self, budget: str) -> Shared | None:
        """See the port."""
        with self._file.use() as (db, _):
            found = db.execute(
                "SELECT budget, owner, expires_at, row FROM shared WHERE budget = ?", (budget,)
            ).fetchone()
        return None if found is None else Shared(*found)

    def end(self, budget: str, now: int) -> bool:
        """See the port."""
        with self._writing() as db:
            there = db.execute("SELECT 1 FROM shared WHERE budget = ?", (budget,)).fetchone() is not None
            if there:
                _end(db, budget, now)
            return there

    def keep(self, kept: Kept) -> None:
        """See the port."""
        with self._writing() as db:
            db.execute(
                "INSERT INTO budgets VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET row = ?2, binding = ?3 WHERE ?3 OR NOT binding",
                (kept.name, kept.row, int(kept.binding)),
            )

    def drop(self, name: str) -> bool:
        """See the port."""
        with self._writing() as db:
            return db.execute("DELETE FROM budgets WHERE name = ?", (name,)).rowcount > 0

    def kept(self) -> list[Kept]:
        """See the port."""
        with self._file.use() as (db, _):
            rows = db.execute("SELECT name, row, binding FROM budgets ORDER BY name").fetchall()
        return [Kept(name, row, bool(binding)) for name, row, binding in rows]

    def close(self) -> None:
        """See the port."""
        self._file.close()

    def before_fork(self) -> None:
        """See the port."""
        self._file.before_fork()

    def after_fork(self) -> None:
        """See the port."""
        self._file.after_fork()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._file.use() as (connection, _), transaction(connection) as db:
            yield db


def _add(db: sqlite3.Connection, draw: Draw, *, spent: int = 0, held: int = 0, calls: int = 0) -> None:
    """Book in a piece, which is made when it is new."""
    place = (draw.budget, draw.terms, draw.bucket, draw.piece, draw.until)
    db.execute(_ADD, (*place, spent, held, calls, LARGEST))


def _move(db: sqlite3.Connection, draw: Draw, *, spent: int, held: int = 0, calls: int = 0) -> None:
    """Book in a piece that a hold was made in; one that was dropped since counts no more."""
    db.execute(_MOVE, (draw.budget, draw.terms, draw.bucket, draw.piece, spent, held, calls, LARGEST))


def _charge(db: sqlite3.Connection, hold: str, draws: Sequence[Draw], now: int) -> None:
    """Charge what a hold holds, and remember it, so that a call that ends after all is put right."""
    for draw in draws:
        _move(db, draw, spent=bounded(draw.amount), held=-bounded(draw.amount), calls=1)
    db.execute("UPDATE holds SET state = 'charged', expires_at = ? WHERE id = ?", (now + REMEMBERED, hold))


def _end(db: sqlite3.Connection, budget: str, now: int) -> list[tuple[str, str]]:
    """Close a shared budget; returns what was charged."""
    db.execute("DELETE FROM shared WHERE budget = ?", (budget,))
    holds = db.execute("SELECT id, draws FROM holds WHERE state = 'held'").fetchall()
    charged = [one for one in holds if any(draw.budget == budget for draw in _draws(one[1]))]
    for hold, draws in charged:
        _charge(db, hold, _draws(draws), now)
    db.execute("UPDATE counters SET until = ? WHERE budget = ?", (now + READABLE - REMEMBERED, budget))
    return charged
