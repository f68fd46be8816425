"""How the ledger's schema came to be: functions, applied in order, each in one transaction with its record. Imports core and the schema.

To change the schema, add a function below the last one. One that was ever released is never edited.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Final

from farebox.core.errors import LedgerError
from farebox.core.identity import new_id
from farebox.ledger import savings, schema
from farebox.ledger.locate import APPLICATION_ID, newer

Migration = Callable[[sqlite3.Connection], None]

MIGRATIONS: Final[list[Migration]] = []


def migration(function: Migration) -> Migration:
    """Register a step; its number is its place in the list, its name the function's."""
    MIGRATIONS.append(function)
    return function


@migration
def calls_rollups_and_journals(connection: sqlite3.Connection) -> None:
    """The tables of the first release."""
    connection.execute(schema.CALLS)
    connection.execute(schema.IDS_BY_STRETCH)
    for family in (*schema.FAMILIES, schema.LATENCY):
        for grain, _ in schema.GRAINS:
            connection.execute(family.create(grain))
    connection.execute(schema.FACTS)
    connection.execute("INSERT INTO facts (name, value) VALUES ('ledger', ?)", (new_id(time.time_ns()),))
    connection.execute(schema.MERGES)
    connection.execute(schema.JOURNALS)
    connection.execute(schema.SPEND)


@migration
def groups_of_calls(connection: sqlite3.Connection) -> None:
    """Find the lines of a batch, and the parts of a call, by what they share."""
    connection.execute(schema.PARTS)


@migration
def coarse_sums_by_day_only(connection: sqlite3.Connection) -> None:
    """Sums by tenant, and by task, of single hours are added up from those by tenant and task."""
    for family in (schema.TENANTS, schema.TASKS):
        connection.execute(f"DROP TABLE {family.table('hour')}")


@migration
def savings_of_calls(connection: sqlite3.Connection) -> None:
    """What calls would have cost without the provider's cache, and sums of what routes and caches saved."""
    connection.execute(schema.UNCACHED)
    connection.execute(schema.SAVINGS_VIEW)
    for family in schema.SAVING_FAMILIES:
        connection.execute(family.create("day"))
        connection.execute(savings.filling(family))


def version(connection: sqlite3.Connection) -> int:
    """How many migrations a database has seen; 0 for an empty one.

    Raises:
        LedgerError: the database belongs to another program.
    """
    # One statement, one state of the file: another process may be creating the tables at this moment.
    owner, tables = connection.execute(
        "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id"
    ).fetchone()
    if owner == APPLICATION_ID:
        found = connection.execute("SELECT max(number) FROM migrations").fetchone()[0]
        return int(found or 0)
    if owner or tables:
        raise LedgerError("is a database of another program: name another file; nothing of it was changed")
    return 0


def check(connection: sqlite3.Connection, *, complete: bool) -> None:
    """See that this farebox understands the schema.

    Args:
        connection: the database.
        complete: whether missing migrations are an error, because they cannot be applied here.

    Raises:
        LedgerError: newer than this farebox; or older, where it must be complete.
    """
    found = version(connection)
    if found > len(MIGRATIONS):
        raise LedgerError(newer(found))
    if complete and found < len(MIGRATIONS):
        raise LedgerError(
            f"has schema {found} and needs {len(MIGRATIONS)}: run farebox ledger migrate, or open it once without read_only"
        )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date; several processes may try at once.

    Raises:
        LedgerError: the database is another program's, or newer than this farebox.
    """
    check(connection, complete=False)
    for number, function in enumerate(MIGRATIONS, start=1):
        if version(connection) >= number:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            if version(connection) < number:
                # Both stand in the file's header, where they can be read without opening it.
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {number}")
                connection.execute(schema.MIGRATIONS)
                function(connection)
                connection.execute(
                    "INSERT INTO migrations (number, name, applied_at) VALUES (?, ?, ?)",
                    (number, function.__name__, time.time_ns()),
                )
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
