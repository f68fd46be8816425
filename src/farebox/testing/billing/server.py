"""The HTTP side of the billing interfaces. Imports the standard library only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send: JSON, or bytes as they are."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal(Exception):  # noqa: N818 - an answer, and no fault
    """An answer that is an error object."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One request that arrived.

    Attributes:
        path: without the query.
        query: values by name; brackets behind a name mean the same as none.
        headers: by lower-case name.
    """

    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]

    def many(self, name: str) -> list[str]:
        """A repeated parameter, spelt with brackets or without."""
        return [*self.query.get(name, []), *self.query.get(f"{name}[]", [])]

    def one(self, name: str) -> str | None:
        """A parameter, or None."""
        values = self.query.get(name)
        return values[-1] if values else None

    def number(self, name: str, *, default: int | None = None) -> int:
        """A whole number; needed where there is no default."""
        value = self.one(name)
        if value is None and default is not None:
            return default
        if value is None or not value.isdecimal():
            raise Refusal(400, f"{name} is required and must be an integer")
        return int(value)

    def moment(self, name: str, *, default: int | None = None) -> int:
        """Seconds since the epoch of an RFC 3339 time."""
        value = self.one(name)
        if value is None and default is not None:
            return default
        try:
            found = datetime.fromisoformat(value or "")
        except ValueError:
            raise Refusal(400, f"{name} is required and must be an RFC 3339 time") from None
        return int(found.replace(tzinfo=found.tzinfo or UTC).timestamp())


class BillingServer:
    """Serves answers on a free port of 127.0.0.1.

    Args:
        answer: what to say to a request.
        now: the clock that answers are dated by, seconds since the epoch.
    """

    def __init__(self, answer: Callable[[Request], Answer], now: Callable[[], float]) -> None:
        class Handler(_Handler):
            respond = staticmethod(answer)
            clock = staticmethod(now)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Root address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    respond: Callable[[Request], Answer]
    clock: Callable[[], float]

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The date of an answer."""
        return super().date_time_string(self.clock() if timestamp is None else timestamp)

    def do_GET(self) -> None:
        """Answer one request."""
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(parts.path, parse_qs(parts.query, keep_blank_values=True), headers)
        try:
            answer = self.respond(request)
        except Refusal as refusal:
            answer = Answer(refusal.status, _error(request, refusal), refusal.headers)
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_given: object) -> None:
        """Say nothing."""


def _error(request: Request, refusal: Refusal) -> dict[str, Any]:
    if not request.path.startswith("/v1/organizations/"):
        return {"error": {"message": refusal.message, "type": "invalid_request_error", "param": None, "code": None}}
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error", 404: "not_found_error"}
    kind = kinds.get(refusal.status, "api_error" if refusal.status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": "req_loopback"}
