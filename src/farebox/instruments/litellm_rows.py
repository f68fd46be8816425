"""What litellm's own HTTP paths ask for, and of whom: rows. Imports core, extraction and the rows of the providers' own SDKs.

litellm speaks the providers' own formats, so an endpoint is the row that the provider's SDK has for it. What only litellm reaches
(Bedrock's runtime, Cohere) stands here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from farebox.core import semconv
from farebox.instruments import anthropic, google_genai, openai, openai_text
from farebox.instruments.google_content import GeneratedPieces
from farebox.instruments.hook import Answer, Endpoint, Reading
from farebox.instruments.pieces import UsagePieces, events

PROVIDERS: Final[Mapping[str, str]] = {
    "anthropic_text": semconv.ANTHROPIC,
    "azure_ai": semconv.AZURE,
    "azure_text": semconv.AZURE,
    "bedrock": semconv.AWS_BEDROCK,
    "bedrock_converse": semconv.AWS_BEDROCK,
    "bedrock_mantle": semconv.AWS_BEDROCK,
    "codestral": "mistral",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "gemini": semconv.GOOGLE,
    "github_copilot": "github-copilot",
    "moonshot": "moonshotai",
    "text-completion-codestral": "mistral",
    "text-completion-openai": semconv.OPENAI,
    "together_ai": "together",
    "vertex_ai": semconv.GOOGLE_VERTEX,
    "vertex_ai_beta": semconv.GOOGLE_VERTEX,
    "voyage": "voyageai",
    "xai": "x-ai",
}
"""litellm's name of a provider → ours, where they differ (litellm/types/utils.py: LlmProviders)."""

OWN: Final[Mapping[str, str]] = {
    semconv.API_MESSAGES: semconv.ANTHROPIC,
    semconv.API_BETA_MESSAGES: semconv.ANTHROPIC,
    semconv.API_GENERATE_CONTENT: semconv.GOOGLE,
    semconv.API_EMBED_CONTENT: semconv.GOOGLE,
    semconv.API_BEDROCK_CONVERSE: semconv.AWS_BEDROCK,
}
"""Interface → who bills where neither litellm nor the host says; else openai, whose format the others speak."""

CALLS: Final[Mapping[str, str]] = {
    "completion": semconv.CHAT,
    "acompletion": semconv.CHAT,
    "responses": semconv.CHAT,
    "aresponses": semconv.CHAT,
    "anthropic_messages": semconv.CHAT,
    "generate_content": semconv.GENERATE_CONTENT,
    "agenerate_content": semconv.GENERATE_CONTENT,
    "text_completion": semconv.TEXT_COMPLETION,
    "atext_completion": semconv.TEXT_COMPLETION,
    "embedding": semconv.EMBEDDINGS,
    "aembedding": semconv.EMBEDDINGS,
}
"""litellm's type of a call → operation, for paths that stand in no row: hosts with a format of their own."""


class _Text(NamedTuple):
    """A chunk of Google's stream as its own SDK hands it on."""

    body: str
    headers: None = None


class GeneratedEvents(GeneratedPieces):
    """`GeneratedPieces` for chunks that were read out of the bytes of a stream."""

    __slots__ = ()

    def note(self, piece: Any) -> None:
        """Keep the chunk where it carries usage."""
        super().note(_text(piece))

    def reading(self, last: Any, *, ended: bool) -> Reading:
        """What the chunks said so far."""
        return super().reading(None if last is None else _text(last), ended=ended)


def _text(piece: Any) -> _Text:
    return _Text(msgspec.json.encode(piece).decode())


class _Converse(msgspec.Struct):
    usage: Any = None


class _Billed(msgspec.Struct):
    meta: Any = None
    id: Any = None


_ANY: Final = Answer(openai_text.Completion)
_COHERE_EVENTS: Final = events(quiet="content-delta", homes={"message-end": "delta"}, ends=frozenset({"message-end"}))
_MESSAGE: Final = (semconv.CHAT, semconv.API_MESSAGES, anthropic.MESSAGE, anthropic.MESSAGE_EVENTS)
_CONVERSE: Final = (
    semconv.CHAT,
    semconv.API_BEDROCK_CONVERSE,
    Answer(_Converse, model=None, id=None),
    UsagePieces,
)

ENDPOINTS: Final = (
    Endpoint("converse", *_CONVERSE),
    Endpoint("converse-stream", *_CONVERSE),
    Endpoint("invoke", *_MESSAGE),
    Endpoint("invoke-with-response-stream", *_MESSAGE),
    Endpoint("v2/chat", semconv.CHAT, "", Answer(_Converse, model=None, id=None), _COHERE_EVENTS),
    Endpoint("v1/embed", semconv.EMBEDDINGS, "", Answer(_Billed, usage="meta", model=None)),
    Endpoint("v2/embed", semconv.EMBEDDINGS, "", Answer(_Billed, usage="meta", model=None)),
)
"""Endpoints that only litellm reaches. Of `invoke`, Anthropic's models answer in Anthropic's format; others state no usage in it."""

_RAW: Final = {
    "rawPredict": Endpoint("rawPredict", *_MESSAGE),
    "streamRawPredict": Endpoint("streamRawPredict", *_MESSAGE),
}
_CHAT: Final = Endpoint("chat/completions", semconv.CHAT, semconv.API_CHAT_COMPLETIONS, openai_text.CHAT, UsagePieces)


def _begins(row: Endpoint) -> bool:
    """Whether a row is of a request that is billed itself; what tells of earlier ones goes through other functions of litellm."""
    return row.method == "post" and row.told is None and "{}" not in row.path


def _methods() -> dict[str, Endpoint]:
    rows = {}
    for row in filter(_begins, google_genai.ENDPOINTS):
        streams = row.pieces is GeneratedPieces
        rows[row.path] = msgspec.structs.replace(row, pieces=GeneratedEvents) if streams else row
    return rows | _RAW


_METHODS: Final = _methods()
_ENDS: Final = sorted(
    (
        (row.path.partition("?")[0], row)
        for row in (*openai.ENDPOINTS, *anthropic.ENDPOINTS[::-1], *ENDPOINTS)
        if _begins(row)
    ),
    key=lambda end: -len(end[0]),
)


@lru_cache(maxsize=1024)
def endpoint(url: str) -> Endpoint | None:
    """The endpoint of an address, by the method or the end of its path; None when it is in no row."""
    path = urlsplit(url).path.rstrip("/")
    method = path.rpartition("/")[2].rpartition(":")[2]
    if method in _METHODS and ":" in path:
        # Vertex serves Claude and others by the same method; the others (Mistral, Llama) answer in OpenAI's format.
        return _CHAT if method in _RAW and "/publishers/anthropic/" not in path else _METHODS[method]
    return next((row for end, row in _ENDS if path.endswith("/" + end)), None)


@lru_cache(maxsize=64)
def unknown(operation: str) -> Endpoint:
    """The row of a call to a path that is in no row: usage is looked for where most hosts have it."""
    return Endpoint("", operation, "", _ANY, UsagePieces)


_MODEL: Final = re.compile(r"/models?/(.+?)(?::[A-Za-z]+|/(?:converse|invoke)[a-z-]*)/?$")


@lru_cache(maxsize=1024)
def model(url: str) -> str | None:
    """The model that an address names: `/models/x:method` (Google), `/model/x/converse` (Bedrock); None where it names none."""
    found = _MODEL.search(urlsplit(url).path)
    return unquote(found[1]) if found else None


_REGION: Final = re.compile(r"^bedrock-[a-z-]+\.([a-z0-9-]+)\.|^([a-z0-9-]+)-aiplatform\.")
_LOCATION: Final = re.compile(r"/locations/([a-z0-9-]+)/")


@lru_cache(maxsize=1024)
def location(url: str) -> str | None:
    """The cloud region that an address names, or None."""
    parts = urlsplit(url)
    found = _LOCATION.search(parts.path) or _REGION.search(parts.hostname or "")
    return next(filter(None, found.groups()), None) if found else None
