"""Usage objects of Amazon Bedrock's converse interface. May import core and its neighbours here.

As at Anthropic, `inputTokens` leaves out what was read from or written to the cache; `totalTokens` has everything.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
"""

from __future__ import annotations

from typing import Any

from farebox.core import semconv
from farebox.core.usage import Count
from farebox.extraction import anthropic
from farebox.extraction.counting import count


def read(raw: dict[str, Any], units: dict[str, Count], notes: list[str], provider: str | None) -> dict[str, Any]:
    """Fill `units` and `notes` from a converse usage, or from Anthropic's own, which `invoke` passes through."""
    if "inputTokens" not in raw and "outputTokens" not in raw:
        return anthropic.read(raw, units, notes, provider)
    get = raw.get
    again = count(get("cacheReadInputTokens", get("cacheReadInputTokenCount")), "cacheReadInputTokens", notes)
    written = count(get("cacheWriteInputTokens", get("cacheWriteInputTokenCount")), "cacheWriteInputTokens", notes)
    long = min(written, _long(get("cacheDetails"), notes))
    counts = {
        semconv.INPUT: count(get("inputTokens"), "inputTokens", notes),
        semconv.CACHE_READ: again,
        semconv.CACHE_WRITE_5M: written - long,
        semconv.CACHE_WRITE_1H: long,
        semconv.OUTPUT: count(get("outputTokens"), "outputTokens", notes),
    }
    units.update((name, tokens) for name, tokens in counts.items() if tokens)
    total = get("totalTokens")
    if total is not None:
        total, parts = count(total, "totalTokens", notes), sum(counts.values())
        if parts != total:
            notes.append(f"parts {parts}, total {total}")
    return {"total": total}


def _long(details: Any, notes: list[str]) -> int:
    """Tokens written for one hour."""
    return sum(
        count(entry.get("inputTokens"), "cacheDetails", notes)
        for entry in (details if isinstance(details, list) else ())
        if isinstance(entry, dict) and entry.get("ttl") == "1h"
    )
