"""What is said on Google's live connections: turns, their usage, and the hook around `connect`. Imports core only.

Usage is stated per turn, and not over the session: the prompt holds the whole conversation each time and is billed each time
(seen with gemini-3.1-flash-live-preview and gemini-2.5-flash-native-audio, https://github.com/pydantic/pydantic-ai/pull/7269). Within
a turn the last statement counts, as in a stream of `generateContent`. Contracts held by tests against google-genai 1.75.0, 2.34.0,
3.4.0 and 3.6.1. Music (`live_music`) states no usage.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.guard import attempt, contained
from farebox.core.usage import Count
from farebox.instruments import providers
from farebox.instruments.connections import handshake, watch
from farebox.instruments.google_content import model_name
from farebox.instruments.hook import Answer, Hook, Place, Reading
from farebox.instruments.reading import member
from farebox.instruments.sockets import Conversation, Owner, Turn

NOTHING: Final = msgspec.Raw(b"null")


class Asked(msgspec.Struct):
    """What may matter of a client's message; the SDK spells its members in either way."""

    client_content: msgspec.Raw = NOTHING
    realtime_input: msgspec.Raw = NOTHING
    tool_response: msgspec.Raw = NOTHING


class Content(msgspec.Struct, rename="camel"):
    """What may matter of a server's content."""

    turn_complete: Any = None
    model_turn: msgspec.Raw = NOTHING


class Message(msgspec.Struct, rename="camel"):
    """What may matter of a server's message."""

    server_content: Content | None = None
    tool_call: msgspec.Raw = NOTHING
    usage_metadata: dict[str, Any] | None = None


class _Usage(msgspec.Struct):
    usage: Any = None


class _Kind(msgspec.Struct, frozen=True):
    operation: str = semconv.REALTIME
    api: str = semconv.API_LIVE
    answer: Answer = Answer(_Usage)
    units: dict[str, Count] | None = None


LIVE: Final = _Kind()

_asked: Final = msgspec.json.Decoder(Asked)
_messages: Final = msgspec.json.Decoder(Message)
_values: Final = msgspec.json.Decoder()

_STREAMED: Final = frozenset({"audio", "video", "mediaChunks", "media_chunks", "audioStreamEnd", "audio_stream_end"})
"""Input after which the server alone decides whether, and when, a turn begins."""


class Dialogue(Conversation):
    """A conversation in turns: one is open at a time, and answers have no ids."""

    def __init__(self, owner: Owner, place: Place, model: str | None) -> None:
        super().__init__(owner, place, model)
        self._turn: Turn | None = None
        self._complete = False

    def sending(self, message: Any) -> Turn | None:
        """A turn begins with content that is complete, the result of a tool, a text, or the end of an activity."""
        asked = (
            attempt(_asked.decode, message, on_error=lambda _fault: None) if isinstance(message, str | bytes) else None
        )
        if asked is None:
            return None
        content = _values.decode(asked.client_content)
        spoken = _values.decode(asked.realtime_input) if asked.client_content == NOTHING else None
        answers = asked.tool_response != NOTHING or _says(content, "turnComplete", "turn_complete")
        if not answers and not (spoken and _STREAMED.isdisjoint(spoken) and not _begins(spoken)):
            return None
        if self._turn is not None and not self._complete and self._turn.reading.usage is None:
            return None  # more of the same turn
        self._over()
        self._turn = self.begin(LIVE, body=content or spoken)
        return self._turn

    def unsent(self, turn: Turn | None, error: BaseException) -> None:
        """Sending raised."""
        if turn is not None:
            self._turn = None
        super().unsent(turn, error)

    def heard(self, message: str | bytes) -> None:
        """Usage, the model's first words and the end of the turn are looked for."""
        said = attempt(_messages.decode, message, on_error=lambda _fault: None)
        if said is None:
            return
        content, usage = said.server_content, said.usage_metadata
        speaks = said.tool_call != NOTHING or (content is not None and content.model_turn != NOTHING)
        if speaks or usage is not None:
            self._speaks()
        if self._turn is not None and usage is not None:
            self._turn.reading = Reading(usage, self.model)
        self._complete = (
            self._complete or said.tool_call != NOTHING or bool(content is not None and content.turn_complete)
        )
        if self._complete and self._turn is not None and self._turn.reading.usage is not None:
            self._over()

    def _speaks(self) -> None:
        """The model answers: where nobody asked, the server has begun the turn itself (voice detection)."""
        if self._turn is None:
            self._complete = False
            self._turn = self.begin(LIVE, begun=True)
        if self._turn is not None:
            self._turn.first_piece()

    def _over(self) -> None:
        turn, self._turn, self._complete = self._turn, None, False
        if turn is not None:
            self.finish(turn)


def _says(content: Any, *names: str) -> bool:
    return any(member(content, name) for name in names)


def _begins(spoken: Any) -> bool:
    """Whether it only says that an activity begins, whose sound is still to come."""
    return "activityStart" in spoken or "activity_start" in spoken


class Entering:
    """Stands in for the generator inside the context manager that `connect` gives, and sees the session that it yields."""

    __slots__ = ("_before", "_connected", "_generator")

    def __init__(
        self, generator: AsyncGenerator[Any, Any], before: Callable[[], None], connected: Callable[[Any], None]
    ) -> None:
        self._generator = generator
        self._before: Callable[[], None] | None = before
        self._connected = connected

    async def __anext__(self) -> Any:
        before, self._before = self._before, None
        if before is not None:
            contained("ask a budget", before)
        session = await self._generator.__anext__()
        if before is not None:
            contained("watch a connection", self._connected, session)
        return session

    def athrow(self, *error: Any) -> Coroutine[Any, Any, Any]:
        """The generator's."""
        return self._generator.athrow(*error)

    def aclose(self) -> Coroutine[Any, Any, None]:
        """The generator's."""
        return self._generator.aclose()


def metering(layer: Any) -> Callable[..., Any]:
    """Around `AsyncLive.connect(*, model, config=None)`: an asynchronous context manager."""
    owner = _OWNER
    owner.layer = layer

    def connecting(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        manager = wrapped(*args, **kwargs)
        contained("watch a connection", _enter, owner, manager, instance._api_client, kwargs)  # noqa: SLF001 - no public one
        return manager

    return connecting


_OWNER: Final = Owner()


def _enter(owner: Owner, manager: Any, client: Any, kwargs: dict[str, Any]) -> None:
    model = model_name(str(kwargs.get("model") or ""))

    def place(socket: Any) -> Place:
        own = semconv.GOOGLE_VERTEX if client.vertexai else semconv.GOOGLE
        return providers.place(client, handshake(socket)[0], own=own, options=owner.layer.options)

    def before() -> None:
        # Connecting is free: this only asks, as a turn that voice begins cannot be refused any more.
        Dialogue(owner, place(None), model).permit(LIVE, None)

    def connected(session: Any) -> None:
        socket = session._ws  # noqa: SLF001 - the SDK's one name for it, in every version tested
        watch(socket, Dialogue(owner, place(socket), model), session)

    manager.gen = Entering(manager.gen, before, connected)


HOOK: Final = Hook("google.genai.live", "AsyncLive.connect", metering=metering)
