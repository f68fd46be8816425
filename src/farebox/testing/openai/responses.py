"""OpenAI's wire format of responses: one answer, the event stream, compaction, input-token counts. Imports testing only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from farebox.testing import prompt, tokens
from farebox.testing.openai import hosted, jobs
from farebox.testing.store import Job
from farebox.testing.wire import (
    Answer,
    Chunk,
    Habits,
    Json,
    Received,
    Speech,
    free,
    grouped,
    identifier,
    required,
    server_sent,
)


def input_tokens(body: Json, habits: Habits) -> int:
    """Tokens of instructions, input items and tools, and of the response that came before."""
    given = body.get("input")
    items = given if isinstance(given, list) else [{"content": given}]
    total = prompt.messages(items) + prompt.tools(body.get("tools"))
    if body.get("instructions"):
        total += prompt.MESSAGE_FRAMING + tokens.count(body["instructions"])
    if isinstance(body.get("text"), dict):
        total += tokens.count(body["text"])
    if body.get("previous_response_id"):
        before = habits.store.get(body["previous_response_id"], Job).done["usage"] or {}
        total += before.get("total_tokens") or 0
    return total


def count(request: Received, habits: Habits) -> Answer:
    """POST /responses/input_tokens; free."""
    body = {"object": "response.input_tokens", "input_tokens": input_tokens(request.body, habits)}
    return free(body)


def usage_object(prompt_tokens: int, cached: int, output: int, reasoning: int) -> Json:
    """The usage object of responses."""
    return {
        "input_tokens": prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": min(reasoning, output)},
        "total_tokens": prompt_tokens + output,
    }


def create(request: Received, habits: Habits) -> Answer:
    """POST /responses."""
    body = request.body
    model = required(body, "model")
    required(body, "input")
    prompt_tokens = input_tokens(body, habits)
    cached = prompt.cached_prefix(model, [body.get("instructions"), body["input"]], prompt_tokens, habits)
    speech = habits.speech(body.get("max_output_tokens"))
    calls = hosted.Calls(body.get("tools"), habits)

    def usage(output: int) -> Json:
        return habits.laid(usage_object(prompt_tokens, cached, output, speech.hidden))

    status = "completed" if speech.finish == "stop" else "incomplete"
    response = _response(request, model)
    done = {
        **response,
        "status": status,
        "incomplete_details": None if speech.finish == "stop" else {"reason": "max_output_tokens"},
        "output": [*calls.items, _message(identifier("msg_"), speech.text, status)],
        "tool_usage": calls.usage,
        "usage": usage(speech.length),
    }
    answer = Answer(model, "responses", usage=usage, length=speech.length, tool_calls=calls.counts, lines=calls.lines)
    events = partial(_events, response, done, speech)
    if body.get("background"):
        return jobs.begin(answer, response, done, events, habits, stream=bool(body.get("stream")))
    habits.store.add(Job(done["id"], "openai", response, done, events=events, state="done"))
    return replace(answer, chunks=events()) if body.get("stream") else replace(answer, body=done)


def compact(request: Received, habits: Habits) -> Answer:
    """POST /responses/compact: what was said becomes one item; the answer names no model."""
    body = request.body
    model = required(body, "model")
    prompt_tokens = input_tokens(body, habits)
    cached = prompt.cached_prefix(model, [body.get("instructions"), body.get("input")], prompt_tokens, habits)
    speech = habits.speech(None)
    usage = habits.laid(usage_object(prompt_tokens, cached, speech.length, speech.hidden))
    item = {"id": identifier("cmp_"), "type": "compaction", "encrypted_content": speech.text}
    whole = {
        "id": identifier("resp_"),
        "object": "response.compaction",
        "created_at": request.at_ns // 10**9,
        "output": [item],
        "usage": usage,
    }
    return Answer(model, "responses", body=whole, usage=lambda _: usage)


def _response(request: Received, model: str) -> Json:
    body = request.body
    return {
        "id": identifier("resp_"),
        "object": "response",
        "created_at": request.at_ns // 10**9,
        "status": "in_progress",
        "background": bool(body.get("background")),
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
    *called, item = done["output"]
    place = len(called)
    at = {"item_id": item["id"], "output_index": place, "content_index": 0}
    blank = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    hidden, total = speech.hidden, speech.length

    def event(kind: str, produced: int, *, last: bool = False, **members: Any) -> Chunk:
        data = server_sent({"type": kind, "sequence_number": next(number), **members}, event=kind)
        return Chunk(data, produced, states_usage=last)

    yield event("response.created", 0, response=response)
    yield event("response.in_progress", 0, response=response)
    for index, call in enumerate(called):
        begun = {**call, "status": "in_progress"}
        yield event("response.output_item.added", 0, output_index=index, item=begun)
        yield event("response.output_item.done", 0, output_index=index, item=call)
    opening = {**item, "content": [], "status": "in_progress"}
    yield event("response.output_item.added", hidden, output_index=place, item=opening)
    yield event("response.content_part.added", hidden, **at, part=blank)
    for text, end in grouped(speech.parts, 1):
        yield event("response.output_text.delta", hidden + end, **at, delta=text, logprobs=[])
    yield event("response.output_text.done", total, **at, text=speech.text, logprobs=[])
    yield event("response.content_part.done", total, **at, part=item["content"][0])
    yield event("response.output_item.done", total, output_index=place, item=item)
    yield event(f"response.{done['status']}", total, last=True, response=done)
