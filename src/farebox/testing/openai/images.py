"""OpenAI's wire format of images: generations, edits, variations, whole and streamed. Imports testing only."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

from farebox.testing import media, tokens
from farebox.testing.wire import Answer, Chunk, Habits, Json, Received, required, server_sent

INPUT_IMAGE: Final = 194
"""Tokens of a picture in the prompt: what a square picture counts at low fidelity."""

OUTPUT_IMAGE: Final = {
    "low": {"1024x1024": 272, "1024x1536": 408, "1536x1024": 400},
    "medium": {"1024x1024": 1056, "1024x1536": 1584, "1536x1024": 1568},
    "high": {"1024x1024": 4160, "1024x1536": 6240, "1536x1024": 6208},
}
"""Tokens of a picture by quality and size: https://platform.openai.com/docs/guides/image-generation#cost-and-latency"""

PARTIAL_IMAGE: Final = 100
"""Further tokens for each partial image (same page)."""

DEFAULT_MODEL: Final = "dall-e-2"
PICTURE: Final = base64.b64encode(media.PICTURE).decode()


def generate(request: Received, habits: Habits, deployment: str | None = None) -> Answer:
    """POST /images/generations."""
    return _draw(request, habits, deployment, "image_generation")


def edit(request: Received, habits: Habits, deployment: str | None = None) -> Answer:
    """POST /images/edits, a form or JSON."""
    return _draw(request, habits, deployment, "image_edit")


def vary(request: Received, habits: Habits) -> Answer:
    """POST /images/variations."""
    required(request.body, "image")
    return _counted(request, habits, request.body.get("model") or DEFAULT_MODEL)


def _draw(request: Received, habits: Habits, deployment: str | None, event: str) -> Answer:
    body = request.body
    required(body, "prompt")
    model = deployment or body.get("model") or DEFAULT_MODEL
    if model.startswith("dall-e"):
        return _counted(request, habits, model)
    number = int(body.get("n") or 1)
    stream = str(body.get("stream") or "").lower() == "true"
    partial = int(body.get("partial_images") or 0) if stream else 0
    look = appearance(body)
    each = usage_object(body, look, partial)
    head = {"created": request.at_ns // 10**9, **look}
    if stream:
        each.pop("output_tokens_details")
        stated = habits.laid(each)
        chunks = _events(event, head, [stated] * number, partial)
        return Answer(model, "images", chunks=chunks, usage=lambda drawn: _times(stated, drawn), length=number)
    usage = habits.laid(_times(each, number))
    whole = {**head, "data": [{"b64_json": PICTURE} for _ in range(number)], "usage": usage}
    return Answer(model, "images", body=whole, usage=lambda _: usage, length=number)


def appearance(asked: Json) -> Json:
    """How the picture is drawn: what the request leaves open is decided."""

    def of(name: str, otherwise: str) -> str:
        value = asked.get(name)
        return otherwise if value in {None, "auto"} else str(value)

    return {
        "background": of("background", "opaque"),
        "output_format": of("output_format", "png"),
        "quality": of("quality", "medium"),
        "size": of("size", "1024x1024"),
    }


def usage_object(body: Json, look: Json, partial: int = 0) -> Json:
    """The usage object of one picture."""
    text = tokens.count(body.get("prompt"))
    given = sum(len(_as_list(body.get(name))) for name in ("image", "images")) * INPUT_IMAGE
    sizes = OUTPUT_IMAGE.get(look["quality"], OUTPUT_IMAGE["high"])
    drawn = sizes.get(look["size"], sizes["1024x1024"]) + partial * PARTIAL_IMAGE
    return {
        "input_tokens": text + given,
        "input_tokens_details": {"image_tokens": given, "text_tokens": text},
        "output_tokens": drawn,
        "output_tokens_details": {"image_tokens": drawn, "text_tokens": 0},
        "total_tokens": text + given + drawn,
    }


def _times(usage: Json, number: int) -> Json:
    def of(value: Any) -> Any:
        if isinstance(value, dict):
            return _times(value, number)
        return value * number if isinstance(value, int) else value

    return {name: of(value) for name, value in usage.items()}


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _events(event: str, head: Json, usages: list[Json], partial: int) -> Iterator[Chunk]:
    """Each picture ends with an event of its own, which states its own usage, without the details of the output."""
    drawn = {"b64_json": PICTURE, "created_at": head["created"], **head}
    del drawn["created"]
    for number, usage in enumerate(usages, 1):
        for index in range(partial):
            kind = f"{event}.partial_image"
            yield Chunk(server_sent({"type": kind, **drawn, "partial_image_index": index}, event=kind), number)
        kind = f"{event}.completed"
        data = server_sent({"type": kind, **drawn, "usage": usage}, event=kind)
        yield Chunk(data, number, states_usage=number == len(usages))


def _counted(request: Received, habits: Habits, model: str) -> Answer:
    """DALL·E states no usage: pictures are billed by number, size and quality."""
    body = request.body
    number = int(body.get("n") or 1)
    size = body.get("size") or "1024x1024"
    usage = habits.laid({"images": number, "size": size, "quality": body.get("quality") or "standard"})
    form = (
        {"b64_json": PICTURE} if body.get("response_format") == "b64_json" else {"url": "https://localhost/image.png"}
    )
    whole = {"created": request.at_ns // 10**9, "data": [form] * number}
    return Answer(model, "images", body=whole, usage=lambda _: usage, states_usage=False)
