"""Google's wire format of embeddings. Imports testing only."""

from __future__ import annotations

from typing import Any, Final

from farebox.testing import tokens
from farebox.testing.openai.chat import vector
from farebox.testing.wire import Answer, Habits, Json, Received, required

EMBEDDING_SIZE: Final = 768


def _embedding(content: Any, size: int | None) -> tuple[Json, int]:
    parts = (content or {}).get("parts") or []
    text = "".join(item.get("text") or "" for item in parts)
    return {"values": vector(text, size or EMBEDDING_SIZE)}, tokens.count(text)


def embed(request: Received, habits: Habits, model: str) -> Answer:
    """POST {model}:embedContent."""
    config = request.body.get("embedContentConfig") or request.body
    values, total = _embedding(required(request.body, "content"), config.get("outputDimensionality"))
    usage = habits.laid({"promptTokenCount": total, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": total}]})
    return Answer(model, "embedContent", body={"embedding": values, "usageMetadata": usage}, usage=lambda _: usage)


def embed_batch(request: Received, habits: Habits, model: str) -> Answer:
    """POST {model}:batchEmbedContents."""
    rows = [
        _embedding(item.get("content"), item.get("outputDimensionality")) for item in required(request.body, "requests")
    ]
    total = sum(size for _, size in rows)
    usage = habits.laid({"promptTokenCount": total, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": total}]})
    body = {"embeddings": [values for values, _ in rows], "usageMetadata": usage}
    return Answer(model, "embedContent", body=body, usage=lambda _: usage)
