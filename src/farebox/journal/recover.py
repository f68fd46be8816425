"""Journals whose process is dead: found, claimed, read and removed. Imports core and journal's own parts.

Only who holds a journal's lock may do any of it, so two who look at the same time never share one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from farebox.core.errors import LedgerError
from farebox.core.event import CallEvent
from farebox.journal import layout, system
from farebox.journal.layout import Mark
from farebox.journal.reader import Batch, read_batch, set_aside
from farebox.journal.slots import first_slot, left_behind
from farebox.journal.tally import unread

_AT_ONCE: Final = 1000
"""Events in memory while they are counted."""


class Orphan:
    """A dead process's journal, claimed: its lock is ours until `release` or `remove`.

    Attributes:
        id: the journal's id.
    """

    def __init__(self, directory: Path, journal: str, descriptor: int) -> None:
        self.id = journal
        self._directory = directory
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def empty(self) -> bool:
        """Whether there is only a lock: of a process at its beginning, or made anew by two who claimed a journal that was just removed."""
        segments = layout.segments(self._directory, self.id)
        return not segments and not layout.slots_path(self._directory, self.id).exists()

    def read(self, mark: Mark, *, limit: int) -> Batch:
        """At most `limit` events behind `mark`; see `read_batch`."""
        return read_batch(self._directory, self.id, mark, end=None, limit=limit)

    def lost(self) -> list[CallEvent | None]:
        """The calls that were in flight, as events with status `lost`; None for a slot that cannot be read."""
        return list(left_behind(layout.slots_path(self._directory, self.id)))

    def missing(self) -> int:
        """How many events were appended, by the journal's own count, and are in none of its files; 0 where it has no count.

        Raises:
            OSError: a segment cannot be read.
        """
        try:
            said = unread(first_slot(layout.slots_path(self._directory, self.id)))
        except OSError:
            return 0
        if said is None:
            return 0
        mark, expected = said
        while (batch := self.read(mark, limit=_AT_ONCE)).mark > mark:
            mark, expected = batch.mark, expected - len(batch.events)
        return max(0, expected)

    def set_aside(self, batch: Batch) -> None:
        """Keep what could not be read of the batch."""
        set_aside(self._directory, self.id, batch)

    def remove(self) -> None:
        """Delete the journal's files, the lock last. Everything in them must be safe in the ledger.

        Raises:
            LedgerError: the claim was let go before; nothing was deleted.
        """
        if self._descriptor < 0:
            raise LedgerError(f"journal {self.id} in {self._directory} is not claimed any more: claim it again")
        for number in layout.segments(self._directory, self.id):
            layout.segment_path(self._directory, self.id, number).unlink(missing_ok=True)
        layout.slots_path(self._directory, self.id).unlink(missing_ok=True)
        system.close_and_remove(self._descriptor, layout.lock_path(self._directory, self.id))
        self._descriptor = -1

    def release(self) -> None:
        """Let go of the claim; the files stay for the next who looks."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def claim(directory: Path, journal: str) -> Orphan | None:
    """Claim a journal; None while its process or another claimant lives, or when it is gone by now."""
    path = layout.lock_path(directory, journal)
    try:
        descriptor = os.open(path, system.OPEN_OR_CREATE, system.PRIVATE)
    except OSError:
        return None
    if system.try_lock(descriptor) and system.same_file(descriptor, path):
        return Orphan(directory, journal, descriptor)
    os.close(descriptor)
    return None


def orphans(directory: Path) -> Iterator[Orphan]:
    """Every journal in the directory that can be claimed, oldest first; each is let go when the next is asked for."""
    for journal in layout.journals(directory):
        orphan = claim(directory, journal)
        if orphan is not None:
            with orphan:
                yield orphan
