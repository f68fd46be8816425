"""What was fetched of bills, and what came out of comparing them, in a file beside the ledger. Imports core, ledger and its neighbours here.

A day that is final is never fetched again. The file holds numbers, names and ids of keys; no key is ever in it. It may be deleted:
the next run fetches what the providers still have.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from farebox.core.errors import LedgerError
from farebox.ledger.file import LedgerFile
from farebox.ledger.locate import Location
from farebox.reconcile.outcome import DayResult
from farebox.reconcile.statement import Lines

APPLICATION_ID: Final = 0x46415253
"""What the header says of its application: "FARS" in ASCII."""
_BUSY: Final = 5.0

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS bill_lines (
    provider TEXT NOT NULL, part TEXT NOT NULL, day TEXT NOT NULL, fetched_at INTEGER NOT NULL, final INTEGER NOT NULL,
    lines TEXT NOT NULL, PRIMARY KEY (provider, part, day)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS bill_days (
    provider TEXT NOT NULL, day TEXT NOT NULL, status TEXT NOT NULL, complete INTEGER NOT NULL,
    computed_nano INTEGER NOT NULL, billed_nano INTEGER, unexplained_nano INTEGER NOT NULL,
    source TEXT NOT NULL, reconciled_at INTEGER NOT NULL, result TEXT NOT NULL, PRIMARY KEY (provider, day)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS bill_gaps (
    provider TEXT NOT NULL PRIMARY KEY, gaps TEXT NOT NULL, reconciled_at INTEGER NOT NULL
) WITHOUT ROWID""",
)

_lines: Final = msgspec.json.Decoder(Lines)
_result: Final = msgspec.json.Decoder(DayResult)


class Fetched(msgspec.Struct, frozen=True):
    """One part of one day as it was fetched.

    Attributes:
        lines: what it states.
        fetched_at: when, nanoseconds UTC.
        final: whether it will not change any more.
    """

    lines: Lines
    fetched_at: int
    final: bool


class _File(LedgerFile):
    """The file, followed and closed around a fork as the ledger's is."""

    def _prepare(self, connection: sqlite3.Connection) -> None:
        owner, tables = connection.execute(
            "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id"
        ).fetchone()
        if owner not in (0, APPLICATION_ID) or (not owner and tables):
            raise LedgerError("is a database of another program: move it away; nothing of it was changed")
        if self._read_only:
            return
        self._use_wal(connection)
        connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")

    def _look(self) -> None:
        """Nothing but SQLite looks at it: the ledger's own header is another's."""


def statements_path(ledger: Path) -> Path:
    """The file beside a ledger: `x.db.statements` beside `x.db`."""
    return ledger.with_name(f"{ledger.name}.statements")


class StatementStore:
    """The file.

    Args:
        path: where it is; made unless `read_only`.
        read_only: never write; where there is no file, there is nothing in it.

    Raises:
        LedgerError: it cannot be used.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._file = (
            None
            if read_only and not path.exists()
            else _File(Location("sqlite", path, str(path)), read_only=read_only, busy_timeout=_BUSY)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    # --- what was fetched

    def keep(self, provider: str, part: str, found: Mapping[str, Fetched]) -> None:
        """Keep days of a part, in one transaction."""
        rows = [
            (provider, part, day, one.fetched_at, one.final, msgspec.json.encode(one.lines).decode())
            for day, one in found.items()
        ]
        self._write("REPLACE INTO bill_lines VALUES (?, ?, ?, ?, ?, ?)", rows)

    def fetched(self, provider: str, first: str, last: str) -> dict[tuple[str, str], Fetched]:
        """What there is of some days, by part and day."""
        rows = self._read(
            "SELECT part, day, fetched_at, final, lines FROM bill_lines WHERE provider = ? AND day BETWEEN ? AND ?",
            (provider, first, last),
        )
        return {(row[0], row[1]): Fetched(_lines.decode(row[4]), row[2], bool(row[3])) for row in rows}

    # --- what came out

    def write(self, results: Iterable[DayResult], now: int) -> None:
        """Keep the results of days."""
        rows = [
            (
                result.provider,
                result.day,
                result.status,
                result.complete,
                int(result.computed.scaleb(9)),
                None if result.billed is None else int(result.billed.scaleb(9)),
                int(result.unexplained.scaleb(9)),
                result.source,
                now,
                msgspec.json.encode(result).decode(),
            )
            for result in results
        ]
        self._write("REPLACE INTO bill_days VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def results(
        self, *, provider: str | None = None, since: str | None = None, until: str | None = None
    ) -> list[DayResult]:
        """Results of days, in order.

        Args:
            provider: only its days.
            since: first ISO day.
            until: last ISO day.
        """
        rows = self._read(
            "SELECT result FROM bill_days WHERE (?1 IS NULL OR provider = ?1) AND (?2 IS NULL OR day >= ?2)"
            " AND (?3 IS NULL OR day <= ?3) ORDER BY day, provider",
            (provider, since, until),
        )
        return [_result.decode(row[0]) for row in rows]

    def note(self, provider: str, gaps: Iterable[str], now: int) -> None:
        """Keep what the last run could not have."""
        self._write(
            "REPLACE INTO bill_gaps VALUES (?, ?, ?)", [(provider, msgspec.json.encode(list(gaps)).decode(), now)]
        )

    def gaps(self) -> dict[str, list[str]]:
        """What the last run of each provider could not have."""
        rows = self._read("SELECT provider, gaps FROM bill_gaps ORDER BY provider", ())
        return {row[0]: msgspec.json.decode(row[1], type=list[str]) for row in rows}

    def _write(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        assert self._file is not None
        with self._file.use() as (connection, _):
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany(sql, rows)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _read(self, sql: str, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if self._file is None:
            return []
        with self._file.use() as (connection, _):
            return connection.execute(sql, parameters).fetchall()


def stored_results(
    ledger: Path, *, provider: str | None = None, since: str | None = None, until: str | None = None
) -> tuple[list[DayResult], list[str]]:
    """What the last reconciliations of a ledger found, without fetching or reading a call: milliseconds.

    Args:
        ledger: the ledger's file.
        provider: only its days.
        since: first ISO day.
        until: last ISO day.

    Returns:
        The days in order, and what could not be had. Both are empty where nothing was reconciled yet.

    Raises:
        LedgerError: the file beside the ledger cannot be read.
    """
    with StatementStore(statements_path(ledger), read_only=True) as store:
        gaps = store.gaps()
        found = store.results(provider=provider, since=since, until=until)
    return found, [gap for name, said in gaps.items() if provider in (None, name) for gap in said]
