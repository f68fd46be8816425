"""Small answers and streams of the three wire formats."""

from __future__ import annotations

import base64
import struct
from typing import Any

CHAT_USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0, "never_seen_before": None},
    "completion_tokens_details": {"reasoning_tokens": 3},
    "a_new_counter": 5,
}
RESPONSE_USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 29,
}
EMBEDDING_USAGE = {"prompt_tokens": 6, "total_tokens": 6}
MESSAGE_USAGE = {
    "input_tokens": 30,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 6, "ephemeral_1h_input_tokens": 4},
    "output_tokens": 12,
    "service_tier": "standard",
    "inference_geo": "us",
}
START_USAGE = {**MESSAGE_USAGE, "output_tokens": 1}
DELTA_USAGE = {"output_tokens": 12, "cache_read_input_tokens": None}
GEMINI_USAGE = {
    "promptTokenCount": 13,
    "candidatesTokenCount": 6,
    "thoughtsTokenCount": 2,
    "totalTokenCount": 21,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 13}],
    "serviceTier": "standard",
}
CONVERSE_USAGE = {
    "inputTokens": 30,
    "outputTokens": 12,
    "totalTokens": 57,
    "cacheReadInputTokens": 5,
    "cacheWriteInputTokens": 10,
}
COHERE_USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 7},
    "tokens": {"input_tokens": 71, "output_tokens": 9},
}


def chat_body() -> dict[str, Any]:
    said = {"role": "assistant", "content": '{"answer": 4}'}
    choice = {"index": 0, "message": said, "finish_reason": "stop", "logprobs": None}
    return {
        "id": "chat-1", "object": "chat.completion", "created": 1, "model": "gpt-answered", "choices": [choice],
        "usage": CHAT_USAGE, "service_tier": "default",
    }  # fmt: skip


def text_body() -> dict[str, Any]:
    choice = {"index": 0, "text": "four", "finish_reason": "stop", "logprobs": None}
    return {
        "id": "text-1", "object": "text_completion", "created": 1, "model": "gpt-text", "choices": [choice],
        "usage": EMBEDDING_USAGE | {"completion_tokens": 0},
    }  # fmt: skip


def embeddings_body() -> dict[str, Any]:
    data = [{"object": "embedding", "index": 0, "embedding": base64.b64encode(struct.pack("<2f", 0.5, 1)).decode()}]
    return {"object": "list", "data": data, "model": "embed-answered", "usage": EMBEDDING_USAGE}


def predicted_body() -> dict[str, Any]:
    statistics = {"truncated": False, "token_count": 4}
    return {
        "predictions": [{"embeddings": {"values": [0.5], "statistics": statistics}}],
        "metadata": {"billableCharacterCount": 9},
    }


def converse_body() -> dict[str, Any]:
    said = {"role": "assistant", "content": [{"text": "four"}]}
    return {"output": {"message": said}, "stopReason": "end_turn", "usage": CONVERSE_USAGE, "metrics": {"latencyMs": 1}}


def converse_events() -> list[Any]:
    return [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "four"}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": CONVERSE_USAGE, "metrics": {"latencyMs": 1}}},
    ]


def cohere_body() -> dict[str, Any]:
    said = {"role": "assistant", "content": [{"type": "text", "text": "four"}]}
    return {"id": "co-1", "message": said, "finish_reason": "COMPLETE", "usage": COHERE_USAGE}


def body_for(path: str) -> Any:
    bodies: dict[str, Any] = {
        "/chat/completions": chat_body,
        "/completions": text_body,
        "/responses": response,
        "/embeddings": embeddings_body,
        "/count_tokens": lambda: {"input_tokens": 3},
        ":countTokens": lambda: {"totalTokens": 3},
        ":generateContent": lambda: gemini_chunk("four", finish="STOP"),
        ":embedContent": lambda: {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 4}},
        ":batchEmbedContents": lambda: {"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 4}},
        ":predict": predicted_body,
        "/converse": converse_body,
        "/v2/chat": cohere_body,
    }
    path = path.partition("?")[0]
    return next((make() for end, make in bodies.items() if path.endswith(end)), None) or message()


def response(**members: Any) -> dict[str, Any]:
    item = {"type": "message", "id": "i", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": '{"answer": 4}', "annotations": []}]}  # fmt: skip
    return {
        "id": "resp-1", "object": "response", "created_at": 1, "model": "gpt-answered", "status": "completed",
        "output": [item], "usage": RESPONSE_USAGE, "service_tier": "flex", "tools": [], "tool_choice": "auto",
        "parallel_tool_calls": True, "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
    } | members  # fmt: skip


def message(**members: Any) -> dict[str, Any]:
    return {
        "id": "msg-1", "type": "message", "role": "assistant", "model": "claude-answered",
        "content": [{"type": "text", "text": '{"answer": 4}'}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": MESSAGE_USAGE,
    } | members  # fmt: skip


def gemini_chunk(text: str, *, finish: str | None = None, usage: Any = GEMINI_USAGE) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-answered", "responseId": "g-1"}


def chat_chunk(text: str | None = None, *, finish: str | None = None, **members: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text, "role": "assistant"}
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {
        "id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-answered", "choices": [choice],
        "service_tier": "default",
    } | members  # fmt: skip


def events_for(path: str, body: Any) -> list[Any]:
    path = path.partition("?")[0]
    if path.endswith("/chat/completions"):
        chunks: list[Any] = [chat_chunk("f"), chat_chunk("our"), chat_chunk(finish="stop")]
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks = [{**chunk, "usage": None} for chunk in chunks]
            chunks.append(chat_chunk(choices=[], usage=CHAT_USAGE))
        return [*chunks, "[DONE]"]
    if path.endswith("/completions"):
        chunks = [
            {"id": "text-1", "object": "text_completion", "created": 1, "model": "gpt-text",
             "choices": [{"index": 0, "text": "four", "finish_reason": "stop", "logprobs": None}]}
        ]  # fmt: skip
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks.append({**chunks[0], "choices": [], "usage": CHAT_USAGE})
        return [*chunks, "[DONE]"]
    if path.endswith("/responses"):
        return response_events()
    if path.endswith("/converse-stream"):
        return converse_events()
    if "streamGenerateContent" in path:
        running = {**GEMINI_USAGE, "candidatesTokenCount": 1, "totalTokenCount": 16}
        return [gemini_chunk("f", usage=running), gemini_chunk("our", finish="STOP")]
    return message_events()


def response_events() -> list[Any]:
    started = response(status="in_progress", usage=None, output=[])
    text = {"type": "output_text", "text": "", "annotations": []}
    item = {"type": "message", "id": "i", "status": "in_progress", "role": "assistant", "content": []}
    deltas = [
        {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": piece,
         "logprobs": []}
        for piece in ("f", "our")
    ]  # fmt: skip
    events = [
        {"type": "response.created", "response": started},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", "item_id": "i", "output_index": 0, "content_index": 0, "part": text},
        *deltas,
        {"type": "response.completed", "response": response()},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def message_events() -> list[Any]:
    return [
        {"type": "message_start", "message": message(content=[], stop_reason=None, usage=START_USAGE)},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "f"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "our"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": DELTA_USAGE},
        {"type": "message_stop"},
    ]
