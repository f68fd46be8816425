"""Where requests leave an SDK: its clients' own transports, each with a tap that tells audits what passes. Imports core only.

A transport is taken as it is found, by its method `send`, which everything that it sends passes (httpx, httpx2 and what stands in
for them); none is imported, and no class is touched: a tap is an attribute of one object.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, Final, Protocol
from weakref import WeakSet

import msgspec

from farebox.core.guard import attempt, contained
from farebox.instruments import sending


class Listener(Protocol):
    """Who is told of requests."""

    def sent(self, sdk: str, method: str, host: str, path: str) -> None:
        """A request leaves."""
        ...


class Seam(msgspec.Struct, frozen=True):
    """Where an SDK's clients keep their transports.

    Attributes:
        sdk: name of the instrument.
        module: that holds the clients' class.
        owner: the class; a client made or found has its transports tapped.
        transports: attributes of a client that hold one, or None.
        only: which releases have it, in words; empty: all that are supported.
    """

    sdk: str
    module: str
    owner: str
    transports: tuple[str, ...]
    only: str = ""


_GENERATED: Final = ("google_genai", "google.genai._gaos.basesdk")
_EMBEDDED: Final = ("google_genai", "google.genai._interactions._base_client")
_SETTINGS: Final = ("sdk_configuration.client", "sdk_configuration.async_client")
_NEW: Final = "google-genai 2.34 and later"
_OLD: Final = "google-genai up to 2.0"

SEAMS: Final = (
    Seam("openai", "openai._base_client", "SyncAPIClient", ("_client",)),
    Seam("openai", "openai._base_client", "AsyncAPIClient", ("_client",)),
    Seam("anthropic", "anthropic._base_client", "SyncAPIClient", ("_client",)),
    Seam("anthropic", "anthropic._base_client", "AsyncAPIClient", ("_client",)),
    Seam("google_genai", "google.genai._api_client", "BaseApiClient", ("_httpx_client", "_async_httpx_client")),
    Seam(*_GENERATED, "BaseSDK", _SETTINGS, _NEW),
    Seam(*_GENERATED, "AsyncBaseSDK", _SETTINGS, _NEW),
    Seam(*_EMBEDDED, "SyncAPIClient", ("_client",), _OLD),
    Seam(*_EMBEDDED, "AsyncAPIClient", ("_client",), _OLD),
)
"""Held by tests against openai 1.66 to 3.57, anthropic 0.49 to 2.14 and google-genai 1.75 to 3.6."""


class Tap:
    """Stands before the `send` of one transport.

    Args:
        sdk: whose transport it is.
        transport: it is held through its `send`, so that one with a tap is freed by the garbage collector, and not at once.

    Attributes:
        listeners: who is told; the last one to leave takes the tap away.
    """

    __slots__ = ("_before", "_sdk", "_send", "listeners")

    def __init__(self, sdk: str, transport: Any) -> None:
        self._sdk = sdk
        self._send = transport.send
        self._before: Callable[..., Any] | None = vars(transport).get("send")
        self.listeners: list[Listener] = []
        vars(transport)["send"] = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Tell, and send; what a transport's `send` returns may be awaitable."""
        if not sending.told.get():
            request = args[0] if args else kwargs.get("request")
            for listener in tuple(self.listeners):
                contained("audit a request", self._tell, listener, request)
        return self._send(*args, **kwargs)

    def remove(self, transport: Any) -> None:
        """Leave the transport as it was, a patch of the user's own included."""
        if self._before is None:
            del vars(transport)["send"]
        else:
            vars(transport)["send"] = self._before

    def _tell(self, listener: Listener, request: Any) -> None:
        listener.sent(self._sdk, request.method.upper(), request.url.host, request.url.path)


class Taps:
    """The taps of one listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transports: WeakSet[Any] = WeakSet()

    def attach(self, seam: Seam, client: Any) -> None:
        """Tap the transports of a client, as far as it has any."""
        for name in seam.transports:
            transport = attempt(attrgetter(name), client, on_error=lambda _error: None)
            if transport is not None and callable(getattr(transport, "send", None)):
                self._tap(seam.sdk, transport)

    def _tap(self, sdk: str, transport: Any) -> None:
        tap = vars(transport).get("send")
        if not isinstance(tap, Tap):
            tap = Tap(sdk, transport)
        if self._listener not in tap.listeners:
            tap.listeners.append(self._listener)
            self._transports.add(transport)

    def attach_existing(self) -> None:
        """Tap the clients that are there already, also those whose methods were taken before the hooks."""
        owners = {id(owner): seam for owner, seam in _imported()}
        known: dict[type, Seam | None] = {}
        for thing in gc.get_objects() if owners else ():
            # The type, and not `isinstance`: a lazy proxy would be woken by being asked for its class.
            kind = type(thing)
            if kind not in known:
                known[kind] = next((owners[id(base)] for base in kind.__mro__ if id(base) in owners), None)
            seam = known[kind]
            if seam is not None:
                contained("audit a client", self.attach, seam, thing)

    def detach(self) -> None:
        """Tell this listener no more, and leave transports that nobody listens to as they were."""
        for transport in list(self._transports):
            tap = vars(transport).get("send")
            if isinstance(tap, Tap) and self._listener in tap.listeners:
                tap.listeners.remove(self._listener)
                if not tap.listeners:
                    tap.remove(transport)
        self._transports = WeakSet()


def _imported() -> Iterator[tuple[type, Seam]]:
    """The classes of clients that are there by now."""
    for seam in SEAMS:
        owner = getattr(sys.modules.get(seam.module), seam.owner, None)
        if isinstance(owner, type):
            yield owner, seam
