"""What is done to the google-genai SDK, 1.75 and later: rows, and how it is called. Imports core and extraction only.

Contracts held by tests against google-genai 1.75.0, 2.0.0, 2.34.0 and 3.4.0. The hooked functions stand above every transport
(httpx, aiohttp, requests) and above the SDK's retries; what they return holds the body as JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.extraction.google import merge
from farebox.instruments import providers
from farebox.instruments.google_tools import asked, hosted_tools
from farebox.instruments.hook import Answer, Endpoint, Hook, Instrument, Place, Reading, Sent, WireOptions
from farebox.instruments.reading import decode, header, read

_DEFAULT_ATTEMPTS: Final = 5
"""`HttpRetryOptions.attempts` when retry options are given without a count (google-genai 3.4, `_RETRY_ATTEMPTS`)."""


class Generated(msgspec.Struct, rename={"usage": "usageMetadata", "model": "modelVersion", "id": "responseId"}):
    """What matters of generated content; candidates stay text until a hosted tool has to be looked for."""

    usage: Any = None
    model: Any = None
    id: Any = None
    candidates: msgspec.Raw = msgspec.Raw(b"null")


class Embedded(msgspec.Struct, rename={"usage": "usageMetadata"}):
    """What matters of embeddings."""

    usage: Any = None


class _Statistics(msgspec.Struct):
    statistics: Any = None


class _Prediction(msgspec.Struct):
    embeddings: _Statistics = msgspec.field(default_factory=_Statistics)


class Predicted(msgspec.Struct):
    """What matters of embeddings that Vertex predicted: each states its tokens, the whole its characters."""

    predictions: list[_Prediction] = msgspec.field(default_factory=list)
    metadata: Any = None

    @property
    def usage(self) -> dict[str, Any] | None:
        """One object in place of the scattered ones, or None when the answer states nothing."""
        statistics = [one.embeddings.statistics for one in self.predictions if one.embeddings.statistics is not None]
        if not statistics and self.metadata is None:
            return None
        return {"predictions_statistics": statistics, "metadata": self.metadata}


class GeneratedPieces:
    """Chunks of generated content. Usage is cumulative, so the last one counts, with what it may have dropped from an earlier one.

    Args:
        row: how a chunk is read.
        asked: hosted tools that the request asked for.
    """

    __slots__ = ("_asked", "_calls", "_counted", "_finished", "_latest", "_row", "_tools")

    probe: Final = attrgetter("body")
    quiet: Final = None

    def __init__(self, row: Answer, asked: tuple[str, ...]) -> None:
        self._row = row
        self._asked = asked
        self._finished = False
        self._latest: Any = None
        self._counted: Any = None
        self._calls: dict[str, int] = {}
        self._tools: dict[str, None] = {}

    def note(self, piece: Any) -> None:
        """Keep the chunk where it carries usage; it is decoded at the end."""
        text = piece.body
        if '"finishReason"' in text or '"blockReason"' in text:
            self._finished = True
        if '"usageMetadata"' in text:
            self._latest = piece
            if '"candidatesTokenCount"' in text:
                self._counted = piece
        if '"groundingMetadata"' in text or '"urlContextMetadata"' in text:
            reading = read(decode(text, self._row), self._row, self._asked)
            self._tools.update(dict.fromkeys(reading.tools))
            for name, calls in (reading.tool_calls or {}).items():
                self._calls[name] = max(calls, self._calls.get(name, 0))

    def reading(self, last: Any, *, ended: bool) -> Reading:  # noqa: ARG002 - a server that closes politely has not finished
        """What the chunks said so far."""
        piece = self._latest or last
        if piece is None:
            return Reading(whole=False)
        text = piece.body
        reading = read(decode(text, self._row), self._row, self._asked)
        if self._counted is not None and self._counted is not self._latest and reading.usage is not None:
            earlier = read(decode(self._counted.body, self._row), self._row).usage
            reading.usage = merge(earlier or {}, reading.usage)
        if reading.tier is None and self._row.tier_header is not None:
            reading.tier = header(piece.headers, self._row.tier_header)
        reading.tool_calls = self._calls or reading.tool_calls
        reading.tools = tuple(self._tools) or reading.tools
        reading.whole = reading.usage is not None and self._finished
        return reading


_CONTENT: Final = Answer(Generated, asked=asked, tools=hosted_tools, tier_header="x-gemini-service-tier")
_EMBEDDED: Final = Answer(Embedded, model=None, id=None)
_PREDICTED: Final = Answer(Predicted, model=None, id=None)


def _embeds(body: Any) -> bool:
    """Whether a `:predict` is for text embeddings: images (Imagen) and others go to the same path."""
    instances = body.get("instances") if isinstance(body, Mapping) else None
    first = instances[0] if isinstance(instances, list) and instances else None
    return isinstance(first, Mapping) and "content" in first


_GENERATE: Final = (semconv.GENERATE_CONTENT, semconv.API_GENERATE_CONTENT)
_EMBED: Final = (semconv.EMBEDDINGS, semconv.API_EMBED_CONTENT)

ENDPOINTS: Final = (
    Endpoint("generateContent", *_GENERATE, _CONTENT),
    Endpoint("streamGenerateContent", *_GENERATE, _CONTENT, GeneratedPieces),
    Endpoint("embedContent", *_EMBED, _EMBEDDED),
    Endpoint("batchEmbedContents", *_EMBED, _EMBEDDED),
    Endpoint("predict", *_EMBED, _PREDICTED, accepts=_embeds),
)


class Gemini:
    """The dialect: `request(http_method, path, request_dict, http_options)`, where the path ends in ":method".

    Args:
        endpoints: the billable methods.
    """

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        self._endpoints = {endpoint.path: endpoint for endpoint in endpoints}
        self._places = providers.Places()

    def route(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Endpoint | None:
        """The endpoint of the path's method."""
        path = args[1] if len(args) > 1 else kwargs["path"]
        return self._endpoints.get(path.rpartition(":")[2].partition("?")[0])

    def sent(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sent:
        """What the arguments say; the path carries the model."""
        path = args[1] if len(args) > 1 else kwargs["path"]
        body = args[2] if len(args) > 2 else kwargs["request_dict"]
        name, _, method = path.rpartition(":")
        stream = method.startswith("stream")
        # "models/x" and "publishers/google/models/x" are x; a tuned model or an endpoint keeps its whole name.
        before, found, model = name.rpartition("models/")
        if not found or before[-1:] not in {"", "/"}:
            model = name
        return Sent(
            body=body,
            model=model,
            stream=stream,
            raw="" if stream else "body",
            attempts=_attempts(client, args, kwargs),
        )

    def place(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: WireOptions) -> Place:
        """Where the base URL of the call, or else of the client, points."""
        own = semconv.GOOGLE_VERTEX if client.vertexai else semconv.GOOGLE
        base = _http_option(args, kwargs, "base_url") or client._http_options.base_url  # noqa: SLF001 - there is no public one
        return self._places.of(client, base, own=own, options=options)

    def asking(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:  # noqa: ARG002 - the dialects' signature
        """Usage is always sent."""
        return

    def caught(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], keep: Callable[[Any], None]) -> None:  # noqa: ARG002 - same
        """Answers are parsed above the hook."""
        return


def _http_option(args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str) -> Any:
    options = args[3] if len(args) > 3 else kwargs.get("http_options")
    return options.get(name) if isinstance(options, Mapping) else getattr(options, name, None)


def _attempts(client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    retries = _http_option(args, kwargs, "retry_options") or client._http_options.retry_options  # noqa: SLF001 - same
    if retries is None:
        return 1
    attempts = retries.get("attempts") if isinstance(retries, Mapping) else retries.attempts
    return max(1, _DEFAULT_ATTEMPTS if attempts is None else attempts)


_CLIENT: Final = "google.genai._api_client"

INSTRUMENT: Final = Instrument(
    name="google_genai",
    distribution="google-genai",
    package="google.genai",
    hooks=(
        Hook(_CLIENT, "BaseApiClient.request", "call"),
        Hook(_CLIENT, "BaseApiClient.async_request", "coroutine"),
        Hook(_CLIENT, "BaseApiClient.request_streamed", "generator"),
        Hook(_CLIENT, "BaseApiClient.async_request_streamed", "coroutine_generator"),
    ),
    dialect=Gemini(ENDPOINTS),
)
