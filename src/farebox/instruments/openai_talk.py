"""How OpenAI's websockets are talked on: events that have a type, and turns that they begin and end. Imports core only.

A message is decoded for its type alone: 5 µs for 32 kB of sound, a seventh of searching it for four words. Only types that have a
reader are looked into further, and nothing of their content is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec

from farebox.core import semconv
from farebox.core.guard import attempt
from farebox.core.usage import Count
from farebox.instruments import providers
from farebox.instruments.connections import handshake
from farebox.instruments.hook import Answer
from farebox.instruments.reading import member
from farebox.instruments.sockets import Conversation, Owner, Turn

NOTHING: Final = msgspec.Raw(b"null")


class Event(msgspec.Struct):
    """What may matter of a message, of either side. Raw members are read only where the type says so."""

    type: Any = None
    event_id: Any = None
    stream_id: Any = None
    item_id: Any = None
    content_index: Any = None
    response_id: Any = None
    model: Any = None
    response: msgspec.Raw = NOTHING
    session: msgspec.Raw = NOTHING
    usage: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING
    event: msgspec.Raw = NOTHING
    decision: msgspec.Raw = NOTHING
    audio: msgspec.Raw = NOTHING


_events: Final = msgspec.json.Decoder(Event)
_values: Final = msgspec.json.Decoder()

Heard: TypeAlias = "Callable[[Talk, Event], None]"


class Billed(msgspec.Struct, frozen=True):
    """What a turn is billed as: see `sockets.Kind`."""

    operation: str
    api: str
    answer: Answer
    units: dict[str, Count] | None = None


class Line(msgspec.Struct, frozen=True):
    """One kind of connection.

    Attributes:
        turn: what its turns are billed as.
        asks: type of the client's message that begins one.
        heard: readers of the server's messages, by type.
        pieces: types of messages that bring a piece of text, which are counted and not looked into.
        body: what is asked for, given the client's message.
        whole: whether the session as a whole is the turn, and only its end ends it.
        spontaneous: whether the provider may begin a turn by itself.
        measure: learns what a message of type `asks` adds to the turn, where the server does not count.
    """

    turn: Billed
    asks: str
    heard: Mapping[str, Heard]
    pieces: frozenset[str] = frozenset()
    body: Callable[[dict[str, Any]], Any] = dict
    whole: bool = False
    spontaneous: bool = True
    measure: Callable[[Turn, Event], None] | None = None


class Talk(Conversation):
    """A conversation on one connection.

    Attributes:
        line: what kind of connection it is.
        transcriber: model that writes down what the user says.
        session: the turn that the session as a whole is.
    """

    def __init__(self, owner: Owner, line: Line, socket: Any) -> None:
        address, path = handshake(socket)
        place = providers.place(None, address, own=semconv.OPENAI, options=owner.layer.options)
        query = parse_qs(urlsplit(path).query)
        super().__init__(owner, place, next(iter(query.get("model") or query.get("deployment") or ()), None))
        self.line = line
        self.spontaneous = line.spontaneous
        self.transcriber: str | None = None
        self.session: Turn | None = None

    def sending(self, message: Any) -> Turn | None:
        """A turn begins with the one type of message that asks for it."""
        event = decoded(message)
        if event is None or event.type != self.line.asks:
            return None
        if self.line.measure is not None:
            turn = self._measured(event)
        else:
            turn = self._asked(self.line.body(_values.decode(message)))
        if turn is not None:
            turn.event_id, turn.lane = event.event_id, event.stream_id
        return turn

    def _asked(self, body: Any) -> Turn | None:
        asked = member(body, "model")
        model = asked if isinstance(asked, str) else None
        turn = self.begin(self.line.turn, model=model, body=body)
        if self.line.whole:
            self.session, self.model = turn, model or self.model
        return turn

    def _measured(self, event: Event) -> Turn | None:
        """A turn is begun by the first message of its kind; the others only add to it, and whether they are sent changes nothing."""
        begun = self.begin(self.line.turn) if self.session is None else None
        self.session = self.session or begun
        if self.session is not None and self.line.measure is not None:
            self.line.measure(self.session, event)
        return begun

    def heard(self, message: str | bytes) -> None:
        """Only types that have a reader are looked into."""
        event = decoded(message)
        if event is None or not isinstance(event.type, str):
            return
        reader = self.line.heard.get(event.type)
        if reader is not None:
            reader(self, event)
        elif event.type in self.line.pieces:
            turn = self.going(event.response_id) or self._answering(event.stream_id)
            if turn is not None:
                turn.pieces += 1

    def _answering(self, lane: str | None) -> Turn | None:
        """The turn that is being answered in a lane: there is one at a time."""
        return next((turn for turn in self.open_turns() if turn.id is not None and turn.lane == lane), None)

    def waiting(self, lane: str | None) -> Turn | None:
        """The turn that an answer in this lane is for: the first that was asked for and has none yet.

        The server names no request that it answers, but answers them in order. Doubted ones come last, and those that are passed
        over are known by that to have been refused.
        """
        asked = [turn for turn in self.open_turns() if turn.id is None and turn.lane == lane]
        certain = [turn for turn in asked if not turn.doubted]
        found = certain[0] if certain else asked[-1] if asked else None
        for turn in asked if found is not None else ():
            if turn.doubted and turn is not found:
                self.finish(turn, semconv.STATUS_ERROR, billable=False)
        return found

    def going(self, identity: str | None) -> Turn | None:
        """The turn with this id."""
        return next((turn for turn in self.open_turns() if turn.id == identity), None) if identity else None


def decoded(message: Any) -> Event | None:
    """A message for its type; None for what is no JSON object."""
    if not isinstance(message, str | bytes | msgspec.Raw):
        return None
    return attempt(_events.decode, message, on_error=lambda _fault: None)


def value(raw: msgspec.Raw) -> Any:
    """A member that is looked into."""
    return _values.decode(raw)


def whole(raw: msgspec.Raw) -> dict[str, Any] | None:
    """A member that must be an object, or None."""
    found = _values.decode(raw)
    return found if isinstance(found, dict) else None
