"""Google's wire format: generateContent, its stream, embeddings, token counts. Imports testing only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from farebox.testing import prompt, tokens
from farebox.testing.openai.chat import vector
from farebox.testing.store import BadRequestError
from farebox.testing.wire import Answer, Chunk, Habits, Json, Received, grouped, identifier, required, server_sent

EMBEDDING_SIZE: Final = 768
PIECES_PER_CHUNK: Final = 8


def error(status: int, message: str) -> Json:
    """The error object for a status."""
    word = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        503: "UNAVAILABLE",
    }.get(status, "UNKNOWN")
    return {"error": {"code": status, "message": message, "status": word}}


def _contents(body: Json) -> int:
    system = (body.get("systemInstruction") or {}).get("parts")
    total = sum(prompt.part(item.get("parts")) for item in required(body, "contents"))
    total += prompt.part(system) if system else 0
    return total + prompt.tools(body.get("tools"))


def _by_modality(count: int) -> list[Json]:
    return [{"modality": "TEXT", "tokenCount": count}]


def count(request: Received, habits: Habits, model: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """POST {model}:countTokens; free."""
    total = _contents(request.body.get("generateContentRequest") or request.body)
    body = {"totalTokens": total, "promptTokensDetails": _by_modality(total)}
    return Answer(model, "generateContent", body=body)


def generate(request: Received, habits: Habits, model: str, *, stream: bool = False) -> Answer:
    """POST {model}:generateContent."""
    body = request.body
    prompt_tokens = _contents(body)
    cap = (body.get("generationConfig") or {}).get("maxOutputTokens")
    speech = habits.speech(cap)

    def usage(output: int) -> Json:
        thoughts = min(speech.hidden, output)
        members: Json = {"promptTokenCount": prompt_tokens}
        if output > thoughts:
            members["candidatesTokenCount"] = output - thoughts
        members |= {"totalTokenCount": prompt_tokens + output, "promptTokensDetails": _by_modality(prompt_tokens)}
        if thoughts:
            members["thoughtsTokenCount"] = thoughts
        return habits.laid({**members, "serviceTier": "standard"})

    tail = {"modelVersion": model, "responseId": identifier("gem")}
    reason = "STOP" if speech.finish == "stop" else "MAX_TOKENS"

    def whole(text: str, output: int, finish_reason: str | None) -> Json:
        candidate: Json = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
        if finish_reason:
            candidate["finishReason"] = finish_reason
        return {"candidates": [candidate], "usageMetadata": usage(output), **tail}

    def chunks() -> Iterator[Chunk]:
        for text, end in grouped(speech.parts, PIECES_PER_CHUNK):
            last = end == len(speech.parts)
            data = server_sent(whole(text, speech.hidden + end, reason if last else None))
            yield Chunk(data, speech.hidden + end, states_usage=last)

    if stream:
        return Answer(model, "generateContent", chunks=chunks(), usage=usage, length=speech.length)
    return Answer(
        model, "generateContent", body=whole(speech.text, speech.length, reason), usage=usage, length=speech.length
    )


def generate_stream(request: Received, habits: Habits, model: str) -> Answer:
    """POST {model}:streamGenerateContent?alt=sse."""
    if "alt=sse" not in request.query:
        raise BadRequestError("this provider streams server-sent events only: add ?alt=sse")
    return generate(request, habits, model, stream=True)


def _embedding(content: Any, size: int | None) -> tuple[Json, int]:
    parts = (content or {}).get("parts") or []
    text = "".join(item.get("text") or "" for item in parts)
    return {"values": vector(text, size or EMBEDDING_SIZE)}, tokens.count(text)


def embed(request: Received, habits: Habits, model: str) -> Answer:
    """POST {model}:embedContent."""
    config = request.body.get("embedContentConfig") or request.body
    values, total = _embedding(required(request.body, "content"), config.get("outputDimensionality"))
    usage = habits.laid({"promptTokenCount": total, "promptTokenDetails": _by_modality(total)})
    return Answer(model, "embedContent", body={"embedding": values, "usageMetadata": usage}, usage=lambda _: usage)


def embed_batch(request: Received, habits: Habits, model: str) -> Answer:
    """POST {model}:batchEmbedContents."""
    rows = [
        _embedding(item.get("content"), item.get("outputDimensionality")) for item in required(request.body, "requests")
    ]
    total = sum(size for _, size in rows)
    usage = habits.laid({"promptTokenCount": total, "promptTokenDetails": _by_modality(total)})
    body = {"embeddings": [values for values, _ in rows], "usageMetadata": usage}
    return Answer(model, "embedContent", body=body, usage=lambda _: usage)
