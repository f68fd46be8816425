"""What is said on OpenAI's websockets: realtime, responses, live, translations. Rows and their readers. Imports core only.

Contracts held by tests against openai 1.66.2, 2.54.0, 3.54.0 and 3.57.0.
"""

from __future__ import annotations

import inspect
import weakref
from decimal import Decimal
from functools import partial
from typing import Any, Final

from farebox.core import semconv
from farebox.core.guard import contained
from farebox.instruments.connections import around_connections, watch
from farebox.instruments.hook import Answer, Hook, Instrument, Reading
from farebox.instruments.openai_talk import Billed, Event, Line, Talk, decoded, value, whole
from farebox.instruments.openai_text import DECISION, RESPONSE, UNIQUE, Completion, Response, identify
from farebox.instruments.reading import member, read
from farebox.instruments.sockets import Owner, Turn

# --- answers


def _began(talk: Talk, event: Event, billed: Billed | None = None) -> None:
    """`response.created`: an answer has an id from here on. One that nobody asked for was begun by the server (voice detection)."""
    kind = billed or talk.line.turn
    reading = read(value(event.response), kind.answer)
    if talk.going(reading.id) is not None:
        return
    turn = talk.waiting(event.stream_id) if billed is None else None
    turn = turn or talk.begin(kind, model=reading.model, begun=True)
    if turn is not None:
        turn.id, turn.doubted, turn.lane = reading.id, False, event.stream_id
        turn.reading = reading
        turn.first_piece()


_STATUS: Final = {"cancelled": semconv.STATUS_CANCELLED, "failed": semconv.STATUS_ERROR}
"""Ends of an answer that are not regular. What was generated before is billed, and its usage stated."""


def _ended(talk: Talk, event: Event, billed: Billed | None = None) -> None:
    """`response.done` and its like: the answer's usage."""
    kind = billed or talk.line.turn
    answer = value(event.response)
    reading = read(answer, kind.answer)
    turn = talk.going(reading.id) or (talk.waiting(event.stream_id) if billed is None else None)
    turn = turn or talk.begin(kind, model=reading.model, begun=True)
    if turn is not None:
        turn.reading = reading
        status = _STATUS.get(member(answer, "status"), semconv.STATUS_OK)
        talk.finish(turn, status, billable=status != semconv.STATUS_ERROR)


def _refused(talk: Talk, event: Event) -> None:
    """`error`: names the message that it is about, if that had an id, or its lane."""
    error = value(event.error)
    cause = member(error, "event_id") or member(error, "client_event_id")
    waiting = [turn for turn in talk.open_turns() if turn.id is None and not turn.doubted]
    if cause is not None:
        for turn in waiting:
            if turn.event_id == cause:
                talk.finish(turn, semconv.STATUS_ERROR, billable=False)
        return
    # It may be about another message: whether it was about this turn shows when the next answer begins, or none.
    for turn in waiting[:1]:
        turn.doubted = True


def _failed(talk: Talk, event: Event) -> None:
    """`error` on a responses connection: ends what goes on in its lane; before an answer has begun, nothing is billed."""
    inside = [turn for turn in talk.open_turns() if turn.lane == event.stream_id]
    for turn in inside[:1]:
        talk.finish(turn, semconv.STATUS_ERROR, billable=turn.id is not None)


# --- what else realtime tells


def _configured(talk: Talk, event: Event) -> None:
    """`session.created` and `session.updated`: the models."""
    session = value(event.session)
    model = member(session, "model")
    if isinstance(model, str):
        talk.model = model
    sound = member(member(member(session, "audio"), "input"), "transcription") or member(
        session, "input_audio_transcription"
    )
    transcriber = member(sound, "model")
    talk.transcriber = transcriber if isinstance(transcriber, str) else None


def _transcribed(talk: Talk, event: Event) -> None:
    """The transcript of what the user said, billed at the rates of another model."""
    model = talk.transcriber or (event.model if isinstance(event.model, str) else None)
    turn = talk.begin(TRANSCRIPT, model=model or "", begun=True)
    if turn is not None:
        turn.reading = Reading(whole(event.usage), model)
        if isinstance(event.item_id, str) and len(event.item_id) >= UNIQUE:
            turn.reading.key = f"{event.item_id}/{event.content_index}"
        talk.finish(turn)


# --- live


def _session(talk: Talk, event: Event) -> Turn | None:
    """The turn that the session is; where it was not started here, it was joined."""
    turn = talk.session = talk.session or talk.begin(talk.line.turn, begun=True)
    session = value(event.session)
    identity, model = member(session, "id"), member(session, "model")
    if turn is not None:
        turn.doubted = False
        if isinstance(identity, str):
            turn.id = turn.reading.id = identity
            turn.reading.key = identity if len(identity) >= UNIQUE else None
        if isinstance(model, str):
            talk.model = turn.reading.model = model
    return turn


def _started(talk: Talk, event: Event) -> None:
    """`session.started`: it is billed by the second from here on."""
    turn = _session(talk, event)
    if turn is not None:
        turn.first_piece()


def _measured(talk: Talk, event: Event) -> None:
    """`session.usage.updated`: seconds so far; they only grow, and the most that was said counts."""
    turn = _session(talk, event)
    usage = whole(event.usage)
    if turn is not None and usage is not None:
        before = member(turn.reading.usage, "seconds") or 0
        if turn.reading.usage is None or (member(usage, "seconds") or 0) >= before:
            turn.reading.usage = usage


def _closed(talk: Talk, event: Event) -> None:
    """`session.closed`: the seconds in all."""
    _measured(talk, event)
    turn = _session(talk, event)
    if turn is not None:
        talk.finish(turn)


def _delegated(talk: Talk, event: Event) -> None:
    """`response.event`: what a model behind the session said, billed apart."""
    inner = decoded(event.event)
    if inner is not None and inner.type == "response.created":
        _began(talk, inner, ANSWER)
    elif inner is not None and inner.type in _ENDS:
        _ended(talk, inner, ANSWER)


def _decided(talk: Talk, event: Event) -> None:
    """`decision.event`: what a decision behind the session used."""
    inner = decoded(event.event)
    if inner is None:
        return
    reading = read(value(inner.decision), DECISION)
    turn = talk.begin(DECIDED, model=reading.model, begun=True)
    if turn is not None:
        turn.reading = reading
        talk.finish(turn)


# --- translations

_BYTES_A_SECOND: Final = 48_000
"""Of the sound that a translation session takes: 16 bits, mono, 24 kHz."""


def _spoken(turn: Turn, event: Event) -> None:
    """Sound that is sent to be translated: billed by its length, which the server does not state."""
    size = (len(bytes(event.audio)) - 2) * 3 // 4
    units = turn.reading.units or {}
    turn.reading.units = {semconv.SECONDS: units.get(semconv.SECONDS, 0) + Decimal(max(size, 0)) / _BYTES_A_SECOND}
    turn.reading.whole = False


def _translated(talk: Talk, event: Event) -> None:  # noqa: ARG001 - the readers' signature
    """`session.closed`: no more sound is taken."""
    if talk.session is not None:
        talk.finish(talk.session)


# --- rows

ANSWER: Final = Billed(semconv.CHAT, semconv.API_RESPONSES, RESPONSE)
SPOKEN: Final = Billed(semconv.REALTIME, semconv.API_REALTIME, Answer(Response, identify=identify))
TRANSCRIPT: Final = Billed(semconv.TRANSCRIPTION, semconv.API_TRANSCRIPTIONS, Answer(Completion))
SECONDS: Final = Billed(semconv.REALTIME, semconv.API_LIVE, Answer(Completion), units={semconv.SECONDS: 60})
"""A session has no end that is known beforehand: budgets hold its first minute."""
DECIDED: Final = Billed(semconv.DECISION, semconv.API_DECISIONS, DECISION)

_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})

_TEXT: Final = frozenset(
    {
        "response.output_text.delta",
        "response.text.delta",
        "response.output_audio_transcript.delta",
        "response.audio_transcript.delta",
        "response.function_call_arguments.delta",
        "response.refusal.delta",
    }
)

REALTIME: Final = Line(
    SPOKEN,
    "response.create",
    {
        "session.created": _configured,
        "session.updated": _configured,
        "transcription_session.created": _configured,
        "transcription_session.updated": _configured,
        "response.created": _began,
        "response.done": _ended,
        "conversation.item.input_audio_transcription.completed": _transcribed,
        "error": _refused,
    },
    pieces=_TEXT,
    body=lambda message: message.get("response") or {},
)
RESPONSES: Final = Line(
    ANSWER,
    "response.create",
    {"response.created": _began, "error": _failed, **dict.fromkeys(_ENDS, _ended)},
    pieces=_TEXT,
    spontaneous=False,
)
LIVE: Final = Line(
    SECONDS,
    "session.start",
    {
        "session.started": _started,
        "session.usage.updated": _measured,
        "session.closed": _closed,
        "response.event": _delegated,
        "decision.event": _decided,
        "error": _refused,
    },
    body=lambda message: message.get("session") or {},
    whole=True,
)


TRANSLATION: Final = Line(
    SECONDS,
    "session.input_audio_buffer.append",
    {"session.created": _configured, "session.updated": _configured, "session.closed": _translated},
    whole=True,
    measure=_spoken,
)


def _connect(line: Line, owner: Owner, connection: Any) -> None:
    """Watch the socket of an SDK's connection, and those that it replaces it by."""
    socket = connection._connection  # noqa: SLF001 - the SDK's one name for it, in every version tested
    watch(socket, Talk(owner, line, socket), connection)
    make = getattr(connection, "_make_ws", None)
    if make is None:
        return
    holder = weakref.ref(connection)

    def watched(socket: Any) -> Any:
        if (held := holder()) is not None:
            contained("watch a connection", watch, socket, Talk(owner, line, socket), held)
        return socket

    if inspect.iscoroutinefunction(make):

        async def again(*args: Any, **kwargs: Any) -> Any:
            return watched(await make(*args, **kwargs))

        connection._make_ws = again  # noqa: SLF001 - same
    else:
        connection._make_ws = lambda *args, **kwargs: watched(make(*args, **kwargs))  # noqa: SLF001 - same


CONNECTIONS: Final = (
    ("openai.resources.beta.realtime.realtime", "RealtimeConnection", REALTIME),
    ("openai.resources.realtime.realtime", "RealtimeConnection", REALTIME),
    ("openai.resources.realtime.translations.translations", "TranslationsConnection", TRANSLATION),
    ("openai.resources.responses.responses", "ResponsesConnection", RESPONSES),
    ("openai.resources.beta.responses.responses", "ResponsesConnection", RESPONSES),
    ("openai.resources.live.live", "LiveConnection", LIVE),
    ("openai.resources.live.sideband", "SidebandConnection", LIVE),
    ("openai.resources.live.forks", "ForksConnection", LIVE),
)
"""Classes that hold one connection each; older releases lack some."""

INSTRUMENT: Final = Instrument(
    name="openai_sockets",
    distribution="openai",
    package="openai",
    hooks=tuple(
        Hook(
            module,
            f"{prefix}{name}.__init__",
            metering=around_connections(partial(_connect, line)),
            only="releases with this connection",
        )
        for module, name, line in CONNECTIONS
        for prefix in ("", "Async")
    ),
)
