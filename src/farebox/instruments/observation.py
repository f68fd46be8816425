"""Reads one response or stream into its Call and ends it, once. Imports core and extraction only.

Every step is contained: whatever goes wrong here, the SDK's own object goes back to the user and the call is settled.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.event import CallRequest
from farebox.core.guard import attempt, contained
from farebox.core.metering import Call
from farebox.core.usage import Count, Usage
from farebox.extraction.read import read as read_usage
from farebox.instruments import outcome
from farebox.instruments.hook import Endpoint, Pieces, Reading
from farebox.instruments.pieces import bare, words
from farebox.instruments.reading import decode, header, read
from farebox.instruments.sending import Sending

_UNSEEN: Final = object()
"""What no probe ever gives: the first piece of a stream is always noted."""

HEARD: Final = 128
"""Pieces of a stream whose text is kept, the latest: the whole is reckoned by them. 150 kB at most for each open stream."""

_ALL: Final = Fraction(1)
_NOTHING: Final[deque[Any]] = deque(maxlen=0)

_open: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""Streams and connections that have not ended. The interpreter runs no finaliser for them at its exit."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open.clear)


class Observation:
    """One metered call, from its opening to its end. It keeps nothing of the request's content.

    Args:
        endpoint: where it goes.
        body: the request's body; the hosted tools that it asks for are noted, nothing else is kept.

    Attributes:
        attempts: how often the request was sent, where the answer says so.
        pieces: pieces of the stream that arrived, counted by the loop that hands them on.
        kept: what holds the text of the latest of them.
        last: the last of them.
        probe: looks at a piece, see `Pieces`.
        quiet: what the probe gives for pieces that say nothing.
        said: gets from a piece what holds its text.
        hides: whether a chunk with usage alone was asked for by us, and is not handed on.
        release: called when the call has ended.
        sending: what was learned while it was sent.
    """

    __slots__ = (
        "__weakref__",
        "_asked",
        "_call",
        "_collector",
        "_derived",
        "_endpoint",
        "_kept",
        "_process",
        "_provider",
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
    )

    def __init__(self, endpoint: Endpoint, body: Any) -> None:
        self._call: Call | None = None
        self._collector: Pieces | None = None
        self._endpoint = endpoint
        self._asked = () if endpoint.answer.asked is None else endpoint.answer.asked(body)
        self._derived: dict[str, Count] | None = None
        self._kept: Any = None
        self._process = 0
        self._provider: str | None = None
        self.attempts = 1
        self.hides = False
        self.kept: deque[Any] = _NOTHING
        self.last: Any = None
        self.pieces = 0
        self.probe: Any = bool
        self.quiet: Any = _UNSEEN
        self.release: Callable[[], None] | None = None
        self.said: Callable[[Any], Any] = type
        self.sending: Sending | None = None

    def watches(self, call: Call, request: CallRequest) -> None:
        """The call was opened: from here on it will be settled, whatever happens."""
        self._call = call
        self._provider = request.provider
        self._derived = request.units if self._endpoint.exact else None

    @property
    def call(self) -> Call | None:
        """The call that is watched, until it ends."""
        return self._call

    @property
    def says_nothing(self) -> bool:
        """Whether the answer is no JSON and says nothing."""
        return self._endpoint.opaque

    @property
    def lines(self) -> bool:
        """Whether the answer is a file of JSON lines."""
        return self._endpoint.lines

    # --- one answer

    def answer(self, answer: Any) -> None:
        """The whole answer, parsed. A fault in reading it goes to the caller."""
        self._settle(semconv.STATUS_OK, read(answer, self._endpoint.answer, self._asked))

    def text(self, text: str | bytes, headers: Any = None) -> None:
        """The whole answer, as JSON, with the response's headers. A fault in reading it goes to the caller."""
        row = self._endpoint.answer
        reading = read(decode(text, row), row, self._asked)
        if row.tier_header is not None and reading.tier is None:
            reading.tier = header(headers, row.tier_header)
        self._settle(semconv.STATUS_OK, reading)

    def decoded(self, data: bytes) -> Any:
        """One event of a stream of bytes."""
        return msgspec.json.decode(data)

    def words(self, text: str) -> None:
        """The whole answer, a text and no JSON."""
        units = self._derived if self._endpoint.text is None else self._endpoint.text(text, self._derived)
        self._settle(semconv.STATUS_OK, Reading(units=units, rough=True))

    def opaque(self) -> None:
        """The whole answer, of a kind that says nothing."""
        self._settle(semconv.STATUS_OK, Reading(units=self._derived))

    def unread(self) -> None:
        """The answer is there and could not be looked at, by a fault of ours."""
        self._settle(semconv.STATUS_OK, Reading(whole=False))

    def keep(self, answer: Any) -> None:
        """Hold on to an answer that the SDK parses further, which may raise."""
        self._kept = answer

    def failed(self, error: BaseException) -> None:
        """The call, or its stream, raised."""
        streaming = self._collector is not None
        ended = contained("classify an error", outcome.of, error, streaming=streaming, pieces=self.pieces)
        ended = ended or outcome.Outcome(semconv.STATUS_ERROR)
        answer = ended.answer if self._kept is None else self._kept
        if answer is not None:
            reading = contained("read an answer", read, answer, self._endpoint.answer, self._asked)
        else:
            reading = self._seen()
        self._settle(ended.status, reading or Reading(whole=False), ended)

    # --- a stream

    def begin(self) -> None:
        """Get ready for the pieces of a stream."""
        if self._endpoint.pieces is not None:
            self._collector = self._endpoint.pieces(self._endpoint.answer, self._asked)
            self.probe = self._collector.probe
            if self._collector.said is not None:
                self.said, self.kept = self._collector.said, deque(maxlen=HEARD)
        self._process = os.getpid()
        _open.add(self)

    def note(self, piece: Any) -> bool:
        """Look at a piece that may say something; True when it is not to be handed on."""
        collector, call = self._collector, self._call
        if self.quiet is _UNSEEN:
            self.quiet = None if collector is None else collector.quiet
            if call is not None:
                contained("mark the first chunk", call.first_chunk)
        if collector is not None and call is not None:
            contained("read a chunk", collector.note, piece)
            self._hear(piece)
        return self.hides and bool(contained("read a chunk", bare, piece))

    def _hear(self, piece: Any) -> None:
        """Keep the text of a piece that is not of the commonest kind: the loop keeps the others'."""
        if self.kept is not _NOTHING:
            said = attempt(self.said, piece, on_error=lambda _error: None)
            if said is not None:
                self.kept.append(said)

    def _text(self) -> tuple[str | None, Fraction]:
        """What was heard, and how many times more arrived; only wanted where usage did not come."""
        kept = self.kept
        if not kept:
            return None, _ALL
        return words(kept), _ALL if len(kept) < HEARD else Fraction(max(self.pieces, HEARD), HEARD)

    def exhausted(self) -> None:
        """The stream came to its end."""
        self._settle(semconv.STATUS_OK, self._seen(ended=True))

    def left(self) -> None:
        """The stream was closed, dropped or forgotten; no matter once its usage is whole."""
        if self._process and self._process != os.getpid():
            self._call = None  # a copy that a fork made: the parent has the stream, and its end
            return
        reading = self._seen()
        self._settle(semconv.STATUS_OK if reading.whole else semconv.STATUS_ABANDONED, reading)

    def _seen(self, *, ended: bool = False) -> Reading:
        if self._collector is None:
            return Reading(whole=False)
        return contained("read a stream", self._collector.reading, self.last, ended=ended) or Reading(whole=False)

    # --- the end

    @property
    def settled(self) -> bool:
        """Whether the call has ended."""
        return self._call is None

    def _settle(self, status: str, reading: Reading, ended: outcome.Outcome | None = None) -> None:
        call, self._call = self._call, None
        if call is None:
            return
        sent = self.sending
        text, share = None, _ALL
        if self.kept is not _NOTHING:
            if not reading.whole:
                text, share = contained("hear a stream", self._text) or (None, _ALL)
            self.kept = _NOTHING
        usage = contained("extract usage", self._usage, reading)
        if usage is None and ended is None and self._derived and not reading.pending:
            usage = Usage(units=self._derived)  # a reader who leaves early is billed all the same
        call.settle(
            usage,
            status=semconv.STATUS_ERROR if reading.void else status,
            error_type=ended.error_type if ended else None,
            model=reading.model,
            response_id=reading.id,
            attempts=max(self.attempts, 1 if ended is None else ended.attempts, 1 if sent is None else sent.attempts),
            unanswered=0 if sent is None else sent.unanswered,
            billable=not reading.void and (ended is None or ended.billable or reading.usage is not None),
            partial=reading.usage is not None and not reading.whole,
            pieces=self.pieces,
            text=text,
            share=share,
            rough=reading.rough,
            key=reading.key,
            created=reading.created,
            group=reading.group,
            pending=reading.pending,
        )
        release, self.release = self.release, None
        if release is not None:
            contained("release a response", release)

    def _usage(self, reading: Reading) -> Usage | None:
        return usage_of(reading, api=self._endpoint.api, provider=self._provider)

    def __del__(self) -> None:
        """What nobody holds any more was left."""
        if self._call is not None:
            contained("settle a dropped stream", self.left)


def usage_of(reading: Reading, *, api: str, provider: str | None) -> Usage | None:
    """What a reading says was used: its usage object, with the units that the answer shows beside it; None when it says nothing."""
    if reading.usage is None:
        return Usage(units=reading.units) if reading.units else None
    usage = read_usage(
        reading.usage,
        api=api,
        provider=provider,
        service_tier=reading.tier,
        tool_calls=reading.tool_calls,
        tools=reading.tools,
    )
    if reading.units:
        units = {name: count for name, count in {**usage.units, **reading.units}.items() if count}
        usage = msgspec.structs.replace(usage, units=units)
    return usage


def settle_at_exit(seen: Any) -> None:
    """Call `seen.left()` when the interpreter exits, unless nobody holds it any more."""
    _open.add(seen)


def settle_open() -> None:
    """End every stream and connection that is still open: for the interpreter's exit."""
    for seen in list(_open):
        contained("settle at exit", seen.left)
