"""OpenAI's wire format of responses: one answer, the event stream, compaction, input-token counts. Imports testing only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from farebox.testing import functions, prompt, tokens
from farebox.testing.openai import hosted, jobs
from farebox.testing.openai.chat import tier
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
    call = functions.next_call(_declared(body), _answered(body, habits), habits)
    if call is not None:
        speech = call.speech(speech.hidden)

    def usage(output: int) -> Json:
        return habits.laid(usage_object(prompt_tokens, cached, output, speech.hidden))

    status = "completed" if speech.finish == "stop" else "incomplete"
    response = _response(request, model)
    done = {
        **response,
        "status": status,
        "incomplete_details": None if speech.finish == "stop" else {"reason": "max_output_tokens"},
        "output": [*calls.items, _said(speech, call, status)],
        "tool_usage": calls.usage,
        "usage": usage(speech.length),
    }
    answer = Answer(model, "responses", usage=usage, length=speech.length, tool_calls=calls.counts, lines=calls.lines)
    events = partial(_events, response, done, speech)
    if body.get("background"):
        return jobs.begin(answer, response, done, events, habits, stream=bool(body.get("stream")))
    if body.get("store") is not False:
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
        "service_tier": tier(body),
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


def _declared(body: Json) -> list[tuple[str, Any]]:
    tools = [tool for tool in body.get("tools") or [] if tool.get("type") == "function"]
    return [(tool["name"], tool.get("parameters")) for tool in tools]


def _answered(body: Json, habits: Habits) -> int:
    """Calls that were answered: those of the responses before, or what the request tells in whole."""
    if body.get("previous_response_id"):
        return functions.made_before(habits.store, body["previous_response_id"], "previous_response_id", "output")
    given = body["input"] if isinstance(body["input"], list) else []
    return sum(item.get("type") == "function_call_output" for item in given)


def _said(speech: Speech, call: functions.Call | None, status: str) -> Json:
    """The last item of the output: a message, or the call of a function."""
    if call is not None:
        head = {"id": identifier("fc_"), "type": "function_call", "call_id": identifier("call_"), "status": status}
        return {**head, "name": call.name, "arguments": call.text}
    content = [{"type": "output_text", "text": speech.text, "annotations": [], "logprobs": []}]
    return {"id": identifier("msg_"), "type": "message", "status": status, "role": "assistant", "content": content}


def _events(response: Json, done: Json, speech: Speech) -> Iterator[Chunk]:
    number = itertools.count()
    *called, item = done["output"]
    place = len(called)

    def event(kind: str, produced: int, *, last: bool = False, **members: Any) -> Chunk:
        data = server_sent({"type": kind, "sequence_number": next(number), **members}, event=kind)
        return Chunk(data, produced, states_usage=last)

    yield event("response.created", 0, response=response)
    yield event("response.in_progress", 0, response=response)
    for index, call in enumerate(called):
        begun = {**call, "status": "in_progress"}
        yield event("response.output_item.added", 0, output_index=index, item=begun)
        yield event("response.output_item.done", 0, output_index=index, item=call)
    blank: Json = {"content": []} if item["type"] == "message" else {"arguments": ""}
    opening = {**item, **blank, "status": "in_progress"}
    yield event("response.output_item.added", speech.hidden, output_index=place, item=opening)
    for kind, produced, members in _pieces(item, speech):
        yield event(kind, produced, item_id=item["id"], output_index=place, **members)
    yield event("response.output_item.done", speech.length, output_index=place, item=item)
    yield event(f"response.{done['status']}", speech.length, last=True, response=done)


def _pieces(item: Json, speech: Speech) -> Iterator[tuple[str, int, Json]]:
    """What an item is made of, as events: their names, the tokens so far, their members."""
    hidden, total = speech.hidden, speech.length
    if item["type"] == "function_call":
        yield "response.function_call_arguments.delta", total, {"delta": item["arguments"]}
        done = {"name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", total, done
        return
    blank = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    yield "response.content_part.added", hidden, {"content_index": 0, "part": blank}
    for text, end in grouped(speech.parts, 1):
        yield "response.output_text.delta", hidden + end, {"content_index": 0, "delta": text, "logprobs": []}
    yield "response.output_text.done", total, {"content_index": 0, "text": speech.text, "logprobs": []}
    yield "response.content_part.done", total, {"content_index": 0, "part": item["content"][0]}
