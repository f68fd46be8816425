"""Anthropic's wire format: messages, their event stream, token counts. Imports testing only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from farebox.testing import prompt
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
    body = request.body
    model = required(body, "model")
    prompt_usage = _prompt_usage(model, body, habits)
    speech = habits.speech(required(body, "max_tokens"))

    def usage(output: int) -> Json:
        tail = {"output_tokens": output, "service_tier": "standard", "inference_geo": "not_available"}
        return habits.laid({**prompt_usage, **tail})

    message = {
        "model": model,
        "id": identifier("msg_"),
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": speech.text}],
        "stop_reason": "end_turn" if speech.finish == "stop" else "max_tokens",
        "stop_sequence": None,
        "usage": usage(speech.length),
    }
    api = "beta.messages" if "anthropic-beta" in request.headers or "beta=true" in request.query else "messages"
    if body.get("stream"):
        chunks = _events(message, speech, usage(min(1, speech.length)))
        return Answer(model, api, chunks=chunks, usage=usage, length=speech.length)
    return Answer(model, api, body=message, usage=usage, length=speech.length)


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
    start = {**message, "content": [], "stop_reason": None, "usage": first_usage}

    def event(kind: str, produced: int, **members: object) -> Chunk:
        data = server_sent({"type": kind, **members}, event=kind)
        return Chunk(data, produced, states_usage=kind == "message_delta")

    yield event("message_start", min(1, total), message=start)
    yield event("content_block_start", hidden, index=0, content_block={"type": "text", "text": ""})
    yield event("ping", hidden)
    for text, end in grouped(speech.parts, PIECES_PER_EVENT):
        yield event("content_block_delta", hidden + end, index=0, delta={"type": "text_delta", "text": text})
    yield event("content_block_stop", total, index=0)
    ends = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    stated = {name: value for name, value in message["usage"].items() if name not in ONLY_AT_START}
    yield event("message_delta", total, delta=ends, usage=stated)
    yield event("message_stop", total)
