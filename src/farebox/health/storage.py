"""The ledger: there, writable, sound. May import ledger and core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from farebox.core.errors import FareboxError
from farebox.core.guard import attempt
from farebox.health.finding import Finding, Section
from farebox.health.settings import harmless
from farebox.ledger.locate import SCHEMA_VERSION, Location
from farebox.ledger.registry import open_ledger

_CHECKED_AT_ONCE: Final = 64_000_000
"""Bytes of a ledger that is checked as a whole; `farebox ledger check` does it for larger ones, which takes minutes."""

_SHOWN_AT_MOST: Final = 3


def ledger(where: Location) -> Section:
    """The ledger that a program here would write to."""
    is_file = where.scheme == "sqlite"
    name = str(where.path) if is_file else harmless(where.url)
    row: dict[str, Any] = {"ledger": name, "engine": where.scheme, "bytes": None, "schema": None, "calls": None}
    findings = list(_look(where, row))
    told = f"{name} ({where.scheme})"
    if row["calls"] is not None:
        told += f", {row['calls']:,} calls, schema {row['schema']}, " + f"{row['bytes']:,} bytes"
    elif is_file and not where.path.exists():
        told += ", not there yet: the first call makes it"
    return Section("ledger", "Ledger", told, (row,), tuple(findings))


def _look(where: Location, row: dict[str, Any]) -> Iterator[Finding]:
    """Fill the row in as far as the ledger can be read, and say what is the matter with it."""
    problems: list[str] = []
    error = attempt(_read, where, row, problems, on_error=lambda error: error)
    if isinstance(error, FareboxError):
        yield Finding("unseen", "ledger", f"The ledger cannot be used: {error}.")
        return
    if error is not None:
        yield Finding(
            "unseen", "ledger", f"The ledger cannot be read: {error!r}.", "Restore a backup, or name another."
        )
        return
    for problem in problems[:_SHOWN_AT_MOST]:
        yield Finding("warning", "ledger", f"The ledger is not sound: {problem}.", "Restore a backup, or set it aside.")
    if len(problems) > _SHOWN_AT_MOST:
        more = len(problems) - _SHOWN_AT_MOST
        yield Finding("warning", "ledger", f"{more} more problems were found.", "See farebox ledger check.")
    if where.scheme == "sqlite":
        yield from _writable(where.path)


def _read(where: Location, row: dict[str, Any], problems: list[str]) -> None:
    """Fill in the row, and what is wrong inside of the file; it is not changed, and not made."""
    if where.scheme == "sqlite":
        # For what a program here would do, and before anything is opened: locks do not hold there.
        where.check(writing=True)
        if not where.path.exists():
            return
        row["bytes"] = where.path.stat().st_size
    with closing(open_ledger(where, read_only=True)) as opened:
        row["calls"] = opened.summary().calls
        row["schema"] = SCHEMA_VERSION
        if (row["bytes"] or 0) <= _CHECKED_AT_ONCE:
            problems += opened.check()


def _writable(path: Path) -> Iterator[Finding]:
    """Calls wait in journals while the ledger cannot be written; without room for those they are lost."""
    for place in (path, path.parent):
        there = next((found for found in (place, *place.parents) if found.exists()), None)
        if there is None or not os.access(there, os.W_OK) or _read_only(there):
            yield Finding(
                "unseen", "ledger", f"{there or place} cannot be written.", "Set its rights, or name another ledger."
            )
            return


def _read_only(place: Path) -> bool:
    """Whether the file system takes nothing: the superuser's rights do not tell."""
    if not hasattr(os, "statvfs"):
        return False
    return bool(attempt(lambda: os.statvfs(place).f_flag & os.ST_RDONLY, on_error=lambda _error: 0))
