"""The HTTP side of the loopback provider: routes, framing, streams. Imports the standard library and testing only."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final, NamedTuple, Protocol
from urllib.parse import unquote

from farebox.testing import anthropic, google, openai, responses
from farebox.testing.wire import Answer, BadRequestError, Billed, Chunk, Habits, Json, Received


class Deviation(NamedTuple):
    """What the next request gets instead of its regular answer, or beside it."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    message: str | None = None
    text: str | None = None
    cut_after: int | None = None


class Conduct(Protocol):
    """What the server asks of the provider that owns it."""

    chunk_delay: float

    def received(self, request: Received) -> Deviation:
        """Note a request, wait as long as answers are held, and say how the answer departs from the regular one."""
        ...

    def habits(self, deviation: Deviation) -> Habits:
        """How to answer."""
        ...

    def bill(self, entry: Billed) -> None:
        """Put an answer on the bill."""
        ...

    def answered(self) -> None:
        """The request's answer is done, one way or another."""
        ...


class Route(NamedTuple):
    """An endpoint: the groups of its path become arguments."""

    path: re.Pattern[str]
    dialect: str
    answer: Callable[..., Answer]


_AZURE: Final = r"(?:/openai/deployments/(?P<deployment>[^/]+))?"
_GOOGLE: Final = r"/models/(?P<model>[^/:]+):"

ROUTES: Final = (
    Route(re.compile(_AZURE + r"(?:/v\d+)?/chat/completions$"), "openai", openai.chat),
    Route(re.compile(_AZURE + r"(?:/v\d+)?/completions$"), "openai", openai.completions),
    Route(re.compile(_AZURE + r"(?:/v\d+)?/embeddings$"), "openai", openai.embeddings),
    Route(re.compile(r"/responses$"), "openai", responses.create),
    Route(re.compile(r"/responses/input_tokens$"), "openai", responses.count),
    Route(re.compile(r"/messages$"), "anthropic", anthropic.messages),
    Route(re.compile(r"/messages/count_tokens$"), "anthropic", anthropic.count),
    Route(re.compile(_GOOGLE + r"generateContent$"), "google", google.generate),
    Route(re.compile(_GOOGLE + r"streamGenerateContent$"), "google", google.generate_stream),
    Route(re.compile(_GOOGLE + r"embedContent$"), "google", google.embed),
    Route(re.compile(_GOOGLE + r"batchEmbedContents$"), "google", google.embed_batch),
    Route(re.compile(_GOOGLE + r"countTokens$"), "google", google.count),
)

ERRORS: Final[dict[str, Callable[[int, str], Json]]] = {
    "openai": openai.error,
    "anthropic": anthropic.error,
    "google": google.error,
}

REQUEST_IDS: Final = {"openai": "x-request-id", "anthropic": "request-id", "google": "x-gemini-request-id"}


class Server(ThreadingHTTPServer):
    """A threading server on an ephemeral port of loopback that forgets its connections when it is told to."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, conduct: Conduct) -> None:
        self.conduct = conduct
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        super().shutdown_request(request)
        self._open.discard(request)

    def disconnect(self) -> None:
        """Cut every connection, so that no handler waits for a client that keeps its connection alive."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client left; everything else is a fault, and is printed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize: ClassVar[int] = -1
    server: Server

    def do_POST(self) -> None:
        """Answer one request."""
        request = self._read()
        conduct = self.server.conduct
        deviation = conduct.received(request)
        try:
            self._answer(request, deviation, conduct)
        except ConnectionError:  # the client left
            self.close_connection = True
        finally:
            conduct.answered()

    do_GET = do_POST  # noqa: N815 - the name http.server calls

    def _read(self) -> Received:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        try:
            body = json.loads(data) if data else None
        except ValueError:
            body = data
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Received(self.command, unquote(path), query, headers, body, time.time_ns())

    def _answer(self, request: Received, deviation: Deviation, conduct: Conduct) -> None:
        route, arguments = _find(request)
        if deviation.status != 200:
            message = deviation.message or f"The provider was told to answer {deviation.status}."
            self._send(deviation.status, ERRORS[route.dialect](deviation.status, message), deviation, route.dialect)
            return
        try:
            answer = _compose(request, route, arguments, conduct.habits(deviation))
        except BadRequestError as error:
            self._send(error.status, ERRORS[route.dialect](error.status, error.message), deviation, route.dialect)
            return

        def bill(produced: int, *, stated: bool) -> None:
            if answer.usage is not None:
                usage = answer.usage(produced)
                conduct.bill(Billed(route.dialect, answer.model, answer.api, usage, False, time.time_ns(), stated))

        if answer.chunks is None:
            bill(answer.length, stated=True)
            self._send(200, answer.body or {}, deviation, route.dialect)
        else:
            self._stream(answer.chunks, deviation, route.dialect, bill)

    def _head(self, status: int, deviation: Deviation, dialect: str, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header(REQUEST_IDS[dialect], openai.identifier("req_"))
        for name, value in deviation.headers:
            self.send_header(name, value)

    def _send(self, status: int, body: Json, deviation: Deviation, dialect: str) -> None:
        data = json.dumps(body, ensure_ascii=False).encode()
        self._head(status, deviation, dialect, "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _stream(self, chunks: Iterable[Chunk], deviation: Deviation, dialect: str, bill: Callable[..., None]) -> None:
        """Send chunk by chunk. What was generated is billed once: before the last chunk, at the cut, or when the client has left."""
        self._head(200, deviation, dialect, "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        produced, steps, stated = 0, 0, False
        try:
            for chunk, last in _marked_last(chunks):
                if deviation.cut_after is not None and steps >= deviation.cut_after:
                    break
                steps += chunk.produced > produced
                produced, stated = chunk.produced, stated or chunk.states_usage
                if last:
                    bill(produced, stated=stated)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk.data), chunk.data))
                self.wfile.flush()
                if last:
                    self.wfile.write(b"0\r\n\r\n")
                    self.wfile.flush()
                    return
                time.sleep(self.server.conduct.chunk_delay)
        except ConnectionError:
            if not last:
                bill(produced, stated=stated)
            raise
        bill(produced, stated=stated)
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        """Silence: a test reads `FakeProvider.requests`."""


def _marked_last(chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, bool]]:
    iterator = iter(chunks)
    before = next(iterator, None)
    for chunk in iterator:
        assert before is not None
        yield before, False
        before = chunk
    if before is not None:
        yield before, True


def _find(request: Received) -> tuple[Route, dict[str, str]]:
    """The route of a request; an unknown path answers 404 in the dialect that it looks like."""
    for route in ROUTES:
        found = route.path.search(request.path)
        if found and request.method == "POST":
            return route, {name: value for name, value in found.groupdict().items() if value}
    dialect = (
        "anthropic" if "anthropic-version" in request.headers else "google" if "v1beta" in request.path else "openai"
    )
    return Route(re.compile(""), dialect, _unknown), {}


def _unknown(request: Received, _: Habits) -> Answer:
    raise BadRequestError(f"Unknown endpoint: {request.method} {request.path}", status=404)


def _compose(request: Received, route: Route, arguments: dict[str, str], habits: Habits) -> Answer:
    if request.method == "POST" and not isinstance(request.body, dict):
        raise BadRequestError("The request body is no JSON object.")
    return route.answer(request, habits, **arguments)
