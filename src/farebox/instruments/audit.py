"""The coverage proof: counts the requests that leave below the hooks, and names those that no event explains. Imports core only.

What sends is taken as it is found: each client's own transport, by its method `send`, and the one function of google-genai that makes
an attempt. No transport is imported.
"""

from __future__ import annotations

import gc
import re
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from farebox.core.guard import attempt, contained, logger
from farebox.instruments import sending
from farebox.instruments.hook import Hook, Instrument

FREE: Final = tuple(
    (method, re.compile(pattern))
    for method, pattern in (
        ("DELETE", r"."),
        ("GET", r"/models(/[^/]+)*$"),
        (
            "GET",
            r"/(files|uploads|batches|conversations|vector_stores|containers|assistants|threads|chat/completions|agents)(/.*)?$",
        ),
        ("GET", r"/(responses|videos|evals|fine_tuning|organization|audio|skills|realtime)(/.*)?$"),
        ("POST", r"/(files|uploads)(/[^/]+)*$"),
        ("POST", r"/(moderations|conversations|assistants|threads|vector_stores|evals|skills)$"),
        (
            "POST",
            r"/(conversations|threads|vector_stores|assistants|skills)/[^/]+(/(items|messages|files|file_batches))?(/[^/]+)?$",
        ),
        ("POST", r"/responses/(input_tokens|[^/]+/cancel)$"),
        ("POST", r"/(batches|fine_tuning/jobs)/[^/]+/(cancel|pause|resume)$"),
        ("POST", r"/(realtime|audio)/(sessions|transcription_sessions|client_secrets|voices|voice_consents)$"),
        ("POST", r"/messages/count_tokens$"),
        ("POST", r"/messages/batches/[^/]+/cancel$"),
        ("GET", r"/v1/(messages/batches|organizations|environments|memory_stores|sessions|agents|dreams)(/.*)?$"),
        ("POST", r":(countTokens|computeTokens|cancel)$"),
        ("GET", r"/(cachedContents|operations|tunedModels|fileSearchStores|tunings)(/.*)?$"),
        ("GET", r"/(interactions|decisions|voices|triggers|webhooks)(/.*)?$"),
        ("POST", r"/upload/"),
        ("PATCH", r"."),
    )
)
"""Requests that cost nothing, by method and path; a GET that tells of something paid is explained by its own hook."""

_ID: Final = re.compile(r"^(?=.*\d)[\w.-]{8,}$")
_LISTED_AT_MOST: Final = 1_000


class Unexplained(msgspec.Struct, frozen=True):
    """Requests of one kind that no event explains.

    Attributes:
        method: HTTP method.
        host: name of the server.
        path: its path, ids as "{}".
        count: how many there were.
    """

    method: str
    host: str
    path: str
    count: int


class AuditReport(msgspec.Struct, frozen=True):
    """What left below the hooks.

    Attributes:
        requests: every request, each attempt for itself.
        explained: those that a metered call sent.
        free: those to endpoints that cost nothing.
        unexplained: the rest: something paid may be unseen.
    """

    requests: int
    explained: int
    free: int
    unexplained: tuple[Unexplained, ...]


class Audit:
    """Counts what clients send, from the moment that it is put in force until `undo`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._unexplained: Counter[tuple[str, str, str]] = Counter()
        self._watched: list[weakref.ref[Any]] = []

    def instrument(self) -> Instrument:
        """The hooks that find clients and attempts."""
        stainless = tuple(
            Hook(f"{package}._base_client", f"{client}.__init__", around=self._made)
            for package in ("openai", "anthropic")
            for client in ("SyncAPIClient", "AsyncAPIClient")
        )
        google = tuple(
            Hook("google.genai._api_client", f"BaseApiClient.{name}", around=self._attempted)
            for name in ("_request_once", "_async_request_once")
        )
        interactions = tuple(
            Hook("google.genai._gaos.basesdk", name, around=self._asked, only="google-genai 2.34 and later")
            for name in ("BaseSDK.do_request", "AsyncBaseSDK.do_request_async")
        )
        return Instrument("audit", "farebox", "farebox", stainless + google + interactions)

    def watch_existing(self) -> None:
        """Watch the clients that are there already, also those whose methods were taken before the hooks."""
        for client in gc.get_objects():
            names = attempt(
                lambda client=client: [kind.__name__ for kind in type(client).__mro__], on_error=lambda _error: []
            )
            if "SyncAPIClient" in names or "AsyncAPIClient" in names:
                contained("audit a client", self._watch, vars(client).get("_client"))

    def report(self) -> AuditReport:
        """What was counted so far."""
        rows = (Unexplained(*kind, count) for kind, count in sorted(self._unexplained.items()))
        counts = self._counts
        return AuditReport(counts.total(), counts["explained"], counts["free"], tuple(rows))

    def undo(self) -> None:
        """Leave every client as it was."""
        for reference in self._watched:
            transport = reference()
            if transport is not None:
                vars(transport).pop("send", None)
        self._watched = []

    # --- clients

    def _made(self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = wrapped(*args, **kwargs)
        contained("audit a client", self._watch, vars(instance).get("_client"))
        return result

    def _watch(self, transport: Any) -> None:
        """Stand before a transport's `send`, once, as an attribute of that one object."""
        if transport is None or "send" in vars(transport) or not hasattr(type(transport), "send"):
            return
        send = transport.send

        def audited(request: Any, *args: Any, **kwargs: Any) -> Any:
            contained("audit a request", self._sent_by, request)
            return send(request, *args, **kwargs)

        transport.send = audited
        self._watched.append(weakref.ref(transport))

    def _attempted(
        self, wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        request = args[0] if args else kwargs.get("http_request")
        contained("audit a request", self._sent_by_google, request)
        return wrapped(*args, **kwargs)

    def _asked(self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        settings = getattr(instance, "sdk_configuration", None)
        for name in ("client", "async_client"):
            contained("audit a client", self._watch, getattr(settings, name, None))
        return wrapped(*args, **kwargs)

    def _sent_by(self, request: Any) -> None:
        self._sent(request.method, request.url.host, request.url.path)

    def _sent_by_google(self, request: Any) -> None:
        url = urlsplit(request.url)
        self._sent(request.method, url.hostname or "", url.path)

    # --- requests

    def _sent(self, method: str, host: str, path: str) -> None:
        if sending.current() is not None:
            self._counts["explained"] += 1
            return
        if any(method.upper() == free and pattern.search(path) for free, pattern in FREE):
            self._counts["free"] += 1
            return
        self._counts["unexplained"] += 1
        kind = (method.upper(), host, "/".join("{}" if _ID.match(part) else part for part in path.split("/")))
        if len(self._unexplained) < _LISTED_AT_MOST or kind in self._unexplained:
            self._unexplained[kind] += 1
        if self._unexplained[kind] == 1:
            logger.warning("farebox saw a request that no event explains: %s %s%s. It may have been paid for.", *kind)
