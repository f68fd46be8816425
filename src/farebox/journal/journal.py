"""The journal of one process: appends from any thread, calls in flight, and what the writer reads. Imports core and journal's own parts."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

import msgspec

from farebox.core.errors import ConfigurationError, LedgerError
from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.journal import layout, system
from farebox.journal.layout import Mark
from farebox.journal.memory import Memory
from farebox.journal.reader import Batch, set_aside
from farebox.journal.segments import Segments, UnsyncedError
from farebox.journal.slots import Slots
from farebox.journal.tally import Tally

DURABILITIES: Final = ("process", "system", "memory")


class JournalHealth(msgspec.Struct, frozen=True):
    """What a journal has done so far.

    Attributes:
        appended: events that were kept.
        dropped: events that could not be kept (disk and reserve full, or journal closed), or that vanished from the journal's files
            before the ledger had them.
        damaged: lines that could not be read back; they are set aside in `<id>.damaged`.
        unslotted: calls in flight that no slot was free for: killed now, the process would leave no trace of them.
        unsynced: events that are kept, but which the system would not confirm to be on the disk (durability "system").
        occupied: calls in flight.
        reserve_left: bytes that are allocated for a full disk.
    """

    appended: int
    dropped: int
    damaged: int
    unslotted: int
    unsynced: int
    occupied: int
    reserve_left: int


class Journal:
    """The durable queue of this process.

    Closing is not the end: an event appended afterwards opens a new journal, which waits to be adopted.
    Any thread may append, and so may a finaliser that the garbage collector runs in the middle of another append.

    Args:
        directory: where journals live; made if missing.
        durability: what an appended event survives: the death of the "process", of the "system" (sync per append), or nothing
            ("memory": no file is written).
        segment_bytes: size after which the next segment is begun.
        reserve_bytes: room that is allocated in advance for a full disk.
        slots: how many calls may be in flight at once.

    Attributes:
        id: the journal's name, new for every journal.

    Raises:
        LedgerError: the directory cannot be used.
        ConfigurationError: the durability is no known one.
    """

    def __init__(
        self,
        directory: Path,
        *,
        durability: str = "process",
        segment_bytes: int = 64 << 20,
        reserve_bytes: int = 512 << 10,
        slots: int = 4096,
    ) -> None:
        if durability not in DURABILITIES:
            raise ConfigurationError(f"durability={durability!r} cannot be used: give one of {', '.join(DURABILITIES)}")
        self.directory = Path(directory)
        self._durability = durability
        self._sizes = {"segment_bytes": segment_bytes, "reserve_bytes": reserve_bytes}
        self._slot_count = slots
        self._lock = threading.RLock()
        self._queued: deque[Any] = deque()
        self._appended = self._dropped = self._damaged = self._unslotted = self._missing = 0
        self._tally = Tally(None)
        self._open()

    def _open(self) -> None:
        self._busy = False
        self._closed = False
        self._safe = Mark(0, 0)
        self._owned = -1
        self._slots: Slots | None = None
        self._missing += self._tally.missing
        self._tally = Tally(None)
        self._store: Segments | Memory
        if self._durability == "memory":
            self.id = new_id(time.time_ns())
            self._store = Memory()
        else:
            layout.make_directory(self.directory)
            try:
                self._open_files()
            except OSError as error:
                self._disown()
                raise LedgerError(
                    f"{self.directory} cannot hold a journal ({error.strerror}): make room, set its rights, or name another ledger"
                ) from error
        self._prepare: Any = self._store.prepare
        self._put: Any = self._store.put

    def _open_files(self) -> None:
        while self._owned < 0:
            self.id = new_id(time.time_ns())
            path = layout.lock_path(self.directory, self.id)
            descriptor = os.open(path, system.CREATE, system.PRIVATE)
            # Between making and locking the file, somebody looking for orphans may have taken it: then begin anew.
            if system.try_lock(descriptor) and system.same_file(descriptor, path):
                self._owned = descriptor
            else:
                os.close(descriptor)
        self._store = Segments(self.directory, self.id, synced=self._durability == "system", **self._sizes)
        # Without room for the table, calls in flight go unnoted (and are counted); events are still kept.
        with contextlib.suppress(OSError):
            self._slots = Slots(layout.slots_path(self.directory, self.id), self._slot_count)
            self._tally = Tally(self._slots.page)

    def append(self, event: CallEvent) -> None:
        """Make the event survive this process; returns when it does, by the configured durability.

        Called by a finaliser in the middle of another append of the same thread, it leaves the event to that append, which
        writes it before it lets go of the lock.

        Raises:
            OSError: the event could not be kept (counted as dropped) or not be synced (counted as unsynced).
        """
        item = self._prepare(event)
        with self._lock:
            if self._busy:
                self._queued.append(item)
                return
            self._write(item)
            while self._queued:
                # What the finaliser's event meets is counted, and no business of this append's caller.
                with contextlib.suppress(OSError):
                    self._write(self._queued.popleft())

    def _write(self, item: Any) -> None:
        self._busy = True
        try:
            self._put(item)
        except UnsyncedError:
            self._appended += 1
            self._tally.count()
            raise
        except (OSError, LedgerError):
            self._dropped += 1
            raise
        else:
            self._appended += 1
            self._tally.count()
        finally:
            self._busy = False

    def occupy(self, event: CallEvent) -> int:
        """Note a call in flight, as the event it becomes if the process dies now.

        Returns:
            The slot, for `vacate`; -1 when none was free (counted as unslotted) or durability is "memory".
        """
        slots = self._slots
        slot = -1 if slots is None else slots.occupy(event)
        if slot < 0 and self._durability != "memory":
            with self._lock:
                self._unslotted += 1
        return slot

    def rename(self, slot: int, before: str, after: str) -> None:
        """Give the call in a slot another id; -1 is ignored, and so is a slot of a closed journal."""
        slots = self._slots
        if slot >= 0 and slots is not None:
            slots.rename(slot, before, after)

    def vacate(self, slot: int) -> None:
        """Free the slot of a call that has settled; -1 is ignored, and so is a slot of a closed journal."""
        slots = self._slots
        if slot >= 0 and slots is not None:
            slots.vacate(slot)

    def health(self) -> JournalHealth:
        """Counts since the start of the process."""
        slots = self._slots
        return JournalHealth(
            appended=self._appended,
            dropped=self._dropped + self._missing + self._tally.missing,
            damaged=self._damaged,
            unslotted=self._unslotted,
            unsynced=self._store.unsynced,
            occupied=0 if slots is None else slots.occupied,
            reserve_left=self._store.reserve_left,
        )

    def end(self) -> Mark:
        """The place behind the last appended event."""
        with self._lock:
            return self._store.end() if not self._closed else self._safe

    def read(self, mark: Mark, *, limit: int) -> Batch:
        """At most `limit` events behind `mark`, for the writer.

        Raises:
            OSError: a segment cannot be read.
        """
        with self._lock:
            end, appended = self.end(), self._tally.appended
            batch = self._store.read(mark, end, limit=limit) if self._durability == "memory" else None
        batch = batch or self._store.read(mark, end, limit=limit)
        batch.appended = appended if batch.mark >= end and not self._closed else None
        return batch

    def ingested(self, batch: Batch) -> int:
        """The ledger has committed a batch: set aside what could not be read of it, see to the reserve, and count.

        Returns:
            How many events are now known to be missing that were not before.
        """
        with self._lock:
            missing = self._tally.follow(batch)
            self._damaged += batch.damaged_lines
            if not self._closed:
                self._store.replenish()
                if self._durability == "memory":
                    self._store.release(batch.mark)
        if self._durability != "memory":
            set_aside(self.directory, self.id, batch)
        return missing

    def releasable(self, mark: Mark) -> bool:
        """Whether `release` would free anything, so that a checkpoint is worth its cost."""
        return not self._closed and self._store.releasable(mark)

    def release(self, mark: Mark) -> None:
        """The ledger has made everything before `mark` safe, by a checkpoint: let go of it."""
        with self._lock:
            self._safe = max(self._safe, mark)
            if not self._closed:
                self._store.release(mark)

    def close(self) -> None:
        """Give the journal up. Its files go if the ledger has made all of it safe and no call is in flight; else they wait to be adopted."""
        with self._lock:
            if self._closed:
                return
            empty = self._store.end() <= self._safe
            slots, self._slots = self._slots, None
            remove = empty and (slots is None or not slots.occupied)
            self._closed, self._put = True, self._put_after_close
            self._tally.leave()
            self._store.close(remove=remove)
            if slots is not None:
                slots.close(remove=remove)
            if remove and self._owned >= 0:
                system.close_and_remove(self._owned, layout.lock_path(self.directory, self.id))
                self._owned = -1
            self._disown()

    def leave_in_child(self) -> None:
        """Forget, in a forked child, a journal that is its parent's. The parent's lock stays, whoever held ours is gone."""
        self._lock = threading.RLock()
        self._busy = False
        self._queued.clear()
        self._put = self._put_in_child
        if self._closed:
            return
        self._closed = True
        self._tally.leave()
        slots, self._slots = self._slots, None
        self._store.abandon()
        if slots is not None:
            slots.close(remove=False)
        self._disown()

    def _put_after_close(self, item: Any) -> None:
        """Open a new journal for an event that comes after `close`: finalisers settle calls until the interpreter is gone."""
        self._open()
        self._put(item)

    def _put_in_child(self, _item: Any) -> None:
        raise OSError(errno.EBADF, f"journal {self.id} belongs to the process that this one was forked from")

    def _disown(self) -> None:
        """Close the lock's file, never unlock it: a forked child's closing must not free its parent's journal."""
        if self._owned >= 0:
            os.close(self._owned)
            self._owned = -1
