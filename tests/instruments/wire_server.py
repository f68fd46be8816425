"""A loopback server that speaks the three wire formats and does what a test asks of it."""

from __future__ import annotations

import base64
import binascii
import collections
import http.server
import json
import struct
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

from wire_payloads import body_for, events_for


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes


@dataclass
class Server:
    """Answers every request by its path; what a test sets here changes the answers."""

    requests: list[Received] = field(default_factory=list)
    statuses: collections.deque[int] = field(default_factory=collections.deque)
    bodies: collections.deque[Any] = field(default_factory=collections.deque)
    events: collections.deque[Any] = field(default_factory=collections.deque)
    cut_after: int | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    gate_after: int | None = None
    url: str = ""

    @property
    def request(self) -> Received:
        assert len(self.requests) == 1, [received.path for received in self.requests]
        return self.requests[0]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": [], "id": "m", "input_tokens": 3})

    def do_POST(self) -> None:
        try:
            self._answer()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _read(self) -> bytes:
        if "chunked" not in (self.headers.get("transfer-encoding") or ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _answer(self) -> None:
        server: Server = self.server.state
        raw = self._read()
        body = json.loads(raw) if raw else None
        server.requests.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body, raw))
        status = server.statuses.popleft() if server.statuses else 200
        if status != 200:
            self._json(
                status, {"error": {"message": "no", "type": "bad", "code": status, "status": "NO"}, "type": "error"}
            )
            return
        if server.gate_after == 0:
            server.gate.wait(20)
        streams = body.get("stream") or "alt=sse" in self.path or binary(self.path)
        if streams:
            self._stream(server, server.events.popleft() if server.events else events_for(self.path, body))
        else:
            self._json(200, server.bodies.popleft() if server.bodies else body_for(self.path))

    def _json(self, status: int, content: Any) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("x-gemini-service-tier", "flex")
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, server: Server, events: list[Any]) -> None:
        frame = (aws_frame if "invoke" in self.path else converse_frame) if binary(self.path) else sse
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if frame is sse else "application/vnd.amazon.eventstream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(events):
            if server.cut_after == number:
                self.close_connection = True
                return
            if server.gate_after == number:
                server.gate.wait(20)
            data = frame(event)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


def sse(event: Any) -> bytes:
    if isinstance(event, str):
        return f"data: {event}\n\n".encode()
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


def binary(path: str) -> bool:
    return path.endswith(("invoke-with-response-stream", "converse-stream"))


def aws_frame(event: Any) -> bytes:
    """An event of Bedrock's invoke: the model's own, in base64."""
    return _frame("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()})


def converse_frame(event: Any) -> bytes:
    """An event of Bedrock's converse: its one member's name is the type."""
    ((kind, content),) = event.items()
    return _frame(kind, content)


def _frame(kind: str, content: Any) -> bytes:
    payload = json.dumps(content).encode()
    pairs = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in pairs.items()
    )
    prelude = struct.pack(">II", 12 + len(headers) + len(payload) + 4, len(headers))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", binascii.crc32(message))


class HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    state: Server

    def handle_error(self, *args: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*args)
