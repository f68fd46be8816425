"""The one way from a provider's usage object to `Usage`: a table of readers. May import core and its neighbours here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from farebox.core.guard import attempt
from farebox.core.usage import Count, Usage
from farebox.extraction import anthropic, bedrock, google, hosted, openai, plain

Reader: TypeAlias = Callable[[dict[str, Any], dict[str, Count], list[str], str | None], dict[str, Any]]
"""Fills units and notes from a usage object of the given provider; returns the other fields of `Usage`."""

READERS: Final[dict[str, Reader]] = {
    "chat.completions": openai.read,
    "completions": openai.read,
    "responses": openai.read,
    "responses.compact": openai.read,
    "embeddings": openai.read,
    "images": openai.read_image,
    "images.generations": openai.read_image,
    "images.edits": openai.read_image,
    "audio.speech": openai.read,
    "audio.transcriptions": openai.read,
    "audio.translations": openai.read,
    "realtime": openai.read,
    "moderations": openai.read,
    "decisions": openai.read,
    "threads.runs": openai.read,
    "evaluations": openai.read,
    "messages": anthropic.read,
    "beta.messages": anthropic.read,
    "messages.batches": anthropic.read,
    "managed-agents session": anthropic.read,
    "anthropicVertex": anthropic.read,
    "bedrock converse": bedrock.read,
    "generateContent": google.read,
    "embedContent": google.read,
    "interactions": google.read,
    "cachedContents": google.read_cache,
}
"""Interface → reader. What two providers call alike (`batches`, `live`) or nobody does is told apart by its fields."""

_BATCH: Final = frozenset({"batches", "messages.batches"})
_FIELDS: Final[tuple[tuple[frozenset[str], Reader], ...]] = (
    (frozenset({"inputTokens", "outputTokens"}), bedrock.read),
    (frozenset({"billed_units"}), plain.read_cohere),
    (frozenset({"prompt_eval_count", "eval_count"}), plain.read_ollama),
    (frozenset({"prompt_tokens", "completion_tokens", "total_tokens", "input_tokens_details"}), openai.read),
    (frozenset({"input_token_details", "output_token_details", "seconds"}), openai.read),
    (frozenset({"input_tokens", "output_tokens"}), anthropic.read),
)
"""Fields that tell a vocabulary; the first row that shares one wins, and what shares none is read as Google's."""


def read(
    raw: Mapping[str, Any] | None,
    *,
    api: str | None,
    provider: str | None = None,
    service_tier: str | None = None,
    tool_calls: Mapping[str, Any] | None = None,
    tools: tuple[str, ...] = (),
) -> Usage:
    """What a call used, in disjoint billable units. Never raises on an odd payload: oddities become `Usage.notes`.

    Args:
        raw: the provider's usage object as plain data, kept untouched as `Usage.raw`; None when there is none.
        api: the interface it is from (`READERS`); a prefix `batch/` marks the batch interface.
        provider: who bills the call; tells dialects of the same vocabulary apart.
        service_tier: the tier that the answer states outside its usage; one inside wins.
        tool_calls: calls of hosted tools by the provider's name, and `tools_used`.
        tools: hosted tools that the answer shows in use.
    """
    units: dict[str, Count] = {}
    notes: list[str] = []
    reader = READERS.get(api) if api is not None else None
    batch = False
    if api is not None and (reader is None or api in _BATCH):
        batch = api in _BATCH or api.startswith("batch/")
        reader = READERS.get(api.removeprefix("batch/"))
    whole: dict[str, Any] | None = raw if type(raw) is dict else _foreign(raw, notes)
    fields: dict[str, Any] = {}
    if whole is not None:
        fields = (reader or _recognise(whole))(whole, units, notes, provider)
    if tool_calls:
        tools = tuple(dict.fromkeys((*tools, *_calls(tool_calls, units, notes))))
    if service_tier is not None and "service_tier" not in fields:
        fields["service_tier"] = service_tier
    if batch:
        fields["batch"] = True
    return Usage(units=units, raw=whole, tools=tools, notes=tuple(notes), **fields)


_calls: Final = hosted.read


def _recognise(raw: dict[str, Any]) -> Reader:
    """The reader of an object whose interface is not known, by its fields."""
    for fields, reader in _FIELDS:
        if not fields.isdisjoint(raw):
            return reader
    return google.read


def _foreign(raw: Any, notes: list[str]) -> dict[str, Any] | None:
    """Another mapping than a dict is copied into one; anything else is noted and left out."""
    if isinstance(raw, Mapping):
        return {str(name): raw[name] for name in raw}
    dump = getattr(raw, "model_dump", None)
    if callable(dump):  # the object that an SDK made of it, handed on by a program
        dumped: Any = attempt(dump, mode="json", exclude_unset=True, warnings=False, on_error=lambda _fault: None)
        return dumped if isinstance(dumped, dict) else None
    if raw is not None:
        notes.append(f"usage is {type(raw).__name__}, not an object")
    return None
