"""OpenAI's endpoints that answer with text: completions, responses, decisions, embeddings. Rows. Imports core only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.instruments.hook import Answer, Endpoint, Reading, ToolCalls
from farebox.instruments.pieces import UsagePieces, events
from farebox.instruments.reading import member, moment, read


class Completion(msgspec.Struct):
    """What matters of a chat completion, a legacy completion or a list of embeddings."""

    usage: Any = None
    model: Any = None
    id: Any = None
    service_tier: Any = None


class Response(msgspec.Struct):
    """What matters of a response; `output` and `tools` only to count hosted tools."""

    usage: Any = None
    model: Any = None
    id: Any = None
    service_tier: Any = None
    output: Any = None
    tools: Any = None
    tool_usage: Any = None
    status: Any = None
    created_at: Any = None


UNFINISHED: Final = frozenset({"queued", "in_progress"})


def identify(answer: Any, reading: Reading) -> None:
    """A response is stored and can be asked for again, by its id; one in the background has no usage before it is finished."""
    # An id that is too short to be unique is none: servers of one's own may give the same to every answer.
    if reading.id is not None and len(reading.id) >= UNIQUE:
        reading.key = reading.id
        reading.created = moment(member(answer, "created_at"))
        reading.pending = reading.usage is None and member(answer, "status") in UNFINISHED


UNIQUE: Final = 20
"""Characters that a provider's id has at least."""

HOSTED: Final = frozenset({"web_search_call", "file_search_call", "code_interpreter_call"})
"""Types of output items that are calls of a hosted tool with a fee of its own (pricing page, checked 2026-11-22)."""

SEARCHES: Final = frozenset({"search", None})
"""Actions of a `web_search_call` that are billed as a search; opening a page and finding in it are not."""


def hosted_tools(answer: Any, asked: tuple[str, ...]) -> ToolCalls:
    """Calls of hosted tools in a response's output; `tool_usage`, where present, knows the searches better.

    The tool's type decides the price and the items do not state it, so the answer's own list of tools is asked, then the request's.
    """
    calls: Counter[str] = Counter()
    output = member(answer, "output")
    for item in output if isinstance(output, list) else ():
        kind = member(item, "type")
        if kind not in HOSTED:
            continue
        if kind == "web_search_call" and member(member(item, "action"), "type") not in SEARCHES:
            continue
        calls[kind] += 1
    stated = member(member(member(answer, "tool_usage"), "web_search"), "num_requests")
    if type(stated) is int:
        calls["web_search_call"] = stated
    if not calls["web_search_call"]:
        del calls["web_search_call"]
    elif any(kind.startswith("web_search_preview") for kind in _kinds(member(answer, "tools")) or asked):
        calls["web_search_preview_call"] = calls.pop("web_search_call")
    return dict(calls) or None, tuple(calls)


def asked_tools(body: Any) -> tuple[str, ...]:
    """Types of the tools that a request offers."""
    return _kinds(body.get("tools")) if isinstance(body, Mapping) else ()


def _kinds(tools: Any) -> tuple[str, ...]:
    kinds = [member(tool, "type") for tool in tools] if isinstance(tools, list) else []
    return tuple(kind for kind in kinds if isinstance(kind, str))


CHAT: Final = Answer(Completion, tier="service_tier")
TEXT: Final = Answer(Completion)
EMBEDDINGS: Final = Answer(Completion, id=None)
RESPONSE: Final = Answer(Response, tier="service_tier", asked=asked_tools, tools=hosted_tools, identify=identify)
COMPACTED: Final = Answer(Response, tier="service_tier", model=None)
DECISION: Final = Answer(Completion, tier="service_tier")

RESPONSE_EVENTS: Final = events(
    quiet="response.output_text.delta",
    homes={
        "response.created": "response",
        "response.queued": "response",
        "response.completed": "response",
        "response.incomplete": "response",
        "response.failed": "response",
    },
    ends=frozenset({"response.completed", "response.incomplete", "response.failed"}),
)


def told_response(answer: Any, _names: tuple[str, ...]) -> Iterator[Reading]:
    """A response that is asked for again."""
    reading = read(answer, RESPONSE)
    if reading.usage is not None:
        yield reading


_CHAT: Final = (semconv.CHAT, semconv.API_RESPONSES, RESPONSE)

ENDPOINTS: Final = (
    Endpoint("chat/completions", semconv.CHAT, semconv.API_CHAT_COMPLETIONS, CHAT, UsagePieces, asks_usage=True),
    Endpoint("responses", *_CHAT, RESPONSE_EVENTS),
    Endpoint("responses/{}", *_CHAT, RESPONSE_EVENTS, method="get", told=told_response),
    Endpoint("responses/{}/cancel", *_CHAT, told=told_response),
    Endpoint("responses/compact", semconv.CHAT, semconv.API_COMPACTION, COMPACTED),
    Endpoint("decisions", semconv.DECISION, semconv.API_DECISIONS, DECISION),
    Endpoint("embeddings", semconv.EMBEDDINGS, semconv.API_EMBEDDINGS, EMBEDDINGS),
    Endpoint("completions", semconv.TEXT_COMPLETION, semconv.API_COMPLETIONS, TEXT, UsagePieces, asks_usage=True),
)
