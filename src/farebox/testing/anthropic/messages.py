"""Anthropic's wire format: messages, their event stream, token counts. Imports testing only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from farebox.testing import functions, prompt
from farebox.testing.store import Kept
from farebox.testing.wire import (
    Answer,
    Chunk,
    Habits,
    Json,
    Received,
    Speech,
    grouped,
    identifier,
    required,
    server_sent,
)

TOOL_PROMPT: Final = 346
"""Tokens of the hidden system prompt that comes with client tools:
https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview#pricing"""

PIECES_PER_EVENT: Final = 4

ONLY_AT_START: Final = frozenset({"cache_creation", "service_tier", "inference_geo", "speed"})
"""Members of the usage object that `message_start` states and `message_delta` does not repeat."""


ONLY_AT_END: Final = frozenset({"iterations", "server_tool_use", "output_tokens_details"})
"""Members that are known at the end."""


def error(status: int, message: str) -> Json:
    """The error object for a status."""
    kind = {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        529: "overloaded_error",
    }.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": identifier("req_")}


def input_tokens(body: Json) -> int:
    """Tokens of system prompt, conversation and tools."""
    total = prompt.messages(required(body, "messages")) + prompt.part(body.get("system") or "")
    if body.get("tools"):
        total += TOOL_PROMPT + prompt.tools(body["tools"])
    return total


def count(request: Received, habits: Habits) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """POST /v1/messages/count_tokens; free."""
    return Answer(required(request.body, "model"), "messages", body={"input_tokens": input_tokens(request.body)})


def messages(request: Received, habits: Habits) -> Answer:
    """POST /v1/messages."""
    body = _resumed(request.body, habits)
    model = required(body, "model")
    prompt_usage = _prompt_usage(model, body, habits)
    speech = habits.speech(required(body, "max_tokens"))
    call = functions.next_call(_declared(body), _answered(body), habits)
    if call is not None:
        speech = call.speech(speech.hidden)
    searched, used = _hosted(body, habits)

    def usage(output: int) -> Json:
        tail: Json = {"output_tokens": output, "service_tier": "standard"}
        if speech.hidden:
            tail["output_tokens_details"] = {"thinking_tokens": min(speech.hidden, output)}
        geo = body.get("inference_geo") or "not_available"
        speed = {"speed": body["speed"]} if body.get("speed") else {}
        return habits.laid({**prompt_usage, **tail, **used, "inference_geo": geo, **speed})

    message = {
        "model": model,
        "id": identifier("msg_"),
        "type": "message",
        "role": "assistant",
        "content": [*searched, _content(speech, call)],
        "stop_reason": _reason(speech, call),
        "stop_sequence": None,
        "usage": usage(speech.length),
    }
    if body.get("thread"):
        said = {"role": "assistant", "content": message["content"]}
        habits.store.add(Kept(str(message["id"]), {}, {**body, "messages": [*body["messages"], said]}))
    api = "beta.messages" if "anthropic-beta" in request.headers or "beta=true" in request.query else "messages"
    if body.get("stream"):
        chunks = _events(message, speech, usage(min(1, speech.length)))
        return Answer(model, api, chunks=chunks, usage=usage, length=speech.length)
    return Answer(model, api, body=message, usage=usage, length=speech.length)


def _resumed(body: Json, habits: Habits) -> Json:
    """The request with everything that the thread which it continues has said before: the client sends only what is new."""
    before = (body.get("thread") or {}).get("previous_message_id")
    if before is None:
        return body
    kept = habits.store.get(before, Kept).content
    return {**kept, **body, "messages": [*kept["messages"], *required(body, "messages")]}


def _declared(body: Json) -> list[tuple[str, Any]]:
    """The tools that the client runs."""
    tools = body.get("tools") or []
    return [(tool["name"], tool["input_schema"]) for tool in tools if isinstance(tool.get("input_schema"), dict)]


def _answered(body: Json) -> int:
    contents = [item.get("content") for item in body["messages"] if isinstance(item.get("content"), list)]
    return sum(part.get("type") == "tool_result" for content in contents for part in content if isinstance(part, dict))


def _content(speech: Speech, call: functions.Call | None) -> Json:
    if call is None:
        return {"type": "text", "text": speech.text}
    return {"type": "tool_use", "id": identifier("toolu_"), "name": call.name, "input": call.arguments}


def _reason(speech: Speech, call: functions.Call | None) -> str:
    if call is not None:
        return "tool_use"
    return "end_turn" if speech.finish == "stop" else "max_tokens"


def _hosted(body: Json, habits: Habits) -> tuple[list[Json], Json]:
    """The blocks of the searches and fetches that the request offers, and what the usage object says of them."""
    kinds = [str(tool.get("type")) for tool in body.get("tools") or []]
    number = habits.hosted_calls
    searches = number if any(kind.startswith("web_search") for kind in kinds) else 0
    fetches = number if any(kind.startswith("web_fetch") for kind in kinds) else 0
    blocks: list[Json] = []
    for _ in range(searches):
        name = identifier("srvtoolu_")
        blocks.append({"type": "server_tool_use", "id": name, "name": "web_search", "input": {"query": "fares today"}})
        blocks.append({"type": "web_search_tool_result", "tool_use_id": name, "content": []})
    if not searches and not fetches:
        return blocks, {}
    return blocks, {"server_tool_use": {"web_search_requests": searches, "web_fetch_requests": fetches}}


def _prompt_usage(model: str, body: Json, habits: Habits) -> Json:
    """The input side of the usage object: what is marked and long enough is written to the cache, or read from it."""
    total, read, written = input_tokens(body), 0, 0
    marked = prompt.marked_prefix(body)
    ttl = "5m"
    if marked is not None:
        prefix, ttl = marked
        marked_tokens = min(sum(prompt.part(block) for block in prefix), total)
        if marked_tokens >= prompt.CACHE_MINIMUM:
            known = habits.seen(model, json.dumps(prefix, sort_keys=True))
            read, written = (marked_tokens, 0) if known else (0, marked_tokens)
    return {
        "input_tokens": total - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written if ttl != "1h" else 0,
            "ephemeral_1h_input_tokens": written if ttl == "1h" else 0,
        },
    }


def _events(message: Json, speech: Speech, first_usage: Json) -> Iterator[Chunk]:
    """The event stream; the usage of `message_delta` is cumulative and restates the input side."""
    hidden, total = speech.hidden, speech.length
    first_usage = {name: value for name, value in first_usage.items() if name not in ONLY_AT_END}
    start = {**message, "content": [], "stop_reason": None, "usage": first_usage}

    def event(kind: str, produced: int, **members: object) -> Chunk:
        data = server_sent({"type": kind, **members}, event=kind)
        return Chunk(data, produced, states_usage=kind == "message_delta")

    yield event("message_start", min(1, total), message=start)
    yield event("ping", min(1, total))
    *searched, said = message["content"]
    for index, block in enumerate(searched):
        yield event("content_block_start", hidden, index=index, content_block=block)
        yield event("content_block_stop", hidden, index=index)
    place = len(searched)
    blank: Json = {"text": ""} if said["type"] == "text" else {"input": {}}
    yield event("content_block_start", hidden, index=place, content_block={**said, **blank})
    if said["type"] == "text":
        for text, end in grouped(speech.parts, PIECES_PER_EVENT):
            yield event("content_block_delta", hidden + end, index=place, delta={"type": "text_delta", "text": text})
    else:
        delta = {"type": "input_json_delta", "partial_json": json.dumps(said["input"])}
        yield event("content_block_delta", total, index=place, delta=delta)
    yield event("content_block_stop", total, index=place)
    ends = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    stated = {name: value for name, value in message["usage"].items() if name not in ONLY_AT_START}
    yield event("message_delta", total, delta=ends, usage=stated)
    yield event("message_stop", total)
