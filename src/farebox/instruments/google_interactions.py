"""Google's interactions and decisions, which the SDK sends by a client of its own: rows, hooks, dialect. Imports core only.

google-genai 2.34 and later call `BaseSDK.do_request(hook_ctx=, request=, stream=, ...)` with the transport's request, whose content
is JSON; 1.75 and 2.0 embed a client of openai's kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.guard import attempt
from farebox.instruments import providers
from farebox.instruments.hook import Answer, Endpoint, Hook, Place, Reading, Sent, WireOptions
from farebox.instruments.paths import Paths, names
from farebox.instruments.pieces import events
from farebox.instruments.reading import member, moment, read
from farebox.instruments.stainless import Stainless


class Interaction(msgspec.Struct):
    """What matters of an interaction."""

    usage: Any = None
    model: Any = None
    id: Any = None
    service_tier: Any = None
    status: Any = None
    created: Any = None


def identify(answer: Any, reading: Reading) -> None:
    """An interaction is stored and can be asked for again; one in the background has no usage before it has ended."""
    if reading.id is not None:
        reading.key = reading.id
        reading.created = moment(member(answer, "created"))
        reading.pending = reading.usage is None and member(answer, "status") == "in_progress"


def told(answer: Any, _names: tuple[str, ...]) -> Iterator[Reading]:
    """An interaction that is asked for again."""
    reading = read(answer, INTERACTION)
    if reading.usage is not None:
        yield reading


INTERACTION: Final = Answer(Interaction, tier="service_tier", identify=identify)
DECISION: Final = Answer(Interaction, tier="service_tier")
EVENTS: Final = events(
    quiet="step.delta",
    homes={
        "interaction.created": "interaction",
        "interaction.start": "interaction",
        "interaction.completed": "interaction",
        "interaction.complete": "interaction",
    },
    ends=frozenset({"interaction.completed", "interaction.complete"}),
    kind="event_type",
)

_INTERACTIONS: Final = (semconv.GENERATE_CONTENT, semconv.API_INTERACTIONS, INTERACTION)

ENDPOINTS: Final = (
    Endpoint("interactions", *_INTERACTIONS, EVENTS),
    Endpoint("interactions/{}", *_INTERACTIONS, EVENTS, method="get", told=told),
    Endpoint("interactions/{}/cancel", *_INTERACTIONS, told=told),
    Endpoint("decisions", semconv.DECISION, semconv.API_INTERACTIONS, DECISION),
)


class Requests:
    """The dialect of a client that is handed the transport's own request.

    Args:
        endpoints: the rows.
    """

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        self._paths = Paths(endpoints)

    def route(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Endpoint | None:
        """The endpoint of the request's path."""
        request = _request(args, kwargs)
        return self._paths.find(request.method, request.url.path)

    def line(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, str]:
        """What the request says."""
        request = _request(args, kwargs)
        return request.method.upper(), request.url.path

    def names(self, endpoint: Endpoint, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
        """The ids in the path."""
        return names(endpoint, _request(args, kwargs).url.path)

    def sent(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sent:  # noqa: ARG002 - the dialects' signature
        """What the request's content says; an agent stands in for a model."""
        content = attempt(lambda: _request(args, kwargs).content, on_error=lambda _error: b"")
        body = attempt(msgspec.json.decode, content, on_error=lambda _error: None) if content else None
        model = member(body, "model") or member(body, "agent")
        stream = bool(kwargs.get("stream"))
        retries = kwargs.get("retry_config")
        return Sent(
            body,
            model if isinstance(model, str) else None,
            stream,
            "bytes" if stream else "",
            1 if retries is None else _ATTEMPTS,
            counts_attempts=retries is None,
        )

    def place(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: WireOptions) -> Place:
        """Where the request goes."""
        return providers.place(client, _request(args, kwargs).url.host, own=semconv.GOOGLE, options=options)

    def asking(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:  # noqa: ARG002 - same
        """Usage is always sent."""
        return

    def caught(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], keep: Callable[[Any], None]) -> None:  # noqa: ARG002 - same
        """Answers are parsed above the hook."""
        return


_ATTEMPTS: Final = 2
"""The SDK retries by time, not by count; one retry is what a budget reckons with."""


def _request(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return args[1] if len(args) > 1 else kwargs["request"]


_GENERATED: Final = "google.genai._gaos.basesdk"
_EMBEDDED: Final = "google.genai._interactions._base_client"

_NEW: Final = Requests(ENDPOINTS)
_OLD: Final = Stainless(ENDPOINTS, own=semconv.GOOGLE)

HOOKS: Final = (
    Hook(_GENERATED, "BaseSDK.do_request", "call", dialect=_NEW, only="google-genai 2.34 and later"),
    Hook(_GENERATED, "AsyncBaseSDK.do_request_async", "coroutine", dialect=_NEW, only="google-genai 2.34 and later"),
    Hook(_EMBEDDED, "SyncAPIClient.request", "call", dialect=_OLD, only="google-genai up to 2.0"),
    Hook(_EMBEDDED, "AsyncAPIClient.request", "coroutine", dialect=_OLD, only="google-genai up to 2.0"),
)
