"""Reading events out of segments, from a place up to a place. Imports core and journal's own parts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from farebox.core.errors import LedgerError
from farebox.core.event import CallEvent
from farebox.journal import system
from farebox.journal.frame import count_lines, scan
from farebox.journal.layout import Mark, damaged_path, segment_path, segments

VERSION: Final = 1
"""Version of the segment format that this farebox writes; it reads all up to it."""

_CHUNK: Final = 1 << 19


class Header(msgspec.Struct, frozen=True, rename={"version": "farebox_journal"}):
    """The first line of each segment."""

    journal: str
    segment: int
    version: int = VERSION


class Batch(msgspec.Struct):
    """Events read from a journal.

    Attributes:
        events: in the order in which they were appended.
        mark: the place behind them; equal to the place asked for when nothing was left to read.
        damaged: stretches of bytes between them that are no events.
        begin: the place asked for.
        appended: how many lines had been appended before `mark`, where that is the end of what there was; else None.
    """

    events: list[CallEvent]
    mark: Mark
    damaged: list[bytes]
    begin: Mark
    appended: int | None = None

    @property
    def damaged_lines(self) -> int:
        """How many lines could not be read."""
        return sum(map(count_lines, self.damaged))


_decode_event: Final = msgspec.json.Decoder(CallEvent).decode
_decode_header: Final = msgspec.json.Decoder(Header).decode


def read_batch(directory: Path, journal: str, mark: Mark, *, end: Mark | None, limit: int) -> Batch:
    """At most `limit` events (a few more where a chunk ends) of a journal.

    Args:
        directory: where the journal lives.
        journal: its id.
        mark: where to begin; segments that are gone by now are passed over.
        end: where the journal's last line ends; None: at the end of its last segment, because its process is dead.
        limit: how many events are wanted.

    Raises:
        LedgerError: a segment was written by a newer farebox; nothing of it is touched.
        OSError: a segment cannot be read.
    """
    batch = Batch([], mark, [], mark)
    for number in segments(directory, journal):
        if number < mark.segment or (end is not None and number > end.segment):
            continue
        start = mark.offset if number == mark.segment else 0
        last = end.offset if end is not None and number == end.segment else None
        with _Segment(segment_path(directory, journal, number), last) as segment:
            start = segment.read(start, batch, limit)
        batch.mark = max(mark, Mark(number, start))
        if len(batch.events) >= limit:
            break
    return batch


class _Segment:
    """One segment, open for reading up to `last` (None: to its end)."""

    def __init__(self, path: Path, last: int | None) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._last = os.fstat(self._descriptor).st_size if last is None else last

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self, start: int, batch: Batch, limit: int) -> int:
        """Add events to the batch until it has `limit` of them or the end is reached; returns where it stopped."""
        size = _CHUNK
        while start < self._last and len(batch.events) < limit:
            os.lseek(self._descriptor, start, os.SEEK_SET)
            wanted = min(size, self._last - start)
            data = os.read(self._descriptor, wanted)
            # Less than wanted: the file was cut off, and nothing will follow.
            final = start + len(data) >= self._last or len(data) < wanted
            reached = self._take(data, start, batch, limit, final=final)
            if final and len(batch.events) < limit:
                return self._last
            # One stretch of damage, or one line, may be longer than the chunk.
            size = _CHUNK if reached else size * 2
            start += reached
        return start

    def _take(self, data: bytes, start: int, batch: Batch, limit: int, *, final: bool) -> int:
        reached = 0
        for at, reached, payload in scan(data, final=final):
            if payload is None:
                batch.damaged.append(data[at:reached])
            else:
                self._decode(payload, start + at, batch)
            if len(batch.events) >= limit:
                break
        return reached

    def _decode(self, payload: bytes, offset: int, batch: Batch) -> None:
        try:
            if offset == 0:
                _check_header(_decode_header(payload), self._path)
            else:
                batch.events.append(_decode_event(payload))
        except msgspec.DecodeError:
            batch.damaged.append(payload)


def _check_header(header: Header, path: Path) -> None:
    if header.version > VERSION:
        raise LedgerError(
            f"{path} was written by a newer farebox (journal version {header.version}, this one reads {VERSION}): upgrade farebox"
        )


def set_aside(directory: Path, journal: str, batch: Batch) -> None:
    """Keep the bytes that could not be read, for a person to look at.

    Raises:
        OSError: they cannot be written.
    """
    if not batch.damaged:
        return
    flags: Any = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    descriptor = os.open(damaged_path(directory, journal), flags, system.PRIVATE)
    try:
        os.write(descriptor, b"".join(piece.rstrip(b"\n") + b"\n" for piece in batch.damaged))
    finally:
        os.close(descriptor)
