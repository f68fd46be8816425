"""Google's wire format: generateContent, its stream, token counts. Imports testing only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from farebox.testing.google.parts import Piece, joined, modalities, pieces
from farebox.testing.google.prompts import Prompt, details, named
from farebox.testing.store import BadRequestError
from farebox.testing.wire import Answer, Chunk, Habits, Json, Received, free, identifier, server_sent


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


def count(request: Received, habits: Habits, model: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """POST {model}:countTokens; free."""
    counted = Prompt(request.body.get("generateContentRequest") or request.body, habits)
    total = counted.by_modality
    return free({"totalTokens": total.total(), "promptTokensDetails": details(total)})


def generate(request: Received, habits: Habits, model: str, *, stream: bool = False) -> Answer:
    """POST {model}:generateContent."""
    body = request.body
    asked = Prompt(body, habits)
    speech = habits.speech((body.get("generationConfig") or {}).get("maxOutputTokens"))
    made = pieces(body, speech, habits, model)
    length = speech.hidden + sum(piece.tokens for piece in made)
    grounding, calls = _grounding(body, habits)

    def usage(output: int) -> Json:
        tier = named(body, "serviceTier") or "standard"
        return habits.laid({**_usage(asked, made, speech.hidden, output), "serviceTier": tier})

    tail = {"modelVersion": model, "responseId": identifier("gem")}
    reason = "STOP" if speech.finish == "stop" else "MAX_TOKENS"

    def whole(parts: list[Json], output: int, *, last: bool = True) -> Json:
        candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if last:
            candidate |= {"finishReason": reason, **grounding}
        return {"candidates": [candidate], "usageMetadata": usage(output), **tail}

    def chunks() -> Iterator[Chunk]:
        produced = speech.hidden
        for piece in made:
            produced += piece.tokens
            last = produced == length
            yield Chunk(server_sent(whole([piece.part], produced, last=last)), produced, states_usage=last)

    answer = Answer(model, "generateContent", usage=usage, length=length, tool_calls=calls)
    return replace(answer, chunks=chunks()) if stream else replace(answer, body=whole(joined(made), length))


def _usage(asked: Prompt, made: list[Piece], hidden: int, output: int) -> Json:
    """`usageMetadata` after so many tokens: thoughts first, then what the candidates hold."""
    thoughts = min(hidden, output)
    members = asked.members()
    if output > thoughts:
        members["candidatesTokenCount"] = output - thoughts
        by_modality = modalities(made, output - thoughts)
        if by_modality.keys() != {"TEXT"}:
            members["candidatesTokensDetails"] = details(by_modality)
    members["totalTokenCount"] = members["promptTokenCount"] + output
    if thoughts:
        members["thoughtsTokenCount"] = thoughts
    return members


def _grounding(body: Json, habits: Habits) -> tuple[Json, dict[str, int]]:
    """What an answer says of the searches that the request offers; no counter states them."""
    if not habits.hosted_calls or not any("googleSearch" in tool for tool in body.get("tools") or []):
        return {}, {}
    queries = [f"fares today {number}" for number in range(habits.hosted_calls)]
    source = {"web": {"uri": "https://localhost/fares", "title": "fares"}}
    metadata = {"webSearchQueries": queries, "groundingChunks": [source]}
    return {"groundingMetadata": metadata}, {"google_search_queries": len(queries)}


def generate_stream(request: Received, habits: Habits, model: str) -> Answer:
    """POST {model}:streamGenerateContent?alt=sse."""
    if "alt=sse" not in request.query:
        raise BadRequestError("this provider streams server-sent events only: add ?alt=sse")
    return generate(request, habits, model, stream=True)
