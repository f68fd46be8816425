"""OpenAI's wire format of responses: one answer, the event stream, input-token counts. Imports testing only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from farebox.testing import prompt, tokens
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


def input_tokens(body: Json) -> int:
    """Tokens of instructions, input items and tools."""
    given = body.get("input")
    items = given if isinstance(given, list) else [{"content": given}]
    total = prompt.messages(items) + prompt.tools(body.get("tools"))
    if body.get("instructions"):
        total += prompt.MESSAGE_FRAMING + tokens.count(body["instructions"])
    if isinstance(body.get("text"), dict):
        total += tokens.count(body["text"])
    return total


def count(request: Received, habits: Habits) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """POST /responses/input_tokens; free."""
    body = {"object": "response.input_tokens", "input_tokens": input_tokens(request.body)}
    return Answer(request.body.get("model", ""), "responses", body=body)


def usage_object(prompt_tokens: int, cached: int, output: int, reasoning: int) -> Json:
    """The usage object of responses."""
    return {
        "input_tokens": prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": min(reasoning, output)},
        "total_tokens": prompt_tokens + output,
    }


def create(request: Received, habits: Habits) -> Answer:
    """POST /responses."""
    body = request.body
    model = required(body, "model")
    required(body, "input")
    prompt_tokens = input_tokens(body)
    cached = prompt.cached_prefix(model, [body.get("instructions"), body["input"]], prompt_tokens, habits)
    speech = habits.speech(body.get("max_output_tokens"))

    def usage(output: int) -> Json:
        return habits.laid(usage_object(prompt_tokens, cached, output, speech.hidden))

    status = "completed" if speech.finish == "stop" else "incomplete"
    response = _response(request, model)
    done = {
        **response,
        "status": status,
        "incomplete_details": None if speech.finish == "stop" else {"reason": "max_output_tokens"},
        "output": [_message(identifier("msg_"), speech.text, status)],
        "usage": usage(speech.length),
    }
    if body.get("stream"):
        return Answer(model, "responses", chunks=_events(response, done, speech), usage=usage, length=speech.length)
    return Answer(model, "responses", body=done, usage=usage, length=speech.length)


def _response(request: Received, model: str) -> Json:
    body = request.body
    return {
        "id": identifier("resp_"),
        "object": "response",
        "created_at": request.at_ns // 10**9,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": body.get("metadata") or {},
    }


def _message(name: str, text: str, status: str) -> Json:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {"id": name, "type": "message", "status": status, "role": "assistant", "content": content}


def _events(response: Json, done: Json, speech: Speech) -> Iterator[Chunk]:
    number = itertools.count()
    item = done["output"][0]
    at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    blank = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    hidden, total = speech.hidden, speech.length

    def event(kind: str, produced: int, *, last: bool = False, **members: Any) -> Chunk:
        data = server_sent({"type": kind, "sequence_number": next(number), **members}, event=kind)
        return Chunk(data, produced, states_usage=last)

    yield event("response.created", 0, response=response)
    yield event("response.in_progress", 0, response=response)
    opening = {**item, "content": [], "status": "in_progress"}
    yield event("response.output_item.added", hidden, output_index=0, item=opening)
    yield event("response.content_part.added", hidden, **at, part=blank)
    for text, end in grouped(speech.parts, 1):
        yield event("response.output_text.delta", hidden + end, **at, delta=text, logprobs=[])
    yield event("response.output_text.done", total, **at, text=speech.text, logprobs=[])
    yield event("response.content_part.done", total, **at, part=item["content"][0])
    yield event("response.output_item.done", total, output_index=0, item=item)
    yield event(f"response.{done['status']}", total, last=True, response=done)
