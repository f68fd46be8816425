"""Who of many processes tells a thing: the first to write its row into a small SQLite file. Imports core and sqlite3.

A row is written before its alert is sent: a process that is killed in between has told nobody, and nobody tells it again. The
other order would tell everything twice whenever two processes meet.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec

from farebox.core.guard import attempt, report

_KEPT_NS: Final = 400 * 86_400 * 1_000_000_000
"""Longer than any window of a budget."""
_PATIENCE: Final = 5.0
"""Seconds that a claim waits for other processes."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS alerts_sent (
    rule TEXT NOT NULL, bucket TEXT NOT NULL, window_start INTEGER NOT NULL, threshold INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL, PRIMARY KEY (rule, bucket, window_start, threshold)
) WITHOUT ROWID
"""


class Claim(msgspec.Struct, frozen=True):
    """What may be told once.

    Attributes:
        rule: name of the budget, or kind of the alert.
        bucket: which of the rule's counts: a tenant, a model; "" where there is one only.
        window_start: when the window began, in nanoseconds UTC; 0 for one that never ends.
        thresholds: every share that is reached, in millionths, ascending. The last is told; the others need not be any more.
    """

    rule: str
    bucket: str
    window_start: int
    thresholds: tuple[int, ...] = (0,)


def claims_path(ledger: Path) -> Path:
    """The file beside a ledger. The whole name is kept: `x` may lie beside `x.db`."""
    return ledger.with_name(f"{ledger.name}.alerts")


class Claims:
    """The file in which processes that share a ledger agree on who tells what.

    Args:
        path: the file; made when the first claim is.
        unforked: gives what no fork happens within: SQLite's own locks, held at that moment, would stay locked in the child.
    """

    def __init__(
        self, path: Path, unforked: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    ) -> None:
        self.path = path
        self._unforked = unforked
        self._here: set[tuple[str, str, int, int]] = set()

    def first(self, claim: Claim) -> bool:
        """Whether this process is the one to tell it. Where the file cannot be used, each process tells it once."""
        rows = [(claim.rule, claim.bucket, claim.window_start, threshold) for threshold in claim.thresholds]
        if rows[-1] in self._here:
            return False
        self._here.update(rows)
        return attempt(self._insert, rows, on_error=self._unusable)

    @staticmethod
    def _unusable(error: Exception) -> bool:
        report("alerts sent", error)
        return True

    def _insert(self, rows: Sequence[tuple[str, str, int, int]]) -> bool:
        # Opened for each claim: they are seldom, no thread keeps a connection, and a fork finds none open.
        import sqlite3

        now = time.time_ns()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with (
            self._unforked(),
            contextlib.closing(sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)) as database,
        ):
            database.execute("BEGIN IMMEDIATE")
            database.execute(_SCHEMA)
            database.execute("DELETE FROM alerts_sent WHERE claimed_at < ?", (now - _KEPT_NS,))
            for row in rows:
                written = database.execute("INSERT OR IGNORE INTO alerts_sent VALUES (?, ?, ?, ?, ?)", (*row, now))
            database.execute("COMMIT")
            return written.rowcount == 1
