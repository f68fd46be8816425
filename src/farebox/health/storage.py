"""The ledger and the journals beside it: whether calls can be written, and whether any were lost. May import ledger, journal and core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from farebox.core.errors import LedgerError
from farebox.health.finding import Finding, Section
from farebox.journal import Journal, layout
from farebox.journal.recover import claim
from farebox.ledger.locate import Location, journal_directory
from farebox.ledger.registry import open_ledger

_CHECKED_AT_ONCE: Final = 64_000_000
"""Bytes of a ledger that is checked as a whole; `farebox ledger check` does it for larger ones, which takes minutes."""


def ledger(where: Location) -> Section:
    """The ledger file: there, writable, sound."""
    row: dict[str, Any] = {"ledger": str(where.path), "engine": where.scheme}
    try:
        where.check()
        if where.scheme == "sqlite" and not where.path.exists():
            finding = _not_writable(where.path)
            note = Finding("note", "ledger", f"{where.path} is not there yet: the first call makes it.")
            return Section("Ledger", (row,), (finding or note,))
        row["bytes"] = where.path.stat().st_size
        with closing(open_ledger(where, read_only=True)) as opened:
            row["calls"] = opened.summary().calls
            check = getattr(opened, "check", None)
            problems = check() if check is not None and row["bytes"] <= _CHECKED_AT_ONCE else []
    except LedgerError as error:
        return Section("Ledger", (row,), (Finding("unseen", "ledger", f"The ledger cannot be used: {error}"),))
    findings = [
        Finding("warning", "ledger", f"The ledger is not sound: {problem}", "Restore a backup, or set this file aside.")
        for problem in problems
    ]
    finding = _not_writable(where.path)
    return Section("Ledger", (row,), (*findings, *([finding] if finding else [])))


def _not_writable(path: Path) -> Finding | None:
    """Calls wait in journals while the ledger cannot be written; they are lost when there is no room for those either."""
    place = path if path.exists() else next((parent for parent in path.parents if parent.exists()), path.parent)
    if os.access(place, os.W_OK) and os.access(place if place.is_dir() else place.parent, os.W_OK):
        return None
    return Finding(
        "unseen", "ledger", f"{place} cannot be written by this user.", "Set its rights, or name another ledger."
    )


def journals(where: Location) -> Section:
    """The journals beside the ledger: alive, waiting to be brought in, damaged."""
    directory = journal_directory(where)
    rows = tuple(_journals(directory))
    findings = list(_damage(directory))
    waiting = [row for row in rows if row["owner"] == "dead"]
    if waiting:
        findings.append(
            Finding(
                "note",
                "journals",
                f"{len(waiting)} journals of processes that died wait to be brought in; nothing of them is lost.",
                "Any program that writes this ledger does it, and farebox report does.",
            )
        )
    return Section("Journals", rows, tuple(findings))


def _journals(directory: Path) -> Iterator[dict[str, Any]]:
    for journal in layout.journals(directory):
        orphan = claim(directory, journal)
        if orphan is not None:
            orphan.release()
        paths = [layout.segment_path(directory, journal, number) for number in layout.segments(directory, journal)]
        size = sum(path.stat().st_size for path in paths if path.exists())
        yield {
            "journal": journal,
            "owner": "alive" if orphan is None else "dead",
            "segments": len(paths),
            "bytes": size,
        }


def _damage(directory: Path) -> Iterator[Finding]:
    for path in sorted(directory.glob("*.damaged")) if directory.is_dir() else ():
        lines = path.read_bytes().count(b"\n")
        yield Finding(
            "unseen",
            "journals",
            f"{lines} lines of a journal could not be read and were set aside in {path}.",
            "Look whether the disk is failing; compare with the provider's bill; then remove the file.",
        )


def here(journal: Journal | None) -> Section:
    """What the journal of this process has done."""
    if journal is None:
        return Section("Journal of this process")
    health = journal.health()
    findings: tuple[Finding, ...] = ()
    if health.dropped:
        findings = (
            Finding(
                "unseen",
                "journal",
                f"{health.dropped} events of this process could not be kept anywhere.",
                "Make room on the disk of the ledger, and see that its directory can be written.",
            ),
        )
    return Section("Journal of this process", (msgspec.to_builtins(health),), findings)
