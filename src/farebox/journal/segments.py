"""Segments: the files that lines are written to, their rotation, and the reserve for a full disk. Imports core and journal's own parts.

The reserve is the next segment, allocated in advance: when the disk is full, or the segment is, writing goes on there at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

import msgspec

from farebox.core.event import CallEvent
from farebox.journal import layout, system
from farebox.journal.encoding import encoded
from farebox.journal.frame import LONGEST, frame
from farebox.journal.reader import Batch, Header, read_batch

_encode: Final = msgspec.json.Encoder().encode
_HEADER_BYTES: Final = 256
"""More than a segment's header takes."""


class UnsyncedError(OSError):
    """A line was written, and the system would not confirm that it is on the disk."""


class Segments:
    """The files of one journal. Not thread-safe: `Journal` holds the lock, except for `prepare`.

    Args:
        directory: where the files live.
        journal: the journal's id.
        synced: whether every line is on the disk when `put` returns.
        segment_bytes: size after which the next segment is begun.
        reserve_bytes: room that is allocated in advance for a full disk.

    Raises:
        OSError: the first segment cannot be made.
    """

    def __init__(self, directory: Path, journal: str, *, synced: bool, segment_bytes: int, reserve_bytes: int) -> None:
        self._directory = directory
        self._journal = journal
        self._synced = synced
        self._segment_bytes = segment_bytes
        self._reserve_bytes = reserve_bytes
        self._oldest = self._number = 1
        self._reserve = -1
        self.unsynced = 0
        self._descriptor = self._create(1, room=0)
        self._room = segment_bytes
        self.replenish()

    def prepare(self, event: CallEvent) -> bytes:
        """The line of an event. What cannot be written as JSON is left out rather than the event."""
        payload, event = encoded(event)
        if len(payload) > LONGEST:
            payload, _ = encoded(msgspec.structs.replace(event, raw_usage=None, tags=None))
        return frame(payload)

    def put(self, line: bytes) -> None:
        """Write a line.

        Raises:
            UnsyncedError: it is kept, and the system does not confirm that it is on the disk.
            OSError: it could not be kept, neither here nor in the reserve.
        """
        size = len(line)
        if self._room < size:
            self._rotate()
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            self._retry(line, 0, error)
        else:
            if written != size:
                self._retry(line, written, None)
        self._room -= size
        if self._synced:
            self._sync()

    def _sync(self) -> None:
        try:
            system.sync(self._descriptor)
        except OSError as error:
            self.unsynced += 1
            raise UnsyncedError(error.errno, error.strerror) from error

    def _retry(self, line: bytes, written: int, error: OSError | None) -> None:
        """Truncate a torn line away and write it to the reserve."""
        if written:
            self._cut(os.lseek(self._descriptor, 0, os.SEEK_CUR) - written)
        full = error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.replenish()
        if self._reserve < 0 or len(line) + _HEADER_BYTES > self._reserve_bytes:
            raise full
        self._switch()
        if os.write(self._descriptor, line) != len(line):
            raise full

    def _cut(self, size: int) -> None:
        # A line that cannot be cut away stays torn: readers find the next one all the same.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, size)
            os.lseek(self._descriptor, size, os.SEEK_SET)

    def _rotate(self) -> None:
        """Begin the next segment; where there is no room for one, go on in this one for a while."""
        self.replenish()
        if self._reserve >= 0:
            self._switch()
            self.replenish()
        else:
            self._room = max(self._reserve_bytes, LONGEST)

    def _switch(self) -> None:
        self._cut(os.lseek(self._descriptor, 0, os.SEEK_CUR))
        os.close(self._descriptor)
        self._descriptor, self._reserve = self._reserve, -1
        self._number += 1
        self._room = self._segment_bytes

    def replenish(self) -> None:
        """Allocate the reserve anew, if it was used and there is room again."""
        if self._reserve < 0:
            with contextlib.suppress(OSError):
                self._reserve = self._create(self._number + 1, room=self._reserve_bytes)

    def _create(self, number: int, *, room: int) -> int:
        path = layout.segment_path(self._directory, self._journal, number)
        descriptor = os.open(path, system.CREATE, system.PRIVATE)
        try:
            header = frame(_encode(Header(journal=self._journal, segment=number)))
            if os.write(descriptor, header) != len(header):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - as the next write would say
            if room:
                system.allocate(descriptor, room)
                os.lseek(descriptor, len(header), os.SEEK_SET)
            if self._synced:
                system.sync(descriptor)
                system.sync_directory(self._directory)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return descriptor

    @property
    def reserve_left(self) -> int:
        """Bytes that are allocated for a full disk."""
        return self._reserve_bytes if self._reserve >= 0 else 0

    def end(self) -> layout.Mark:
        """The place behind the last line, by the kernel's account: an interrupted `put` cannot make it wrong."""
        return layout.Mark(self._number, os.lseek(self._descriptor, 0, os.SEEK_CUR))

    def read(self, mark: layout.Mark, end: layout.Mark, *, limit: int) -> Batch:
        """At most `limit` events between two places."""
        return read_batch(self._directory, self._journal, mark, end=end, limit=limit)

    def releasable(self, mark: layout.Mark) -> bool:
        """Whether `release` would delete anything."""
        return self._oldest < min(mark.segment, self._number)

    def release(self, mark: layout.Mark) -> None:
        """Delete the segments before `mark`, which the ledger has made safe."""
        self._oldest = max(self._oldest, min(mark.segment, self._number))
        for number in layout.segments(self._directory, self._journal):
            if number < min(mark.segment, self._number):
                with contextlib.suppress(OSError):
                    layout.segment_path(self._directory, self._journal, number).unlink()

    def close(self, *, remove: bool) -> None:
        """Close the files, and delete them if nothing in them is needed."""
        self._cut(os.lseek(self._descriptor, 0, os.SEEK_CUR))
        used = self._number
        self.abandon()
        for number in layout.segments(self._directory, self._journal):
            if remove or number > used:
                layout.segment_path(self._directory, self._journal, number).unlink(missing_ok=True)

    def abandon(self) -> None:
        """Close the descriptors and nothing else, as a forked child must."""
        for descriptor in (self._descriptor, self._reserve):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._reserve = -1
