"""Counts what Google's hosted tools did for an answer, which no counter of its own states. Imports core and msgspec only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from farebox.instruments.hook import ToolCalls

TOOLS: Final[Mapping[str, str]] = {
    "googleSearch": "google_search",
    "google_search": "google_search",
    "googleSearchRetrieval": "google_search",
    "google_search_retrieval": "google_search",
    "enterpriseWebSearch": "google_search",
    "enterprise_web_search": "google_search",
    "urlContext": "url_context",
    "url_context": "url_context",
    "codeExecution": "code_execution",
    "code_execution": "code_execution",
    "googleMaps": "google_maps",
    "google_maps": "google_maps",
    "fileSearch": "file_search",
    "file_search": "file_search",
}
"""Member of a request's tool → name of the tool."""


class _Chunk(msgspec.Struct):
    web: Any = None
    maps: Any = None


class _Grounding(msgspec.Struct, rename="camel"):
    web_search_queries: list[Any] | None = None
    image_search_queries: list[Any] | None = None
    grounding_chunks: list[_Chunk] | None = None


class _Part(msgspec.Struct, rename="camel"):
    executable_code: Any = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    grounding_metadata: _Grounding | None = None
    url_context_metadata: Any = None
    content: _Content | None = None


_decoder: Final = msgspec.json.Decoder(list[_Candidate] | None)


def hosted_tools(answer: Any, asked: tuple[str, ...]) -> ToolCalls:
    """Queries that were executed, each once, and the tools that the candidates show in use.

    Args:
        answer: struct with `candidates` as JSON text, and `usage`.
        asked: tools that the request asked for; without any nothing is looked for.
    """
    if not asked:
        return None, ()
    queries: dict[str, None] = {}
    used: dict[str, None] = {}
    for candidate in _decoder.decode(answer.candidates) or ():
        _look(candidate, queries, used)
    if not used and isinstance(answer.usage, dict) and answer.usage.get("toolUsePromptTokenCount"):
        # Tokens of a tool were billed and no candidate shows which: it was one of those asked for.
        used = dict.fromkeys(asked)
    calls = {"google_search_queries": len(queries)} if queries else {}
    if "google_maps" in used:
        calls["google_maps_queries"] = 1
    return calls or None, tuple(used)


def _look(candidate: _Candidate, queries: dict[str, None], used: dict[str, None]) -> None:
    grounding = candidate.grounding_metadata
    if grounding is not None:
        for query in (*(grounding.web_search_queries or ()), *(grounding.image_search_queries or ())):
            if isinstance(query, str) and query:
                queries[query] = None
        chunks = grounding.grounding_chunks or ()
        if queries or any(chunk.web is not None for chunk in chunks):
            used["google_search"] = None
        if any(chunk.maps is not None for chunk in chunks):
            used["google_maps"] = None
    if candidate.url_context_metadata is not None:
        used["url_context"] = None
    parts = candidate.content.parts if candidate.content is not None else None
    if any(part.executable_code is not None for part in parts or ()):
        used["code_execution"] = None


def asked(body: Any) -> tuple[str, ...]:
    """Hosted tools that a request asks for; cached content may hold a search that the request does not show."""
    if not isinstance(body, Mapping):
        return ()
    tools = body.get("tools")
    if not isinstance(tools, list):
        return ("google_search",) if body.get("cachedContent") else ()
    return tuple(TOOLS[name] for tool in tools if isinstance(tool, Mapping) for name in tool if name in TOOLS)
