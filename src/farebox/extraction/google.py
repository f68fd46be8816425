"""Usage objects in Google's words: Gemini API, Vertex AI, Live, interactions, embeddings. May import core and its neighbours here.

`promptTokenCount` includes what was cached and leaves out what tools put in; thoughts stand beside the candidates:
total = prompt + candidates + toolUse + thoughts. https://ai.google.dev/api/generate-content#UsageMetadata
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from farebox.core import semconv
from farebox.core.usage import Count
from farebox.extraction.counting import count, part, word


class _Names(msgspec.Struct, frozen=True, gc=False):
    """The field names of one spelling."""

    prompt: str
    cached: str
    candidates: str
    response: str
    thoughts: str
    tool: str
    total: str
    prompt_by: str
    prompt_by_too: str
    cached_by: str
    candidates_by: str
    response_by: str
    traffic: str
    tier: str
    modality: str = "modality"
    tokens: str = "tokenCount"


_CAMEL: Final = _Names(
    prompt="promptTokenCount",
    cached="cachedContentTokenCount",
    candidates="candidatesTokenCount",
    response="responseTokenCount",
    thoughts="thoughtsTokenCount",
    tool="toolUsePromptTokenCount",
    total="totalTokenCount",
    prompt_by="promptTokensDetails",
    prompt_by_too="promptTokenDetails",
    cached_by="cacheTokensDetails",
    candidates_by="candidatesTokensDetails",
    response_by="responseTokensDetails",
    traffic="trafficType",
    tier="serviceTier",
)
_SNAKE: Final = _Names(
    prompt="prompt_token_count",
    cached="cached_content_token_count",
    candidates="candidates_token_count",
    response="response_token_count",
    thoughts="thoughts_token_count",
    tool="tool_use_prompt_token_count",
    total="total_token_count",
    prompt_by="prompt_tokens_details",
    prompt_by_too="prompt_token_details",
    cached_by="cache_tokens_details",
    candidates_by="candidates_tokens_details",
    response_by="response_tokens_details",
    traffic="traffic_type",
    tier="service_tier",
    tokens="token_count",
)
_SNAKE_FIELDS: Final = frozenset({_SNAKE.prompt, _SNAKE.candidates, _SNAKE.response, _SNAKE.total, _SNAKE.thoughts})

# A document is read as images: Vertex counts the same tokens as DOCUMENT in the prompt and as IMAGE in the cache.
_KINDS: Final = {"AUDIO": "audio", "IMAGE": "image", "DOCUMENT": "image", "VIDEO": "video"}
_INPUT: Final = {"audio": semconv.INPUT_AUDIO, "image": semconv.INPUT_IMAGE, "video": semconv.INPUT_VIDEO}
_CACHED: Final = {
    "audio": semconv.CACHE_READ_AUDIO,
    "image": semconv.CACHE_READ_IMAGE,
    "video": semconv.CACHE_READ_VIDEO,
}
_OUTPUT: Final = {"audio": semconv.OUTPUT_AUDIO, "image": semconv.OUTPUT_IMAGE, "video": semconv.OUTPUT_VIDEO}


def read(raw: dict[str, Any], units: dict[str, Count], notes: list[str], provider: str | None) -> dict[str, Any]:  # noqa: ARG001 - the readers' common signature
    """Fill `units` and `notes` from a usage object of any interface of Google's; return the other fields of `Usage`."""
    if "total_input_tokens" in raw or "total_output_tokens" in raw:
        return _interaction(raw, units, notes)
    if "predictions_statistics" in raw or "predictions" in raw:
        return _prediction(raw, units, notes)
    return _metadata(raw, units, notes)


def _metadata(raw: dict[str, Any], units: dict[str, Count], notes: list[str]) -> dict[str, Any]:
    """`usageMetadata`, in either spelling."""
    names = _CAMEL if _CAMEL.prompt in raw or not raw.keys() & _SNAKE_FIELDS else _SNAKE
    get = raw.get
    prompt, candidates, thoughts = get(names.prompt), get(names.candidates), get(names.thoughts)
    if type(prompt) is not int or prompt < 0:
        prompt = count(prompt, names.prompt, notes)
    if type(candidates) is not int or candidates < 0:
        live = get(names.response)
        candidates = count(candidates if live is None else live, names.candidates, notes)
    if thoughts is not None and (type(thoughts) is not int or thoughts < 0):
        thoughts = count(thoughts, names.thoughts, notes)
    tool = count(tool, names.tool, notes) if (tool := get(names.tool)) else 0
    total = get(names.total)
    if total is not None and total != prompt + candidates + tool + (thoughts or 0):
        total = count(total, names.total, notes)
        candidates += _missing(raw, names, (total, prompt + candidates + tool, thoughts or 0), notes)
    if not prompt and candidates and not tool and get(names.prompt) is None:
        notes.append(f"{names.prompt} is missing")
    _parts(raw, names, (prompt, candidates, thoughts or 0, tool), units, notes)
    tier = get(names.tier) or get(names.traffic)
    if tier:
        return {"reasoning": thoughts, "total": total, "service_tier": tier if type(tier) is str else word(tier)}
    return {"reasoning": thoughts, "total": total}


def _parts(
    raw: dict[str, Any],
    names: _Names,
    counts: tuple[int, int, int, int],
    units: dict[str, Count],
    notes: list[str],
) -> None:
    """Fill `units` from the counts of the prompt, the candidates, the thoughts and the tools."""
    prompt, candidates, thoughts, tool = counts
    _prompt(raw, names, prompt, units, notes)
    if tool:
        units[semconv.INPUT_TOOL] = tool
    given = raw.get(names.candidates_by) or raw.get(names.response_by)
    if given and candidates and not _only_text(given, names):
        _output(given, candidates, thoughts, _Target(names, units, notes))
    elif candidates or thoughts:
        units[semconv.OUTPUT] = candidates + thoughts


def merge(previous: dict[str, Any], latest: dict[str, Any]) -> dict[str, Any]:
    """The usage of a stream after one more chunk: counts are cumulative, so the latest object stands.

    Only where the latest dropped its candidates' count and gives no total to derive it from is the earlier count kept.
    Neither argument is changed.
    """
    names = _CAMEL if not latest.keys() & _SNAKE_FIELDS else _SNAKE
    kept = {
        name: previous[name]
        for name in (names.prompt, names.candidates)
        if latest.get(name) is None and previous.get(name) is not None and latest.get(names.total) is None
    }
    return {**latest, **kept} if kept else latest


def read_cache(raw: dict[str, Any], units: dict[str, Count], notes: list[str], provider: str | None) -> dict[str, Any]:
    """Usage of `cachedContents`: tokens that the provider stores, billed by time; Vertex bills their reading too.

    https://docs.cloud.google.com/vertex-ai/generative-ai/docs/context-cache/context-cache-overview
    """
    total = count(raw.get(_CAMEL.total, raw.get(_SNAKE.total)), _CAMEL.total, notes)
    if total:
        units[semconv.CACHE_STORAGE] = total
        if provider == semconv.GOOGLE_VERTEX:
            units[semconv.INPUT] = total
    return {"total": total}


def _missing(raw: dict[str, Any], names: _Names, counts: tuple[int, int, int], notes: list[str]) -> int:
    """Candidates that the object does not count although its total holds them; every other difference is noted.

    `counts` are the total, the parts but for thoughts, and the thoughts.
    """
    total, parts, thoughts = counts
    gap = total - parts - thoughts
    live = raw.get(names.response) is not None
    if gap > 0 and not live and raw.get(names.candidates) is None:
        return gap
    if gap and not (live and total == parts):  # Live leaves thoughts out of its total
        notes.append(f"parts {parts + thoughts}, total {total}")
    return 0


def _split(given: Any, whole: int, names: _Names, notes: list[str]) -> dict[str, int]:
    """Tokens by modality, text left out: text is whatever the details do not cover."""
    found: dict[str, int] = {}
    if not isinstance(given, list):
        notes.append("details are not a list")
        return found
    left = whole
    for entry in given:
        if not isinstance(entry, dict):
            notes.append("details hold something else than objects")
            continue
        kind = _KINDS.get((word(entry.get(names.modality)) or "").upper())
        if kind is None:
            continue
        tokens = count(entry.get(names.tokens, entry.get("tokens")), f"{kind} tokens", notes)
        if tokens > left:
            notes.append(f"{kind} tokens {tokens} of {left}")
            tokens = left
        if tokens:
            found[kind] = found.get(kind, 0) + tokens
            left -= tokens
    return found


def _prompt(raw: dict[str, Any], names: _Names, prompt: int, units: dict[str, Count], notes: list[str]) -> None:
    get = raw.get
    given = get(names.prompt_by)
    if given is None:
        given = get(names.prompt_by_too)
    by = _split(given, prompt, names, notes) if given and not _only_text(given, names) else {}
    cached = get(names.cached)
    if cached and (type(cached) is not int or not 0 < cached <= prompt):
        number = count(cached, names.cached, notes)
        cached = min(number, prompt)
        if cached != number:
            notes.append(f"{names.cached} {number} of {prompt}")
    if by:
        _mixed(get(names.cached_by), cached or 0, prompt, by, _Target(names, units, notes))
        return
    if cached:
        units[semconv.CACHE_READ] = cached
        prompt -= cached
    if prompt:
        units[semconv.INPUT] = prompt


class _Target(NamedTuple):
    """Where counts and notes go."""

    names: _Names
    units: dict[str, Count]
    notes: list[str]


def _mixed(given: Any, cached: int, prompt: int, by: dict[str, int], target: _Target) -> None:
    """Split a prompt of several modalities, of which any may be cached."""
    _names, units, notes = target
    cached_by = _cached(given, cached, prompt, by, target) if cached else {}
    text, cached_text = prompt, cached
    for kind in _INPUT:
        seen, again = by.get(kind, 0), cached_by.get(kind, 0)
        if again > seen:
            notes.append(f"cached {kind} tokens {again} of {seen}")
            again = seen
        text -= seen
        cached_text -= again
        if again:
            units[_CACHED[kind]] = again
        if seen - again:
            units[_INPUT[kind]] = seen - again
    if cached_text > text:
        _overflow(cached_text - text, units, notes)
        cached_text = text
    if cached_text:
        units[semconv.CACHE_READ] = cached_text
    if text - cached_text:
        units[semconv.INPUT] = text - cached_text


def _cached(given: Any, cached: int, prompt: int, by: dict[str, int], target: _Target) -> dict[str, int]:
    """Cached tokens by modality; where the provider does not say, in the proportions of the prompt."""
    if given:
        return _split(given, cached, target.names, target.notes)
    target.notes.append("cached tokens have no modality: prorated")
    return {kind: cached * tokens // prompt for kind, tokens in by.items()}


def _overflow(over: int, units: dict[str, Count], notes: list[str]) -> None:
    """Move cached tokens that the text cannot hold to what was heard or seen."""
    notes.append(f"cached text is {over} tokens more than the text")
    for kind, unit in _INPUT.items():
        taken = min(over, int(units.get(unit, 0)))
        if taken:
            over -= taken
            units[_CACHED[kind]] = units.get(_CACHED[kind], 0) + taken
            units[unit] -= taken
            if not units[unit]:
                del units[unit]


def _only_text(given: Any, names: _Names) -> bool:
    return type(given) is list and len(given) == 1 and type(given[0]) is dict and given[0].get(names.modality) == "TEXT"


def _output(given: Any, candidates: int, thoughts: int, target: _Target) -> None:
    """Split the candidates by modality; what no detail covers is text, and so are thoughts."""
    left = candidates + thoughts
    for kind, tokens in _split(given, candidates, target.names, target.notes).items():
        target.units[_OUTPUT[kind]] = tokens
        left -= tokens
    if left:
        target.units[semconv.OUTPUT] = left


def _interaction(raw: dict[str, Any], units: dict[str, Count], notes: list[str]) -> dict[str, Any]:
    """Usage of the interactions interface, put into the words of `usageMetadata`."""
    get = raw.get
    thoughts = get("total_thought_tokens")
    same: dict[str, Any] = {
        _CAMEL.prompt: get("total_input_tokens"),
        _CAMEL.cached: get("total_cached_tokens"),
        _CAMEL.candidates: get("total_output_tokens"),
        _CAMEL.thoughts: thoughts,
        _CAMEL.tool: get("total_tool_use_tokens"),
        _CAMEL.total: get("total_tokens"),
        _CAMEL.prompt_by: get("input_tokens_by_modality"),
        _CAMEL.cached_by: get("cached_tokens_by_modality"),
        _CAMEL.candidates_by: get("output_tokens_by_modality"),
        _CAMEL.tier: get("service_tier"),
    }
    fields = _metadata(same, units, notes)
    grounding = get("grounding_tool_count")
    for entry in grounding if isinstance(grounding, list) else ():
        if "google_search" in str(part(entry, "grounding_tool_count", notes).get("type")):
            queries = count(entry.get("count"), "grounding count", notes)
            units[semconv.GROUNDED_QUERIES] = units.get(semconv.GROUNDED_QUERIES, 0) + queries
    if not units.get(semconv.GROUNDED_QUERIES, 1):
        del units[semconv.GROUNDED_QUERIES]
    return fields


def _prediction(raw: dict[str, Any], units: dict[str, Count], notes: list[str]) -> dict[str, Any]:
    """Embeddings of Vertex's `predict`: tokens stand in the statistics of each prediction."""
    given = raw.get("predictions_statistics")
    if not isinstance(given, list):
        listed = raw.get("predictions")
        given = [
            part(part(entry, "prediction", notes).get("embeddings"), "embeddings", notes).get("statistics")
            for entry in (listed if isinstance(listed, list) else ())
        ]
    tokens = sum(count(part(entry, "statistics", notes).get("token_count"), "token_count", notes) for entry in given)
    if tokens:
        units[semconv.INPUT] = tokens
    return {}
