"""Reads usage out of bytes that the caller reads itself: server-sent events, AWS event streams, plain JSON. Imports core and msgspec only."""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any, Final

import msgspec

from farebox.core.guard import attempt, contained
from farebox.instruments.fetching import Fetching
from farebox.instruments.observation import Observation
from farebox.instruments.pieces import bare

_USAGE: Final = b'"usage'
"""Also `"usageMetadata"`, Google's."""

_DONE: Final = b"[DONE]"
_BLANK: Final = re.compile(rb"\r?\n\r?\n")
"""What ends a server-sent event."""
_PRELUDE: Final = 12
_CHECKSUM: Final = 4


class Scanner:
    """Stands where an `Observation` stands in the loop over a stream, with bytes for pieces.

    Args:
        seen: the observation that learns of the events in the bytes.
        content_type: of the response; decides how the bytes are framed.
    """

    __slots__ = ("_buffer", "_frames", "_seen", "kept", "last", "pieces", "probe", "quiet", "said")

    def __init__(self, seen: Observation | Fetching, content_type: str) -> None:
        self._seen = seen
        self._buffer = bytearray()
        self._frames = _json_lines if seen.lines else _frames_of(content_type)
        self.pieces = 0
        self.last: Any = None
        self.probe: Any = bool
        self.quiet: Any = None
        self.said: Any = type
        self.kept: deque[Any] = deque(maxlen=0)

    def note(self, chunk: bytes) -> bool:
        """Take in the next bytes; all of them are handed on."""
        if self._seen.says_nothing:
            return False
        self._buffer += chunk
        if self._frames is not None:
            contained("scan a stream", self._scan, self._frames)
        return False

    def exhausted(self) -> None:
        """The bytes came to their end."""
        if self._seen.says_nothing:
            self._seen.opaque()
        elif self._frames is None:
            whole = self._seen.text if self._buffer.lstrip()[:1].decode("latin-1") in "{[" else self._words
            contained("read an answer", whole, bytes(self._buffer))
            self._seen.unread()
        else:
            self._buffer += b"\n"  # an event that the server did not end
            contained("scan a stream", self._scan, self._frames)
            self._seen.exhausted()

    def failed(self, error: BaseException) -> None:
        """Reading raised."""
        self._seen.failed(error)

    def left(self) -> None:
        """The caller stopped reading."""
        self._seen.left()

    def _words(self, content: bytes) -> None:
        self._seen.words(content.decode("utf-8", "replace"))

    def _scan(self, frames: Any) -> None:
        seen = self._seen
        for data in frames(self._buffer):
            seen.pieces += 1
            if data == _DONE:  # the reader may stop here, and leave the connection's end unread
                seen.exhausted()
                return
            if _USAGE in data:
                seen.last = event = seen.decoded(data)
                seen.note(event)
            elif seen.pieces == 1:
                seen.note({})


def _frames_of(content_type: str) -> Any:
    if "amazon.eventstream" in content_type:
        return _aws_frames
    return _lines if "event-stream" in content_type else None


def _lines(buffer: bytearray) -> Iterator[bytes]:
    """Take the whole `data:` lines off the front of `buffer`. An event of several data lines is none that the providers send."""
    start = 0
    while (end := buffer.find(b"\n", start)) >= 0:
        line = bytes(buffer[start:end])
        start = end + 1
        if line.startswith(b"data:"):
            yield line[5:].strip()
    del buffer[:start]


def _json_lines(buffer: bytearray) -> Iterator[bytes]:
    """Take the whole lines off the front of a file of JSON lines; of any other file nothing is kept."""
    start = 0
    while (end := buffer.find(b"\n", start)) >= 0:
        line = bytes(buffer[start:end])
        start = end + 1
        if line.startswith(b"{"):
            yield line
    if start == 0 and not buffer.startswith(b"{"):
        start = len(buffer)
    del buffer[:start]


def _aws_frames(buffer: bytearray) -> Iterator[bytes]:
    """Take whole frames off the front: lengths, headers, payload, checksum; the payload is the event, or holds it in base64 (`invoke`).

    https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html describes the frame.
    """
    while len(buffer) >= _PRELUDE:
        total = int.from_bytes(buffer[:4], "big")
        headers = int.from_bytes(buffer[4:8], "big")
        if total < _PRELUDE + headers + _CHECKSUM or len(buffer) < total:
            return
        payload = bytes(buffer[_PRELUDE + headers : total - _CHECKSUM])
        del buffer[:total]
        content = msgspec.json.decode(payload) if payload else None
        if isinstance(content, dict):
            event = content.get("bytes")
            yield base64.b64decode(event) if isinstance(event, str) else payload


def without_bare(source: Generator[bytes, Any, None]) -> Generator[bytes, None, None]:
    """The bytes of a chat stream without the chunk that `include_usage` adds: for those who read lines, and did not ask for it."""
    cut = _Cut()
    try:
        for chunk in source:
            if kept := cut.take(chunk):
                yield kept
        if cut.rest:
            yield bytes(cut.rest)
    finally:
        source.close()


async def without_bare_async(source: AsyncGenerator[bytes, Any]) -> AsyncGenerator[bytes, None]:
    """`without_bare` for asynchronous streams."""
    cut = _Cut()
    try:
        async for chunk in source:
            if kept := cut.take(chunk):
                yield kept
        if cut.rest:
            yield bytes(cut.rest)
    finally:
        await source.aclose()


class _Cut:
    """Cuts the events that carry usage alone out of server-sent bytes; whole events are handed on."""

    def __init__(self) -> None:
        self.rest = bytearray()

    def take(self, chunk: bytes) -> bytes:
        """What may be handed on once `chunk` has come."""
        self.rest += chunk
        kept = bytearray()
        while (end := _BLANK.search(self.rest)) is not None:
            event = bytes(self.rest[: end.end()])
            del self.rest[: end.end()]
            if not (_USAGE in event and attempt(_is_bare, event, on_error=lambda _odd: False)):
                kept += event
        return bytes(kept)


def _is_bare(event: bytes) -> bool:
    data = b"".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
    return bare(msgspec.json.decode(data))
