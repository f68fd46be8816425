"""The framing of a journal: how one event becomes one line, and how lines are found again after damage. Imports nothing of farebox.

A line is `RS length checksum payload LF`: a record separator (0x1E), the payload's length and CRC-32 as eight hexadecimal digits
each, JSON, and a line feed for human eyes. JSON escapes control characters, so a record separator never stands inside a payload:
after damage the next line is found by looking for the next separator, as in JSON text sequences (RFC 7464).
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Iterator
from typing import Final

MARK: Final = b"\x1e"
LONGEST: Final = 1 << 24
"""Longest payload, in bytes. A line that claims more is damaged."""

_HEAD: Final = 17


def frame(payload: bytes) -> bytes:
    """The line that carries `payload`."""
    return b"\x1e%08x%08x%b\n" % (len(payload), crc32(payload), payload)


def scan(data: bytes, *, final: bool) -> Iterator[tuple[int, int, bytes | None]]:
    """Every line of `data`, and every stretch of damage, in order.

    Args:
        data: bytes of a segment, from the start of a line.
        final: whether nothing will follow `data`. If False, what may be the beginning of a longer line is left unread.

    Yields:
        (start, end, payload) for a good line, (start, end, None) for damage. Zeros that fill the rest of final data are space
        allocated and not yet used: neither.
    """
    at, damage, size = 0, -1, len(data)
    while at < size:
        end, checksum = _claim(data, at)
        if end > size and not final:
            return  # cut by the end of the chunk: read on from here, with more data
        if end <= size and crc32(payload := data[at + _HEAD : end]) == checksum:
            if damage >= 0:
                yield damage, at, None
                damage = -1
            after = end + 1 if data[end : end + 1] == b"\n" else end
            yield at, after, payload
            at = after
            continue
        damage = at if damage < 0 else damage
        at = data.find(MARK, at + 1)
        if at < 0:
            break
    if damage >= 0 and final and data[damage:].strip(b"\0"):
        yield damage, size, None


def count_lines(damage: bytes) -> int:
    """How many lines a stretch of damage held, judging by its separators; at least one."""
    return max(1, damage.count(MARK))


def _claim(data: bytes, at: int) -> tuple[int, int]:
    """Where the payload of the line at `at` ends by its own account (perhaps beyond `data`), and its checksum.

    A checksum that no payload has, -1, where no line starts.
    """
    if data[at] != MARK[0]:
        return at, -1
    if at + _HEAD > len(data):
        return at + _HEAD, -1
    try:
        length, checksum = int(data[at + 1 : at + 9], 16), int(data[at + 9 : at + _HEAD], 16)
    except ValueError:
        return at, -1
    return (at + _HEAD + length, checksum) if 0 <= length <= LONGEST else (at, -1)
