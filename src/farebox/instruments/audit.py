"""The coverage proof: counts the requests that leave below the hooks, and names those that no event explains. Imports core only."""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakSet

import msgspec

from farebox.core import context
from farebox.core.guard import contained, logger
from farebox.instruments import sending
from farebox.instruments.free import is_free
from farebox.instruments.hook import Hook, Instrument
from farebox.instruments.taps import SEAMS, Seam, Taps

_SDKS: Final = {
    "openai": ("openai", "openai"),
    "anthropic": ("anthropic", "anthropic"),
    "google_genai": ("google-genai", "google.genai"),
}
"""Instrument → distribution and package."""

_RUN: Final = re.compile(r"[0-9A-Za-z]{10,}")
"""Letters and digits without a break: with a digit in it, a machine made it up. No name of a model has one so long."""
_LONGEST_PART: Final = 64
_LISTED_AT_MOST: Final = 1_000
_OTHERS: Final = ("*", "*", "*")


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
    """What left below the hooks. The first number is the sum of the next three and of the counts of the last.

    Attributes:
        requests: every request, each attempt for itself.
        explained: those that a metered call sent, or one that reads of paid work begun earlier.
        free: those to endpoints that cost nothing.
        suppressed: those sent under `suppress()`, which asks for no events.
        unexplained: the rest: something paid may be unseen.
    """

    requests: int
    explained: int
    free: int
    suppressed: int
    unexplained: tuple[Unexplained, ...]


class Audit:
    """Counts what clients send, from the moment that it is put in force until `undo`.

    Websockets are no requests and are not counted, nor are uploads of google-genai where it sends by aiohttp or requests.
    """

    def __init__(self) -> None:
        self._taps = Taps(self)
        self._counts: Counter[str] = Counter()
        self._unexplained: Counter[tuple[str, str, str]] = Counter()
        self.renew()
        _audits.add(self)

    def renew(self) -> None:
        """A lock that another thread held when the process forked is never released in the child."""
        self._lock = threading.Lock()

    def instruments(self) -> list[Instrument]:
        """The hooks that find clients and attempts, by SDK; named apart from those that meter."""
        return [
            Instrument(f"{name} (audit)", distribution, package, tuple(self._hooks(name)))
            for name, (distribution, package) in _SDKS.items()
        ]

    def _hooks(self, sdk: str) -> Iterator[Hook]:
        for seam in SEAMS:
            if seam.sdk == sdk:
                around = partial(self._made, seam)
                yield Hook(seam.module, f"{seam.owner}.__init__", around=around, only=seam.only)
        if sdk == "google_genai":
            # It has two more transports, aiohttp and requests: every attempt on any of them passes here.
            module = "google.genai._api_client"
            yield Hook(module, "BaseApiClient._request_once", around=self._attempted)
            yield Hook(module, "BaseApiClient._async_request_once", around=self._attempted_async)

    def watch_existing(self) -> None:
        """Watch the clients that are there already, too."""
        self._taps.attach_existing()

    def report(self) -> AuditReport:
        """What was counted so far."""
        with self._lock:
            counts, unexplained = dict(self._counts), sorted(self._unexplained.items())
        rows = tuple(Unexplained(*kind, count) for kind, count in unexplained)
        known = {name: counts.get(name, 0) for name in ("explained", "free", "suppressed")}
        return AuditReport(requests=sum(counts.values()), unexplained=rows, **known)

    def undo(self) -> None:
        """Leave every client as it was."""
        self._taps.detach()

    # --- what is seen

    def _made(
        self, seam: Seam, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        result = wrapped(*args, **kwargs)
        contained("audit a client", self._taps.attach, seam, instance)
        return result

    def _attempted(
        self, wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        contained("audit a request", self._sent_by_google, args, kwargs)
        before = sending.told.set(True)
        try:
            return wrapped(*args, **kwargs)
        finally:
            sending.told.reset(before)

    async def _attempted_async(
        self, wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        contained("audit a request", self._sent_by_google, args, kwargs)
        sending.told.set(True)
        try:
            return await wrapped(*args, **kwargs)
        finally:
            # Not `reset`: a coroutine may be closed from another context, where a token raises.
            sending.told.set(False)

    def _sent_by_google(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        request = args[0] if args else kwargs["http_request"]
        url = urlsplit(request.url)
        self.sent("google_genai", request.method.upper(), url.hostname or "", url.path)

    # --- what it is

    def sent(self, sdk: str, method: str, host: str, path: str) -> None:
        """Count a request that leaves."""
        why = _why(sdk, method, path)
        kind = (method, host, "/".join(map(_place, path.split("/"))))
        with self._lock:
            self._counts[why] += 1
            if why != "unexplained":
                return
            if kind not in self._unexplained and len(self._unexplained) >= _LISTED_AT_MOST:
                kind = _OTHERS
            self._unexplained[kind] += 1
            first = self._unexplained[kind] == 1
        if first:
            logger.warning("farebox saw a request that no event explains: %s %s%s. It may have been paid for.", *kind)


def _why(sdk: str, method: str, path: str) -> str:
    """What explains a request that is sent in this context."""
    if is_free(sdk, method, path):
        return "free"
    if context.current().suppressed:
        return "suppressed"
    call = sending.current()
    return "explained" if call is not None and call.explains else "unexplained"


def _place(part: str) -> str:
    """A part of a path, or "{}" where it is an id: a report of kinds must not grow with what is asked for."""
    made = any(not run.isalpha() for run in _RUN.findall(part))
    return "{}" if made or len(part) > _LONGEST_PART else part


_audits: Final[WeakSet[Audit]] = WeakSet()


def _renew() -> None:
    for audit in _audits:
        audit.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
