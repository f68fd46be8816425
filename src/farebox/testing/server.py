"""The HTTP side of the loopback provider: framing, streams, the bill. Imports the standard library and testing only."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol
from urllib.parse import unquote

from farebox.testing import multipart, routes
from farebox.testing.bill import Billed
from farebox.testing.deviation import Deviation
from farebox.testing.store import BadRequestError
from farebox.testing.wire import Answer, Chunk, Habits, Received, identifier


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

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the provider runs."""
        ...

    def answered(self) -> None:
        """The request's answer is done, one way or another."""
        ...


class Tab:
    """What one answer puts on the bill, once."""

    def __init__(self, answer: Answer, dialect: str, conduct: Conduct) -> None:
        self._answer = answer
        self._dialect = dialect
        self._conduct = conduct
        self._open = True

    def settle(self, produced: int, *, stated: bool) -> None:
        """Bill so many generated tokens, unless it was done before."""
        if not self._open:
            return
        self._open = False
        answer, now = self._answer, time.time_ns()
        if answer.usage is not None:
            usage, calls = answer.usage(produced), answer.tool_calls
            self._conduct.bill(Billed(self._dialect, answer.model, answer.api, usage, False, now, stated, calls))
        for line in answer.lines:
            self._conduct.bill(line.billed(self._dialect, now, stated=stated))


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

    do_GET = do_DELETE = do_PATCH = do_POST  # noqa: N815 - the names http.server calls

    def _read(self) -> Received:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Received(self.command, unquote(path), query, headers, _body(headers, data), time.time_ns())

    def _answer(self, request: Received, deviation: Deviation, conduct: Conduct) -> None:
        route, arguments = routes.find(request)
        try:
            habits = conduct.habits(deviation)
            answer = deviation.answer(request, partial(routes.answer, route, request, habits, arguments))
        except BadRequestError as error:
            body = routes.ERRORS[route.dialect](error.status, error.message)
            self._send(error.status, Answer("", "", body=body), deviation, route.dialect)
            return
        tab = Tab(answer, route.dialect, conduct)
        if deviation.hang:
            tab.settle(answer.length, stated=False)
            conduct.pause(deviation.hang)
        if answer.chunks is not None:
            self._stream(answer.chunks, deviation, route.dialect, tab)
            return
        tab.settle(answer.length, stated=answer.states_usage)
        self._send(200, answer, deviation, route.dialect)

    def _head(self, status: int, deviation: Deviation, dialect: str, content_type: str) -> None:
        self.send_response(status)
        own = {name.lower() for name, _ in deviation.headers}
        if "content-type" not in own:
            self.send_header("Content-Type", content_type)
        self.send_header(routes.REQUEST_IDS[dialect], identifier("req_"))
        for name, value in deviation.headers:
            self.send_header(name, value)

    def _send(self, status: int, answer: Answer, deviation: Deviation, dialect: str) -> None:
        body = answer.body
        if not isinstance(body, str | bytes):
            body = json.dumps(body, ensure_ascii=False)
        data = body.encode() if isinstance(body, str) else body
        self._head(status, deviation, dialect, answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _stream(self, chunks: Iterable[Chunk], deviation: Deviation, dialect: str, tab: Tab) -> None:
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
                produced, stated = max(produced, chunk.produced), stated or chunk.states_usage
                if last:
                    tab.settle(produced, stated=stated)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk.data), chunk.data))
                self.wfile.flush()
                if last:
                    self.wfile.write(b"0\r\n\r\n")
                    self.wfile.flush()
                    return
                time.sleep(self.server.conduct.chunk_delay)
        finally:
            tab.settle(produced, stated=stated)
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


def _body(headers: dict[str, str], data: bytes) -> Any:
    """JSON or the fields of a form as plain data, anything else as it came; None when there is none."""
    content_type = headers.get("content-type", "")
    if "x-goog-upload-offset" in headers:
        return data
    if content_type.startswith("multipart/form-data"):
        return multipart.parse(content_type, data)
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data
