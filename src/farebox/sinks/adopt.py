"""Journals that dead processes left: brought into the ledger, once. May import journal and ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from farebox.core.alert import JOURNAL
from farebox.core.guard import contained
from farebox.core.ports import Alarm, Ledger
from farebox.journal.frame import count_lines
from farebox.journal.layout import Mark
from farebox.journal.recover import Orphan, orphans

_BATCH: Final = 500


class Adopted(msgspec.Struct):
    """What was found in journals of dead processes.

    Attributes:
        journals: how many were brought in completely.
        events: events that were new to the ledger, without the lost ones.
        lost: calls that were in flight when their process died, and are events with status `lost` now.
        damaged: lines and slots that could not be read; lines are kept in `<id>.damaged`.
        dropped: events that had been appended, by the journals' own count, and were in none of their files.
    """

    journals: int = 0
    events: int = 0
    lost: int = 0
    damaged: int = 0
    dropped: int = 0

    def tell(self, alarm: Alarm) -> None:
        """Tell of what was damaged, and of what is missing beyond that."""
        if self.damaged:
            contained("alert", alarm.tell, JOURNAL, problem="damaged", count=self.damaged)
        if self.dropped > self.damaged:
            contained("alert", alarm.tell, JOURNAL, problem="dropped", count=self.dropped)


def adopt(directory: Path, ledger: Ledger) -> Adopted:
    """Bring every journal whose process is dead into the ledger, and remove it when the ledger has made it safe.

    Two adopters may work at the same time: each journal is claimed by one of them. One that dies halfway leaves the rest, and the
    ledger's mark, to the next.

    Args:
        directory: where journals lie; need not exist.
        ledger: where their events belong.

    Raises:
        LedgerError: the ledger cannot be written, or a newer farebox wrote a journal; what was not ingested stays.
        OSError: a journal cannot be read.
    """
    adopted = Adopted()
    for orphan in orphans(directory):
        empty = orphan.empty
        _ingest_events(orphan, ledger, adopted)
        _ingest_lost(orphan, ledger, adopted)
        if ledger.checkpoint():
            adopted.dropped += orphan.missing()
            orphan.remove()
            # The files first: a mark without files is harmless, files without a mark would be read again.
            ledger.forget(orphan.id)
            ledger.forget(_slots_of(orphan))
        adopted.journals += not empty
    return adopted


def _ingest_events(orphan: Orphan, ledger: Ledger, adopted: Adopted) -> None:
    while True:
        mark = Mark(*ledger.mark(orphan.id))
        batch = orphan.read(mark, limit=_BATCH)
        if batch.mark <= mark:
            return
        adopted.events += ledger.ingest(
            batch.events, journal=orphan.id, segment=batch.mark.segment, offset=batch.mark.offset
        )
        orphan.set_aside(batch)
        adopted.damaged += sum(map(count_lines, batch.damaged))


def _ingest_lost(orphan: Orphan, ledger: Ledger, adopted: Adopted) -> None:
    found = orphan.lost()
    lost = [event for event in found if event is not None]
    if found:
        # Under a name of its own: the journal's mark says how far its lines are in, and nothing else.
        adopted.lost += ledger.ingest(lost, journal=_slots_of(orphan), segment=1, offset=1)
        adopted.damaged += len(found) - len(lost)


def _slots_of(orphan: Orphan) -> str:
    return f"{orphan.id}.slots"
