"""What is true of a whole ledger file: its id, and from when on it has single calls. Imports the standard library only."""

from __future__ import annotations

import sqlite3


def ledger_id(connection: sqlite3.Connection) -> str:
    """The ledger's id, made with it; a copy has the same."""
    return str(_value(connection, "ledger"))


def retained_since(connection: sqlite3.Connection) -> int:
    """Calls that started before this moment, in nanoseconds UTC, are in the rollups only; 0 while retention never ran."""
    return int(_value(connection, "retained_since") or 0)


def retain_since(connection: sqlite3.Connection, moment: int) -> None:
    """Move that moment on."""
    connection.execute("REPLACE INTO facts (name, value) VALUES ('retained_since', ?)", (str(moment),))


def _value(connection: sqlite3.Connection, name: str) -> str | None:
    found = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if found is None else str(found[0])
