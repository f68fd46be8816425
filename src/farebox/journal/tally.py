"""How many lines a journal was given, and how many of them were read: what tells that some are missing. Imports journal's own parts.

Damage in the middle of a segment shows itself. A tail that was cut away, or a file that is gone, leaves nothing to see: only a count
that was kept elsewhere tells. It stands in the first slot of the table of calls in flight, in memory that outlives the process.
"""

from __future__ import annotations

import struct
from binascii import crc32
from mmap import mmap
from typing import Final

from farebox.journal.layout import Mark
from farebox.journal.reader import Batch

_APPENDED_AT: Final = 16
_APPENDED: Final = struct.Struct("@QQ")
"""The number and its complement, each stored at once by the processor: killed in between, the two do not agree."""
_pack_into: Final = _APPENDED.pack_into
_ALL_ONES: Final = (1 << 64) - 1

_READ_AT: Final = _APPENDED_AT + _APPENDED.size
_READ: Final = struct.Struct("<QQQ")
_CHECK: Final = struct.Struct("<I")
_END: Final = _READ_AT + _READ.size + _CHECK.size


class Tally:
    """The count of a journal that is being written. Not thread-safe: `Journal` holds the lock.

    Args:
        page: where it is kept beyond the death of the process; None: nowhere.

    Attributes:
        appended: lines that were appended.
        missing: lines that had been appended when reading caught up, and were not there.
    """

    def __init__(self, page: mmap | None) -> None:
        self._page = page
        self.appended = self.missing = 0
        self._mark: Mark | None = Mark(0, 0)
        self._read = 0
        self._note_appended()
        self._note_read()

    def count(self) -> None:
        """One more line was appended."""
        self.appended = count = self.appended + 1
        if (page := self._page) is not None:
            _pack_into(page, _APPENDED_AT, count, count ^ _ALL_ONES)

    def follow(self, batch: Batch) -> int:
        """A batch was read and is in the ledger; returns how many lines are now known to be missing that were not before."""
        lines = self._read + len(batch.events) if batch.begin == self._mark else None
        found = 0
        if batch.appended is not None:
            if lines is not None:
                found = max(0, batch.appended - lines)
                # An interrupt between a write and its count leaves the count behind: the lines themselves are right.
                self.appended += max(0, lines - batch.appended)
                self._note_appended()
            self._mark, self._read = batch.mark, max(batch.appended, lines or 0)
        elif lines is not None:
            self._mark, self._read = batch.mark, lines
        else:
            # Read from an earlier place anew, because the ledger was replaced: not known until reading has caught up.
            self._mark = None
        self._note_read()
        self.missing += found
        return found

    def leave(self) -> None:
        """The page is about to be closed, or is the parent's of a forked child."""
        self._page = None

    def _note_appended(self) -> None:
        if self._page is not None:
            _pack_into(self._page, _APPENDED_AT, self.appended, self.appended ^ _ALL_ONES)

    def _note_read(self) -> None:
        if self._page is not None:
            read = b"" if self._mark is None else _READ.pack(*self._mark, self._read)
            checked = read + _CHECK.pack(crc32(read)) if read else b""
            self._page[_READ_AT:_END] = checked.ljust(_END - _READ_AT, b"\xff")


def unread(page: bytes) -> tuple[Mark, int] | None:
    """What a dead process's page says: a place, and how many lines were appended behind it; None when it does not say."""
    if len(page) < _END:
        return None
    appended, complement = _APPENDED.unpack_from(page, _APPENDED_AT)
    read = page[_READ_AT : _READ_AT + _READ.size]
    (checksum,) = _CHECK.unpack_from(page, _READ_AT + _READ.size)
    if appended ^ _ALL_ONES != complement or crc32(read) != checksum:
        return None
    segment, offset, lines = _READ.unpack(read)
    return Mark(segment, offset), appended - lines
