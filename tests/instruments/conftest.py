"""A loopback server that speaks the three wire formats, a meter that records, and hooks that are undone after each test."""

from __future__ import annotations

import asyncio
import base64
import binascii
import collections
import copy
import gc
import http.server
import inspect
import json
import struct
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from farebox.core import guard
from farebox.core.errors import BudgetExceeded
from farebox.instruments.patching import WireOptions, install

CHAT_USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0, "never_seen_before": None},
    "completion_tokens_details": {"reasoning_tokens": 3},
    "a_new_counter": 5,
}
RESPONSE_USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 29,
}
EMBEDDING_USAGE = {"prompt_tokens": 6, "total_tokens": 6}
MESSAGE_USAGE = {
    "input_tokens": 30,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 6, "ephemeral_1h_input_tokens": 4},
    "output_tokens": 12,
    "service_tier": "standard",
    "inference_geo": "us",
}
START_USAGE = {**MESSAGE_USAGE, "output_tokens": 1}
DELTA_USAGE = {"output_tokens": 12, "cache_read_input_tokens": None}
GEMINI_USAGE = {
    "promptTokenCount": 13,
    "candidatesTokenCount": 6,
    "thoughtsTokenCount": 2,
    "totalTokenCount": 21,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 13}],
    "serviceTier": "standard",
}


class RecordedCall:
    """A call as the meter sees it: what it was opened with, and each end it was given."""

    def __init__(self, request: Any) -> None:
        self.request = copy.copy(request)
        request.body = None  # as the meter does: a call in flight keeps no prompt alive
        self.first_chunks = 0
        self.ends: list[dict[str, Any]] = []

    def first_chunk(self) -> None:
        self.first_chunks += 1

    def settle(self, usage: Any = None, **facts: Any) -> None:
        self.ends.append({"usage": usage, **facts})

    @property
    def end(self) -> dict[str, Any]:
        assert len(self.ends) == 1, f"settled {len(self.ends)} times"
        return self.ends[0]

    @property
    def raw(self) -> Any:
        usage = self.end["usage"]
        return None if usage is None else usage.raw


class RecordingMeter:
    def __init__(self) -> None:
        self.calls: list[RecordedCall] = []
        self.refuses = False
        self.suppresses = False
        self.on_open: Any = None

    def open(self, request: Any) -> RecordedCall | None:
        if self.on_open is not None:
            self.on_open(request)
        if self.refuses:
            raise BudgetExceeded("no money left", budget="test")
        if self.suppresses:
            return None
        call = RecordedCall(request)
        self.calls.append(call)
        return call

    @property
    def call(self) -> RecordedCall:
        assert len(self.calls) == 1, f"{len(self.calls)} calls"
        return self.calls[0]


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
        streams = body.get("stream") or "alt=sse" in self.path or "with-response-stream" in self.path
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
        binary = "with-response-stream" in self.path
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream" if binary else "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(events):
            if server.cut_after == number:
                self.close_connection = True
                return
            if server.gate_after == number:
                server.gate.wait(20)
            data = aws_frame(event) if binary else sse(event)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


def sse(event: Any) -> bytes:
    if isinstance(event, str):
        return f"data: {event}\n\n".encode()
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


def aws_frame(event: Any) -> bytes:
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    pairs = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in pairs.items()
    )
    prelude = struct.pack(">II", 12 + len(headers) + len(payload) + 4, len(headers))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", binascii.crc32(message))


def chat_body() -> dict[str, Any]:
    said = {"role": "assistant", "content": '{"answer": 4}'}
    choice = {"index": 0, "message": said, "finish_reason": "stop", "logprobs": None}
    return {
        "id": "chat-1", "object": "chat.completion", "created": 1, "model": "gpt-answered", "choices": [choice],
        "usage": CHAT_USAGE, "service_tier": "default",
    }  # fmt: skip


def text_body() -> dict[str, Any]:
    choice = {"index": 0, "text": "four", "finish_reason": "stop", "logprobs": None}
    return {
        "id": "text-1", "object": "text_completion", "created": 1, "model": "gpt-text", "choices": [choice],
        "usage": EMBEDDING_USAGE | {"completion_tokens": 0},
    }  # fmt: skip


def embeddings_body() -> dict[str, Any]:
    data = [{"object": "embedding", "index": 0, "embedding": base64.b64encode(struct.pack("<2f", 0.5, 1)).decode()}]
    return {"object": "list", "data": data, "model": "embed-answered", "usage": EMBEDDING_USAGE}


def predicted_body() -> dict[str, Any]:
    statistics = {"truncated": False, "token_count": 4}
    return {
        "predictions": [{"embeddings": {"values": [0.5], "statistics": statistics}}],
        "metadata": {"billableCharacterCount": 9},
    }


def body_for(path: str) -> Any:
    bodies: dict[str, Any] = {
        "/chat/completions": chat_body,
        "/completions": text_body,
        "/responses": response,
        "/embeddings": embeddings_body,
        "/count_tokens": lambda: {"input_tokens": 3},
        ":countTokens": lambda: {"totalTokens": 3},
        ":generateContent": lambda: gemini_chunk("four", finish="STOP"),
        ":embedContent": lambda: {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 4}},
        ":batchEmbedContents": lambda: {"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 4}},
        ":predict": predicted_body,
    }
    path = path.partition("?")[0]
    return next((make() for end, make in bodies.items() if path.endswith(end)), None) or message()


def response(**members: Any) -> dict[str, Any]:
    item = {"type": "message", "id": "i", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": '{"answer": 4}', "annotations": []}]}  # fmt: skip
    return {
        "id": "resp-1", "object": "response", "created_at": 1, "model": "gpt-answered", "status": "completed",
        "output": [item], "usage": RESPONSE_USAGE, "service_tier": "flex", "tools": [], "tool_choice": "auto",
        "parallel_tool_calls": True, "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
    } | members  # fmt: skip


def message(**members: Any) -> dict[str, Any]:
    return {
        "id": "msg-1", "type": "message", "role": "assistant", "model": "claude-answered",
        "content": [{"type": "text", "text": '{"answer": 4}'}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": MESSAGE_USAGE,
    } | members  # fmt: skip


def gemini_chunk(text: str, *, finish: str | None = None, usage: Any = GEMINI_USAGE) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-answered", "responseId": "g-1"}


def chat_chunk(text: str | None = None, *, finish: str | None = None, **members: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text, "role": "assistant"}
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {
        "id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-answered", "choices": [choice],
        "service_tier": "default",
    } | members  # fmt: skip


def events_for(path: str, body: Any) -> list[Any]:
    path = path.partition("?")[0]
    if path.endswith("/chat/completions"):
        chunks: list[Any] = [chat_chunk("f"), chat_chunk("our"), chat_chunk(finish="stop")]
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks = [{**chunk, "usage": None} for chunk in chunks]
            chunks.append(chat_chunk(choices=[], usage=CHAT_USAGE))
        return [*chunks, "[DONE]"]
    if path.endswith("/completions"):
        chunks = [
            {"id": "text-1", "object": "text_completion", "created": 1, "model": "gpt-text",
             "choices": [{"index": 0, "text": "four", "finish_reason": "stop", "logprobs": None}]}
        ]  # fmt: skip
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks.append({**chunks[0], "choices": [], "usage": CHAT_USAGE})
        return [*chunks, "[DONE]"]
    if path.endswith("/responses"):
        return response_events()
    if "streamGenerateContent" in path:
        running = {**GEMINI_USAGE, "candidatesTokenCount": 1, "totalTokenCount": 16}
        return [gemini_chunk("f", usage=running), gemini_chunk("our", finish="STOP")]
    return message_events()


def response_events() -> list[Any]:
    started = response(status="in_progress", usage=None, output=[])
    text = {"type": "output_text", "text": "", "annotations": []}
    item = {"type": "message", "id": "i", "status": "in_progress", "role": "assistant", "content": []}
    deltas = [
        {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": piece,
         "logprobs": []}
        for piece in ("f", "our")
    ]  # fmt: skip
    events = [
        {"type": "response.created", "response": started},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", "item_id": "i", "output_index": 0, "content_index": 0, "part": text},
        *deltas,
        {"type": "response.completed", "response": response()},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def message_events() -> list[Any]:
    return [
        {"type": "message_start", "message": message(content=[], stop_reason=None, usage=START_USAGE)},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "f"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "our"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": DELTA_USAGE},
        {"type": "message_stop"},
    ]


class _Http(http.server.ThreadingHTTPServer):
    daemon_threads = True
    state: Server

    def handle_error(self, *args: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*args)


@pytest.fixture(scope="session")
def _http() -> Any:
    server = _Http(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(_http: Any) -> Any:
    _http.state = Server(url=f"http://127.0.0.1:{_http.server_address[1]}")
    yield _http.state
    _http.state.gate.set()


@pytest.fixture
def meter() -> RecordingMeter:
    return RecordingMeter()


@pytest.fixture
def hooked(meter: RecordingMeter) -> Any:
    """Hooks in force that report to `meter`; loopback hosts may be asked for usage."""
    installed = install((), meter=lambda: meter, options=WireOptions(usage_hosts=("127.0.0.1",)))
    yield installed
    installed.undo()


@pytest.fixture(autouse=True)
def _faults_fail() -> Any:
    guard.raise_faults(enabled=True)
    yield
    guard.raise_faults(enabled=False)


@pytest.fixture
def faults_pass() -> Any:
    """Faults of ours are swallowed, as in a user's program."""
    guard.raise_faults(enabled=False)
    guard.faults.clear()
    yield guard.faults
    guard.faults.clear()


def collect() -> None:
    """Let the garbage collector find what nobody holds."""
    for _ in range(3):
        gc.collect()


def until(condition: Any, seconds: float = 10) -> None:
    """Wait for another thread to get somewhere."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


class Both:
    """Runs one call on the synchronous or the asynchronous client of an SDK, so that a test is written once."""

    def __init__(self, mode: str, makers: dict[str, Any]) -> None:
        self.mode = mode
        self.makers = makers

    def ask(self, call: Any, **options: Any) -> Any:
        """The result of `call(client)`; streams are read to the end into a list."""
        return self.use(call, all_pieces, **options)

    def use(self, call: Any, consume: Any = None, **options: Any) -> Any:
        """Hand the result of `call(client)` to `consume` (a function or coroutine function), while the client is open."""
        return (
            asyncio.run(self._asynchronous(call, consume, options))
            if self.mode == "async"
            else self._synchronous(call, consume, options)
        )

    def _synchronous(self, call: Any, consume: Any, options: Any) -> Any:
        client = self.makers["sync"](**options)
        try:
            result = call(client)
            return consume(result) if consume else result
        finally:
            close = getattr(client, "close", None)
            if close:
                close()

    async def _asynchronous(self, call: Any, consume: Any, options: Any) -> Any:
        client = self.makers["async"](**options)
        try:
            result = await settled(call(client))
            return await settled(consume(result)) if consume else result
        finally:
            await settled((client.aclose if hasattr(client, "aclose") else client.close)())


async def settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def all_pieces(result: Any) -> Any:
    """A stream as the list of its pieces; anything else as it is."""
    if hasattr(result, "__anext__"):
        return _all_async(result)
    return list(result) if hasattr(result, "__next__") else result


async def _all_async(stream: Any) -> Any:
    return [piece async for piece in stream]


@pytest.fixture(params=["sync", "async"])
def mode(request: Any) -> str:
    return request.param


@pytest.fixture
def openai(mode: str, server: Server) -> Both:
    sdk = pytest.importorskip("openai")
    base = {"api_key": "k", "base_url": f"{server.url}/v1", "max_retries": 0, "timeout": 20}
    return Both(
        mode,
        {"sync": lambda **more: sdk.OpenAI(**base | more), "async": lambda **more: sdk.AsyncOpenAI(**base | more)},
    )


@pytest.fixture
def anthropic(mode: str, server: Server) -> Both:
    sdk = pytest.importorskip("anthropic")
    base = {"api_key": "k", "base_url": server.url, "max_retries": 0, "timeout": 20}
    return Both(
        mode,
        {
            "sync": lambda **more: sdk.Anthropic(**base | more),
            "async": lambda **more: sdk.AsyncAnthropic(**base | more),
        },
    )


@pytest.fixture
def gemini(mode: str, server: Server) -> Both:
    genai = pytest.importorskip("google.genai")

    def make(**more: Any) -> Any:
        return genai.Client(**{"api_key": "k", "http_options": {"base_url": server.url, "timeout": 20_000}} | more)

    return Both(mode, {"sync": make, "async": lambda **more: make(**more).aio})


@pytest.fixture
def wire() -> Any:
    """This file: payloads and helpers."""
    return sys.modules[__name__]
