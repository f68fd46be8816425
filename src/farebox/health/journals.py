"""The journals beside a ledger: alive, waiting to be brought in, damaged. May import journal, sinks, ledger and core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from farebox.core.guard import attempt
from farebox.health.finding import Finding, Section
from farebox.journal import layout
from farebox.journal.frame import count_lines
from farebox.journal.layout import Mark
from farebox.journal.recover import Orphan, claim
from farebox.journal.slots import left_behind
from farebox.ledger.locate import Location, journal_directory
from farebox.sinks.recorder import Recorder

_READ_AT_ONCE: Final = 1_000
_READ_AT_MOST: Final = 64_000_000
"""Bytes of a dead process's journal that are looked through for damage."""


def beside(where: Location) -> Section:
    """Every journal of this ledger on this machine. Nothing of them is brought in or changed."""
    directory = journal_directory(where)
    rows, findings = [], list(_set_aside(directory))
    for journal in layout.journals(directory):
        row, finding = _journal(directory, journal)
        rows.append(row)
        findings += [] if finding is None else [finding]
    waiting = [row for row in rows if not row["alive"]]
    if waiting:
        in_flight = sum(row["in_flight"] or 0 for row in waiting)
        lost = f", {in_flight} calls were in flight and will be estimated" if in_flight else ""
        findings.append(
            Finding(
                "note",
                "journals",
                f"{_journals(len(waiting))} of processes that died wait to be brought in{lost}.",
                "Any program that writes this ledger does it, and farebox report does.",
            )
        )
    alive = len(rows) - len(waiting)
    told = f"{alive} of running processes, {len(waiting)} of dead ones" if rows else "none: no program writes here now"
    return Section("journals", "Journals", told, tuple(rows), tuple(findings))


def _journals(number: int) -> str:
    return "1 journal" if number == 1 else f"{number} journals"


def _journal(directory: Path, journal: str) -> tuple[dict[str, Any], Finding | None]:
    paths = [layout.segment_path(directory, journal, number) for number in layout.segments(directory, journal)]
    size = sum(path.stat().st_size for path in paths if path.exists())
    row: dict[str, Any] = {"journal": journal, "alive": True, "segments": len(paths), "bytes": size, "in_flight": None}
    orphan = claim(directory, journal)
    row["in_flight"] = attempt(
        lambda: sum(1 for _ in left_behind(layout.slots_path(directory, journal))), on_error=lambda _error: None
    )
    row["damaged_lines"] = None
    if orphan is None:
        return row, None
    row["alive"] = False
    with orphan:
        # Not of a journal that lives: its last line may be half written at this moment.
        error = attempt(_look_through, orphan, row, on_error=lambda error: error) if size <= _READ_AT_MOST else None
    if error is not None:
        return row, Finding(
            "unseen",
            "journals",
            f"Journal {journal} cannot be read: {error}.",
            f"Set the rights of {directory}, or use the farebox that wrote it.",
        )
    if not row["damaged_lines"]:
        return row, None
    where = paths[0] if len(paths) == 1 else directory / f"{journal}.*.segment"
    return row, _unreadable(row["damaged_lines"], str(where), "bring the rest in with farebox report")


def _look_through(orphan: Orphan, row: dict[str, Any]) -> None:
    """Count the lines of a dead process's journal that cannot be read."""
    mark, damaged = Mark(0, 0), 0
    while True:
        batch = orphan.read(mark, limit=_READ_AT_ONCE)
        damaged += sum(map(count_lines, batch.damaged))
        if batch.mark <= mark:
            break
        mark = batch.mark
    row["damaged_lines"] = damaged


def _set_aside(directory: Path) -> Iterator[Finding]:
    for path in sorted(directory.glob("*.damaged")) if directory.is_dir() else ():
        yield _unreadable(path.read_bytes().count(b"\n"), str(path), "remove the file then")


def _unreadable(lines: int, where: str, last: str) -> Finding:
    number = "1 line of a journal" if lines == 1 else f"{lines} lines of a journal"
    return Finding(
        "unseen",
        "journals",
        f"{number} cannot be read, so that paid calls may be missing in the ledger: {where}.",
        f"See whether the disk is failing, compare with the provider's bill, and {last}.",
    )


def here(recorder: Recorder) -> Section:
    """What the journal of this process has done."""
    journal = recorder.journal
    health = None if journal is None else msgspec.to_builtins(journal.health())
    dropped = recorder.dropped + (0 if health is None else health["dropped"])
    findings = []
    if dropped:
        findings.append(
            Finding(
                "unseen",
                "journal",
                f"{dropped} events of this process could not be kept anywhere.",
                "Make room on the disk of the ledger, and see that its directory can be written.",
            )
        )
    error = None if recorder.writer is None else recorder.writer.health().last_error
    if error is not None:
        findings.append(
            Finding("warning", "journal", f"Calls of this process wait in the journal, because of {error}.")
        )
    told = "none: this process has metered nothing"
    if health is not None:
        told = f"{health['appended']} events written, {dropped} dropped, {health['reserve_left']:,} bytes in reserve"
    return Section("journal", "Journal of this process", told, () if health is None else (health,), tuple(findings))
