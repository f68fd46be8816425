"""The table of calls in flight: a memory-mapped file that outlives a killed process. Imports core and journal's own parts.

The first slot has the title and the journal's tally. Each other one holds the event that its call becomes if the process dies now:
one state byte, the payload's length and CRC-32, and the payload; the state byte is written last, so that a slot is either whole or free.
"""

from __future__ import annotations

import mmap
import os
import struct
from binascii import crc32
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.errors import LedgerError
from farebox.core.event import CallEvent
from farebox.journal import system

SLOT: Final = 512
"""Bytes of a slot."""

_TITLE: Final = b"farebox slots 2\n"
_READABLE: Final = (b"", b"farebox slots 1\n", _TITLE)
"""What may stand at the beginning; the first format had no tally behind it."""
_HEAD: Final = struct.Struct("<BxHI")
_ROOM: Final = SLOT - _HEAD.size
_FREE: Final = 0
_TAKEN: Final = 1

SHED: Final[tuple[tuple[str, ...], ...]] = (
    ("raw_usage", "units", "tags"),
    ("server_address", "service", "route_reason", "trace_id", "span_id", "baseline_model", "price_book", "response_id"),
    ("session_id", "chain_id", "workspace_id", "user_id", "response_model", "parent_id", "error_type", "service_tier"),
    ("budget", "task_type", "tenant_id", "request_model", "api"),
)
"""What an event that is too large for its slot goes without, step by step. A name is left out, never cut short: half of a
tenant's name would charge somebody else."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(CallEvent).decode


class Slots:
    """The table that this process writes.

    Args:
        path: its file, which must not exist.
        count: how many calls may be in flight at once.

    Raises:
        OSError: there is no room for it.
    """

    def __init__(self, path: Path, count: int) -> None:
        self._path = path
        self._count = count
        size = SLOT * (count + 1)
        descriptor = os.open(path, system.CREATE, system.PRIVATE)
        try:
            system.allocate(descriptor, size)
            self._map = mmap.mmap(descriptor, size)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        self._map[: len(_TITLE)] = _TITLE
        # Appends and pops of a deque are atomic by its documentation, also without a GIL; a finaliser cannot interrupt them.
        self._free = deque(range(SLOT, size, SLOT))

    def occupy(self, event: CallEvent) -> int:
        """Write the event into a free slot.

        Returns:
            The slot's place in the file, or -1: none is free, or the event fits in none.
        """
        payload = _fitting(event)
        try:
            at = self._free.popleft()
        except IndexError:
            return -1
        if not payload:
            self._free.append(at)
            return -1
        start = at + _HEAD.size
        self._map[start : start + len(payload)] = payload
        _HEAD.pack_into(self._map, at, _FREE, len(payload), crc32(payload))
        self._map[at] = _TAKEN
        return at

    def rename(self, slot: int, before: str, after: str) -> None:
        """Put another id of the same length into a slot that is taken. A process that dies in here leaves a damaged slot, counted."""
        length = _HEAD.unpack_from(self._map, slot)[1]
        start = slot + _HEAD.size
        payload = self._map[start : start + length].replace(before.encode(), after.encode(), 1)
        if self._map[slot] == _TAKEN and len(payload) == length:
            self._map[start : start + length] = payload
            _HEAD.pack_into(self._map, slot, _TAKEN, length, crc32(payload))

    def vacate(self, slot: int) -> None:
        """Free a slot that `occupy` returned; a slot that is free already is left alone."""
        if self._map[slot] == _TAKEN:
            self._map[slot] = _FREE
            self._free.append(slot)

    @property
    def occupied(self) -> int:
        """How many calls are in flight."""
        return self._count - len(self._free)

    @property
    def page(self) -> mmap.mmap:
        """The memory whose first slot has room for the journal's tally."""
        return self._map

    def close(self, *, remove: bool) -> None:
        """Unmap the file, and delete it if no call is in flight any more."""
        self._map.close()
        if remove:
            self._path.unlink(missing_ok=True)


def first_slot(path: Path) -> bytes:
    """The title of a table, and what stands behind it.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(SLOT)


def left_behind(path: Path) -> Iterator[CallEvent | None]:
    """The calls that were in flight when the table's process died, as events; None for a slot that cannot be read.

    Raises:
        LedgerError: a newer farebox wrote the table.
        OSError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    if content[: len(_TITLE)].strip(b"\0") not in _READABLE:
        raise LedgerError(f"{path} was written by a newer farebox: upgrade farebox")
    for at in range(SLOT, len(content) - SLOT + 1, SLOT):
        state, length, checksum = _HEAD.unpack_from(content, at)
        if state == _FREE:
            continue
        payload = content[at + _HEAD.size : at + _HEAD.size + length]
        if length > _ROOM or crc32(payload) != checksum:
            yield None
            continue
        try:
            yield _lost(_decode(payload))
        except msgspec.DecodeError:
            yield None


def _lost(event: CallEvent) -> CallEvent:
    known = event.cost_nano is not None
    return msgspec.structs.replace(
        event,
        status=semconv.STATUS_LOST,
        cost_status=semconv.COST_ESTIMATED if known else semconv.COST_UNPRICED,
    )


def _fitting(event: CallEvent) -> bytes:
    """The event as JSON that fits a slot; empty when nothing helps."""
    try:
        payload = _encode(event)
    except (TypeError, ValueError, OverflowError):
        payload = b""
    if 0 < len(payload) <= _ROOM:
        return payload
    changes: dict[str, Any] = {}
    for names in SHED:
        changes.update(dict.fromkeys(names))
        try:
            payload = _encode(msgspec.structs.replace(event, **changes))
        except (TypeError, ValueError, OverflowError):
            continue
        if len(payload) <= _ROOM:
            return payload
    return b""
