"""OpenAI's wire format: chat completions, completions, embeddings. Imports testing only."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Iterator
from typing import Any, Final

from farebox.testing import functions, prompt, tokens
from farebox.testing.store import BadRequestError
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

EMBEDDING_SIZE: Final = 1536


def error(status: int, message: str) -> Json:
    """The error object for a status."""
    kind, code = {
        401: ("invalid_request_error", "invalid_api_key"),
        404: ("invalid_request_error", "not_found"),
        429: ("requests", "rate_limit_exceeded"),
    }.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def chat_usage(prompt_tokens: int, cached: int, output: int, reasoning: int) -> Json:
    """The usage object of chat completions."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": output,
        "total_tokens": prompt_tokens + output,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": min(reasoning, max(output - 1, 0)),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def chat(request: Received, habits: Habits, deployment: str | None = None) -> Answer:
    """POST /chat/completions. An Azure deployment stands in for the model where the body names none."""
    body = request.body
    model = deployment or required(body, "model")
    conversation = required(body, "messages")
    prompt_tokens = prompt.messages(conversation) + prompt.tools(body.get("tools"))
    if body.get("response_format"):
        prompt_tokens += tokens.count(body["response_format"])
    cached = prompt.cached_prefix(model, conversation, prompt_tokens, habits)
    cap = body.get("max_completion_tokens") or body.get("max_tokens")
    choices = body.get("n") or 1
    speech = habits.speech(cap)
    call = functions.next_call(_declared(body), sum(item.get("role") == "tool" for item in conversation), habits)
    if call is not None:
        speech = call.speech(speech.hidden)._replace(finish="tool_calls")
    length = speech.length * choices

    def usage(output: int) -> Json:
        return habits.laid(chat_usage(prompt_tokens, cached, output, speech.hidden * choices))

    head: Json = {"id": identifier("chatcmpl-"), "created": request.at_ns // 10**9, "model": model}
    head["service_tier"] = tier(body)
    if body.get("stream"):
        asked = bool((body.get("stream_options") or {}).get("include_usage"))
        head |= {"object": "chat.completion.chunk", "system_fingerprint": None}
        chunks = _chat_chunks(head, speech, call, choices, usage(length) if asked else None)
        return Answer(model, "chat.completions", chunks=chunks, usage=usage, length=length)
    message: Json = {"role": "assistant", "refusal": None, "annotations": [], **_said(speech, call)}
    whole = {
        **head,
        "object": "chat.completion",
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": speech.finish}
            for index in range(choices)
        ],
        "usage": usage(length),
        "system_fingerprint": None,
    }
    return Answer(model, "chat.completions", body=whole, usage=usage, length=length)


def tier(body: Json) -> str:
    """The service tier that an answer states; `fast` is answered as `priority`."""
    asked = body.get("service_tier") or "auto"
    return {"auto": "default", "fast": "priority"}.get(asked, str(asked))


def _declared(body: Json) -> list[tuple[str, Any]]:
    tools = [tool["function"] for tool in body.get("tools") or [] if tool.get("type") == "function"]
    return [(tool["name"], tool.get("parameters")) for tool in tools]


def _said(speech: Speech, call: functions.Call | None) -> Json:
    """What a message says: a text, or the call of a function."""
    if call is None:
        return {"content": speech.text}
    function = {"name": call.name, "arguments": call.text}
    return {"content": None, "tool_calls": [{"id": identifier("call_"), "type": "function", "function": function}]}


def _deltas(speech: Speech, call: functions.Call | None) -> Iterator[tuple[Json, int]]:
    """The same in pieces, each with the number of tokens up to its end."""
    if call is None:
        for text, end in grouped(speech.parts, 1):
            yield {"content": text}, end
        return
    (whole,) = _said(speech, call)["tool_calls"]
    opening = {**whole, "function": {"name": call.name, "arguments": ""}}
    yield {"content": None, "tool_calls": [{"index": 0, **opening}]}, 1
    yield {"tool_calls": [{"index": 0, "function": {"arguments": call.text}}]}, len(speech.parts)


def _chat_chunks(
    head: Json, speech: Speech, call: functions.Call | None, choices: int, usage: Json | None
) -> Iterator[Chunk]:
    def chunk(index: int, delta: Json, finish_reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        extra: Json = {} if usage is None else {"usage": None}
        return server_sent({**head, "choices": [choice], **extra})

    before = 0
    for index in range(choices):
        before += speech.hidden
        yield Chunk(chunk(index, {"role": "assistant", "content": "", "refusal": None}), before)
        for delta, end in _deltas(speech, call):
            yield Chunk(chunk(index, delta), before + end)
        before += len(speech.parts)
        yield Chunk(chunk(index, {}, speech.finish), before)
    if usage is not None:
        yield Chunk(server_sent({**head, "choices": [], "usage": usage}), before, states_usage=True)
    yield Chunk(server_sent("[DONE]"), before)


def _as_list(value: Any) -> list[Any]:
    """One prompt or many: a list of token ids is one."""
    if isinstance(value, list) and not (value and all(isinstance(item, int) for item in value)):
        return value
    return [value]


def completions(request: Received, habits: Habits, deployment: str | None = None) -> Answer:
    """POST /completions, the older interface; every prompt gets its answers."""
    body = request.body
    model = deployment or required(body, "model")
    prompts = _as_list(required(body, "prompt"))
    prompt_tokens = sum(tokens.count(item) for item in prompts)
    choices = len(prompts) * (body.get("n") or 1)
    parts, finish = habits.speech(body.get("max_tokens", 16))[::2]
    length = len(parts) * choices

    def usage(output: int) -> Json:
        total = prompt_tokens + output
        return habits.laid({"prompt_tokens": prompt_tokens, "completion_tokens": output, "total_tokens": total})

    head = {
        "id": identifier("cmpl-"),
        "object": "text_completion",
        "created": request.at_ns // 10**9,
        "model": model,
    }

    def choice(index: int, text: str, finish_reason: str | None) -> Json:
        return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}

    def chunks() -> Iterator[Chunk]:
        asked = bool((body.get("stream_options") or {}).get("include_usage"))
        extra: Json = {"usage": None} if asked else {}
        for index in range(choices):
            for text, end in grouped(parts, 1):
                done = finish if end == len(parts) else None
                yield Chunk(
                    server_sent({**head, "choices": [choice(index, text, done)], **extra}), index * len(parts) + end
                )
        if asked:
            yield Chunk(server_sent({**head, "choices": [], "usage": usage(length)}), length, states_usage=True)
        yield Chunk(server_sent("[DONE]"), length)

    if body.get("stream"):
        return Answer(model, "completions", chunks=chunks(), usage=usage, length=length)
    whole = {
        **head,
        "choices": [choice(index, "".join(parts), finish) for index in range(choices)],
        "usage": usage(length),
    }
    return Answer(model, "completions", body=whole, usage=usage, length=length)


def vector(text: object, size: int) -> list[float]:
    """A unit vector that depends on the text only."""
    seed = sum(str(text).encode()) % 97 + 1
    return [math.sqrt(2 / size) * math.sin(seed * (index + 0.5)) for index in range(size)]


def embeddings(request: Received, habits: Habits, deployment: str | None = None) -> Answer:
    """POST /embeddings, as floats or base64 (which the SDK asks for by itself)."""
    body = request.body
    model = deployment or required(body, "model")
    inputs = _as_list(required(body, "input"))
    if not inputs:
        raise BadRequestError("Invalid 'input': empty array.")
    size = body.get("dimensions") or EMBEDDING_SIZE
    prompt_tokens = sum(tokens.count(item) for item in inputs)

    def encoded(item: object) -> list[float] | str:
        values = vector(item, size)
        return (
            base64.b64encode(struct.pack(f"<{size}f", *values)).decode()
            if body.get("encoding_format") == "base64"
            else values
        )

    data = [{"object": "embedding", "index": index, "embedding": encoded(item)} for index, item in enumerate(inputs)]
    usage = habits.laid({"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens})
    whole = {"object": "list", "data": data, "model": model, "usage": usage}
    return Answer(model, "embeddings", body=whole, usage=lambda _: usage)
