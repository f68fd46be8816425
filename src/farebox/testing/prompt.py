"""What a prompt counts: tokens of its parts, chat framing, tools and the prompt cache. Imports testing only."""

from __future__ import annotations

import json
from typing import Any, Final

from farebox.testing import tokens
from farebox.testing.wire import Habits, Json

MESSAGE_FRAMING: Final = 4
"""Tokens around each message: role and separators."""

PRIMING: Final = 3
"""Tokens that open the answer."""

TOOL_FRAMING: Final = 12
"""Tokens around each tool's definition."""

MEDIA_PART: Final = 258
"""Tokens of an image, a sound or a file, whatever its size: what Gemini counts for a small image."""

MEDIA: Final = frozenset(
    {"image", "image_url", "input_image", "document", "file", "input_file", "input_audio", "inlineData", "fileData"}
)
"""Types of parts (OpenAI, Anthropic) and their members (Google) that count as `MEDIA_PART`."""

CACHE_MINIMUM: Final = 1024
"""Prompts shorter than this are never cached (OpenAI, and most Claude models)."""

CACHE_STEP: Final = 128
"""OpenAI's cached prefixes grow in steps of this many tokens."""


def part(content: Any) -> int:
    """Tokens of one message's content: a text, or a list of parts in any of the three formats."""
    if isinstance(content, list):
        return sum(part(item) for item in content)
    if not isinstance(content, dict):
        return tokens.count(content)
    text = content.get("text")
    if isinstance(text, str):
        return tokens.count(text)
    if "content" in content:
        return part(content["content"])
    return MEDIA_PART if content.get("type") in MEDIA or MEDIA & content.keys() else tokens.count(content)


def messages(items: list[Any], *, member: str = "content") -> int:
    """Tokens of a conversation, framing included."""
    total = PRIMING
    for item in items:
        total += MESSAGE_FRAMING
        if isinstance(item, dict):
            total += part(item.get(member))
            total += tokens.count(item["tool_calls"]) if item.get("tool_calls") else 0
    return total


def tools(definitions: Any) -> int:
    """Tokens of the tools that the client offers."""
    return sum(TOOL_FRAMING + tokens.count(item) for item in definitions or [])


def cached_prefix(model: str, content: Any, total: int, habits: Habits) -> int:
    """Tokens of the prompt that an automatic cache answers, by OpenAI's rule: the longest known prefix, in steps.

    Every prefix of the prompt is remembered for the next call.
    """
    if total < CACHE_MINIMUM:
        return 0
    words = tokens.pieces(json.dumps(content, sort_keys=True))
    known = 0
    for end in range(CACHE_MINIMUM, min(total, len(words)) + 1, CACHE_STEP):
        if habits.seen(model, "".join(words[:end])):
            known = end
    return known


def marked_prefix(body: Json) -> tuple[Any, str] | None:
    """The prefix up to the last `cache_control` mark, and its time to live; None when nothing is marked."""
    blocks: list[Any] = list(body.get("tools") or [])
    for content in [body.get("system"), *(item.get("content") for item in body.get("messages") or [])]:
        blocks += content if isinstance(content, list) else [content]
    for end in range(len(blocks), 0, -1):
        block = blocks[end - 1]
        if isinstance(block, dict) and isinstance(block.get("cache_control"), dict):
            return blocks[:end], str(block["cache_control"].get("ttl", "5m"))
    return None
