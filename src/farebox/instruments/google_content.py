"""Google's endpoints that generate content and embeddings: rows. Imports core and extraction only."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.extraction.google import merge
from farebox.instruments.google_media import IMAGES
from farebox.instruments.google_tools import asked, hosted_tools
from farebox.instruments.hook import Answer, Endpoint, Reading
from farebox.instruments.reading import decode, header, read


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
    said: Final = None

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


CONTENT: Final = Answer(Generated, asked=asked, tools=hosted_tools, tier_header="x-gemini-service-tier")
EMBEDDED: Final = Answer(Embedded, model=None, id=None)
_PREDICTED: Final = Answer(Predicted, model=None, id=None)


def model_name(name: str) -> str:
    """The name behind "models/" or "publishers/google/models/"; a tuned model or an endpoint keeps its whole name."""
    before, found, model = name.rpartition("models/")
    return model if found and before[-1:] in {"", "/"} else name


def _embeds(body: Any) -> bool:
    """Whether a `:predict` is for text embeddings: images (Imagen) and others go to the same path."""
    instances = body.get("instances") if isinstance(body, Mapping) else None
    first = instances[0] if isinstance(instances, list) and instances else None
    return isinstance(first, Mapping) and "content" in first


_GENERATE: Final = (semconv.GENERATE_CONTENT, semconv.API_GENERATE_CONTENT)
_EMBED: Final = (semconv.EMBEDDINGS, semconv.API_EMBED_CONTENT)

ENDPOINTS: Final = (
    Endpoint("generateContent", *_GENERATE, CONTENT),
    Endpoint("streamGenerateContent", *_GENERATE, CONTENT, GeneratedPieces),
    Endpoint("embedContent", *_EMBED, EMBEDDED),
    Endpoint("batchEmbedContents", *_EMBED, EMBEDDED),
    Endpoint("predict", *_EMBED, _PREDICTED, accepts=_embeds, otherwise=IMAGES),
)
