"""Reads an answer that tells of things paid for earlier: background work, batches, runs. Imports core and extraction only.

Stands where an `Observation` stands. The request itself is free: no call is opened, nothing is reserved, and whatever goes wrong
here, the SDK's own object goes back to the user.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from farebox.core import semconv
from farebox.core.event import CallRequest, Told
from farebox.core.guard import contained
from farebox.instruments.hook import Endpoint, Found, Pieces, Place, Reading
from farebox.instruments.observation import usage_of
from farebox.instruments.reading import decode
from farebox.instruments.sending import Sending


class Fetching:
    """One request for what was paid for earlier.

    Args:
        endpoint: a row with `told`.
        names: the ids in its path.
        place: who bills, and where it is sent.
        tell: what learns of each thing.

    Attributes:
        says_nothing, lines, attempts, pieces, last, probe, quiet, kept, said, hides, release, sending: as for an `Observation`.
    """

    __slots__ = (
        "__weakref__",
        "_collector",
        "_endpoint",
        "_names",
        "_place",
        "_tell",
        "attempts",
        "hides",
        "kept",
        "last",
        "pieces",
        "probe",
        "quiet",
        "release",
        "said",
        "sending",
        "settled",
    )

    says_nothing = False
    call = None

    def __init__(self, endpoint: Endpoint, names: tuple[str, ...], place: Place, tell: Callable[[Told], None]) -> None:
        self._endpoint = endpoint
        self._names = names
        self._place = place
        self._tell = tell
        self._collector: Pieces | None = None
        self.attempts = 1
        self.hides = False
        self.kept: deque[Any] = deque(maxlen=0)
        self.last: Any = None
        self.pieces = 0
        self.probe: Any = id
        self.quiet: Any = None
        self.release: Callable[[], None] | None = None
        self.said: Callable[[Any], Any] = type
        self.sending: Sending | None = None
        self.settled = False

    @property
    def lines(self) -> bool:
        """Whether the answer is a file of JSON lines."""
        return self._endpoint.lines

    # --- one answer

    def answer(self, answer: Any) -> None:
        """The whole answer, parsed."""
        self._read(answer)
        self._end()

    def text(self, text: str | bytes, headers: Any = None) -> None:  # noqa: ARG002 - as for an Observation
        """The whole answer, as JSON or as a file of JSON lines; a file that is none says nothing."""
        content = text.encode() if isinstance(text, str) else text
        if not self._endpoint.lines:
            self._read(decode(content, self._endpoint.answer))
        elif content.startswith(b"{"):
            for line in content.splitlines():
                if b'"usage"' in line:
                    self._read(self.decoded(line))
        self._end()

    def decoded(self, data: bytes) -> Any:
        """One line or event of a stream of bytes."""
        return decode(data, self._endpoint.answer) if self._endpoint.lines else msgspec.json.decode(data)

    def words(self, text: str) -> None:
        """A file whose content is no JSON by its type: it may be a file of lines all the same."""
        self.text(text)

    def opaque(self) -> None:
        """An answer that says nothing."""
        self._end()

    def unread(self) -> None:
        """The answer could not be looked at."""
        self._end()

    def keep(self, answer: Any) -> None:
        """Nothing is parsed further."""

    def failed(self, error: BaseException) -> None:  # noqa: ARG002 - what was told until then stays told
        """The request, or its stream, raised."""
        self.left()

    # --- a stream

    def begin(self) -> None:
        """Get ready for the pieces of a stream."""
        if self._endpoint.pieces is not None:
            self._collector = self._endpoint.pieces(self._endpoint.answer, ())
            self.probe, self.quiet = self._collector.probe, self._collector.quiet

    def note(self, piece: Any) -> bool:
        """Look at a piece; it is always handed on."""
        if self._collector is not None:
            contained("read a chunk", self._collector.note, piece)
        else:
            contained("read a line", self._read, piece)
        return False

    def exhausted(self) -> None:
        """The stream came to its end."""
        self.left()

    def left(self) -> None:
        """The stream ended, or was closed, dropped or forgotten."""
        if self._collector is not None and not self.settled:
            contained("read a stream", self._finish, self._collector)
        self._end()

    def _finish(self, collector: Pieces) -> None:
        reading = collector.reading(self.last, ended=True)
        if reading.key is not None and reading.usage is not None:
            self._tell_of(reading)

    # --- what was found

    def _read(self, answer: Any) -> None:
        told = self._endpoint.told
        found: Found = () if told is None else told(answer, self._names)
        for reading in found:
            if reading.key is not None:
                self._tell_of(reading)

    def _tell_of(self, reading: Reading) -> None:
        endpoint, place = self._endpoint, self._place
        api = reading.api or endpoint.api
        operation = semconv.OPERATION_OF.get(api.removeprefix(semconv.API_BATCHED), endpoint.operation)
        usage = contained("extract usage", usage_of, reading, api=api, provider=place.provider)
        request = CallRequest(
            provider=place.provider,
            operation=operation,
            api=api,
            model=reading.model,
            server_address=place.address,
            extra=place.extra,
        )
        told = Told(
            key=str(reading.key),
            request=request,
            usage=usage,
            model=reading.model,
            response_id=reading.id,
            created=reading.created,
            group=reading.group,
            pending=reading.pending,
            void=reading.void,
            status=semconv.STATUS_ERROR if reading.void else semconv.STATUS_OK,
        )
        contained("tell of a thing", self._tell, told)

    def _end(self) -> None:
        self.settled = True
        release, self.release = self.release, None
        if release is not None:
            contained("release a response", release)
