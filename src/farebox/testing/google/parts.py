"""What Google's models make: text, sound, pictures and function calls, piece by piece. Imports testing only."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any, Final, NamedTuple

from farebox.testing import functions, media
from farebox.testing.google.prompts import named
from farebox.testing.wire import Habits, Json, Speech, grouped

PIECES_PER_CHUNK: Final = 8

PICTURE: Final = 1290
"""Tokens of a generated picture of up to 1024 by 1024: https://ai.google.dev/gemini-api/docs/pricing"""

SOUND_RATE: Final = 25
"""Audio tokens a second of speech (same page)."""


class Piece(NamedTuple):
    """Something that a model makes at once."""

    part: Json
    tokens: int
    modality: str = "TEXT"


def pieces(body: Json, speech: Speech, habits: Habits, model: str) -> list[Piece]:
    """What the answer is made of."""
    call = functions.next_call(_declared(body), _answered(body), habits)
    if call is not None:
        part = {"functionCall": {"name": call.name, "args": call.arguments}}
        return [Piece(part, len(call.speech(0).parts))]
    wanted = (body.get("generationConfig") or {}).get("responseModalities") or []
    if "AUDIO" in wanted:
        return [Piece(_sound(end - start), end - start, "AUDIO") for start, end in _steps(len(speech.parts))]
    texts = list(grouped(speech.parts, PIECES_PER_CHUNK))
    starts = [0, *(end for _, end in texts)]
    made = [Piece({"text": text}, end - start) for start, (text, end) in zip(starts, texts, strict=False)]
    if "IMAGE" not in wanted and "-image" not in model:
        return made
    data = base64.b64encode(media.PICTURE).decode()
    drawn = Piece({"inlineData": {"mimeType": "image/png", "data": data}}, PICTURE, "IMAGE")
    return [*(made if not wanted or "TEXT" in wanted else []), drawn]


def _declared(body: Json) -> list[tuple[str, Any]]:
    tools = body.get("tools") or []
    declarations = [item for tool in tools for item in tool.get("functionDeclarations") or []]
    return [(item["name"], item.get("parameters") or named(item, "parametersJsonSchema")) for item in declarations]


def _answered(body: Json) -> int:
    return sum("functionResponse" in part for item in body["contents"] for part in item.get("parts") or [])


def _steps(length: int) -> list[tuple[int, int]]:
    return [(start, min(start + PIECES_PER_CHUNK, length)) for start in range(0, length, PIECES_PER_CHUNK)]


def _sound(tokens: int) -> Json:
    data = base64.b64encode(media.sound(tokens / SOUND_RATE, "pcm")).decode()
    return {"inlineData": {"mimeType": f"audio/L16;codec=pcm;rate={media.PCM_RATE}", "data": data}}


def modalities(made: list[Piece], tokens: int) -> Counter[str]:
    """The first so many tokens by modality."""
    counted: Counter[str] = Counter()
    for piece in made:
        counted[piece.modality] += min(piece.tokens, tokens - counted.total())
    return counted


def joined(made: list[Piece]) -> list[Json]:
    """The parts of an answer in one piece: texts in a row are one part, sounds in a row are one sound."""
    texts = [piece.part["text"] for piece in made if "text" in piece.part]
    others = [piece for piece in made if "text" not in piece.part]
    if others and all(piece.modality == "AUDIO" for piece in others):
        others = [Piece(_sound(sum(piece.tokens for piece in others)), 0, "AUDIO")]
    return [*([{"text": "".join(texts)}] if texts else []), *(piece.part for piece in others)]
