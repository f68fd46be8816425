"""FakeSockets: the websocket side of a provider on loopback. Imports testing only, and websockets when it starts."""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple, Self, TypeAlias

from farebox.testing import clients, conversations
from farebox.testing.bill import Billed
from farebox.testing.google import live as google_live
from farebox.testing.openai import live as openai_live
from farebox.testing.openai import realtime
from farebox.testing.wire import Habits, Json, OutputTokens

Frames: TypeAlias = list[str | bytes]


class _Route(NamedTuple):
    path: re.Pattern[str]
    provider: str
    converse: Callable[[conversations.Peer], None]


ROUTES: Final = (
    _Route(re.compile(r"/realtime$"), "openai", realtime.converse),
    _Route(re.compile(r"/realtime/translations$"), "openai", openai_live.translate),
    _Route(re.compile(r"/responses$"), "openai", realtime.respond),
    _Route(re.compile(r"/live/sessions(/[^/]+/(fork|attach))?$"), "openai", openai_live.converse),
    _Route(re.compile(r"BidiGenerateContent$"), "google", google_live.converse),
)


class FakeSockets:
    """A websocket server on 127.0.0.1 that speaks OpenAI's realtime, responses, live and translations, and Google's live.

    It takes any key and any model name, answers a story, and bills what it generated. Needs the `websockets` distribution, which
    `openai[realtime]` and google-genai bring. Thread-safe.

    Args:
        output_tokens: length of answers; see `FakeProvider`.
        function_calls: how many answers of a conversation are function calls, where it declares functions.

    Example:
        >>> with FakeSockets() as sockets:
        ...     sockets.url.startswith("ws://127.0.0.1:")
        True
    """

    def __init__(self, output_tokens: OutputTokens = None, *, function_calls: int = 0) -> None:
        self.habits = Habits(output_tokens, function_calls=function_calls)
        self._changed = threading.Condition()
        self._billed: list[Billed] = []
        self._received: Frames = []
        self._peers: list[_Peer] = []
        self._holds = 0
        self._begins = True
        self._server: Any = None
        self._thread: threading.Thread | None = None

    # --- life

    def start(self) -> Self:
        """Listen on a free port; `with` does it."""
        from websockets.sync.server import serve

        self._server = serve(self._serve, "127.0.0.1", 0, compression=None, max_size=None)
        self._thread = threading.Thread(target=self._server.serve_forever, name="farebox-fake-sockets", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Cut connections and stop listening; leaving `with` does it."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self.cut()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- where it is

    @property
    def url(self) -> str:
        """Root address."""
        if self._server is None:
            raise RuntimeError("the sockets are not open: use them in a `with` statement, or call start()")
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    # --- what happened

    @property
    def billed(self) -> list[Billed]:
        """Everything that a real provider would have billed, in order."""
        with self._changed:
            return list(self._billed)

    @property
    def received(self) -> Frames:
        """Every message of every client, as it came, in order of arrival."""
        with self._changed:
            return list(self._received)

    def wait_for_messages(self, number: int, timeout: float = 10.0) -> bool:
        """Wait until so many messages have come in all; whether they have."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._received) >= number, timeout)

    # --- departures from the regular

    def say(self, message: Json) -> None:
        """Send a message to every client that is connected; where there is none, to the first that comes."""
        with self._changed:
            self._changed.wait_for(lambda: self._peers, 10)
        for peer in self._open():
            peer.send(message)

    def cut(self) -> None:
        """Break every connection, without a word."""
        for peer in self._open():
            peer.cut()

    @contextmanager
    def hold(self, *, begun: bool = True) -> Iterator[None]:
        """Begin answers, and go on with none of them until the block ends; then they come all at once, in turns.

        Args:
            begun: whether they are begun.
        """
        with self._changed:
            self._holds += 1
            self._begins = begun
        try:
            yield
        finally:
            with self._changed:
                self._holds -= 1
                self._begins = True
            for peer in self._open():
                peer.release()

    # --- clients of the real SDKs, imported when asked for

    def openai_client(self, **options: Any) -> Any:
        """`openai.OpenAI` that connects to this provider."""
        return clients.openai(f"{self._http}/v1", {"websocket_base_url": f"{self.url}/v1", **options})

    def async_openai_client(self, **options: Any) -> Any:
        """`openai.AsyncOpenAI` that connects to this provider."""
        options = {"websocket_base_url": f"{self.url}/v1", **options}
        return clients.openai(f"{self._http}/v1", options, asynchronous=True)

    def genai_client(self, **options: Any) -> Any:
        """`google.genai.Client` that connects to this provider. The SDK speaks TLS to every host; here it is told not to."""
        client = clients.genai(self.url, options)
        transport = client._api_client  # noqa: SLF001 - there is no public way
        transport._websocket_base_url = lambda *_: self.url  # noqa: SLF001 - same
        transport._websocket_ssl_ctx = {}  # noqa: SLF001 - same
        return client

    @property
    def _http(self) -> str:
        return self.url.replace("ws", "http", 1)

    # --- the server's side

    def _open(self) -> list[_Peer]:
        with self._changed:
            return list(self._peers)

    def _serve(self, socket: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        path, _, query = socket.request.path.partition("?")
        route = next((route for route in ROUTES if route.path.search(path)), None)
        if route is None:
            return
        peer = _Peer(self, socket, route.provider, path, query)
        with self._changed:
            self._peers.append(peer)
            self._changed.notify_all()
        try:
            with suppress(ConnectionClosed):
                route.converse(peer)
        finally:
            with self._changed:
                self._peers.remove(peer)

    def _note(self, frame: str | bytes) -> None:
        with self._changed:
            self._received.append(frame)
            self._changed.notify_all()

    def _bill(self, entry: Billed) -> None:
        with self._changed:
            self._billed.append(entry)

    def _held(self) -> bool:
        with self._changed:
            return self._holds > 0


class _Peer:
    """One client; see `conversations.Peer`."""

    def __init__(self, owner: FakeSockets, socket: Any, provider: str, path: str, query: str) -> None:
        self.habits = owner.habits
        self.path = path
        self.query = query
        self._owner = owner
        self._provider = provider
        self._socket = socket
        self._speaking = threading.Lock()
        self._waiting: list[Iterator[Json]] = []

    def messages(self) -> Iterator[Json]:
        for frame in self._socket:
            self._owner._note(frame)  # noqa: SLF001 - one whole
            yield json.loads(frame)

    def send(self, message: Json) -> None:
        self._socket.send(json.dumps(message))

    def begin(self, event: Json, rest: Iterable[Json]) -> None:
        with self._speaking:  # it is held before the client learns that it has begun, and may end the hold
            if self._owner._begins:  # noqa: SLF001 - same
                held = self._owner._held()  # noqa: SLF001 - same
                self.send(event)
                self._go_on(rest, held=held)
            else:
                self._waiting.append(itertools.chain([event], rest))

    def go_on(self, events: Iterable[Json]) -> None:
        with self._speaking:
            self._go_on(events, held=self._owner._held())  # noqa: SLF001 - same

    def _go_on(self, events: Iterable[Json], *, held: bool) -> None:
        if held:
            self._waiting.append(iter(events))
            return
        for event in events:
            self.send(event)

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    def drop(self) -> None:
        self._waiting.clear()

    def release(self) -> None:
        """One event of each answer that was held, again and again until all are said, or the client has left."""
        from websockets.exceptions import ConnectionClosed

        with self._speaking, suppress(ConnectionClosed):
            answers, self._waiting = self._waiting, []
            while answers:
                for events in list(answers):
                    event = next(events, None)
                    if event is None:
                        answers.remove(events)
                    else:
                        self.send(event)

    def bill(self, model: str, api: str, usage: Json, *, stated: bool = True) -> None:
        self._owner._bill(Billed(self._provider, model, api, usage, batch=False, at_ns=time.time_ns(), stated=stated))  # noqa: SLF001 - same

    def cut(self) -> None:
        with suppress(OSError):
            self._socket.socket.shutdown(2)
