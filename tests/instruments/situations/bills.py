"""The provider's bill against the ledger: rows that say how an event must look, and the one comparison. Imports farebox's face only.

Units are worked out here once more, from the providers' own documents and apart from farebox's extraction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import farebox

OPERATIONS = {
    "chat.completions": "chat",
    "responses": "chat",
    "messages": "chat",
    "beta.messages": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "generateContent": "generate_content",
    "embedContent": "embeddings",
    "images": "image_generation",
    "audio.transcriptions": "transcription",
    "audio.speech": "speech",
}
ID_STARTS = {
    "chat.completions": "chatcmpl-",
    "responses": "resp_",
    "messages": "msg_",
    "beta.messages": "msg_",
    "completions": "cmpl-",
    "generateContent": "gem",
}


@dataclass(frozen=True)
class Row:
    """How one event must look.

    Attributes:
        kind: "exact" and "estimated" stand for a line of the bill, "unbilled" for none, "unseen" for a line without an event.
        fields: attributes of the event, by name; `...` for one that may be anything.
    """

    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def exact(**fields: Any) -> Row:
    """The next line of the bill, unit by unit."""
    return Row("exact", {"status": "ok", "cost_status": "priced", "usage_notes": (), "attempts": 1, **fields})


def estimated(**fields: Any) -> Row:
    """The next line of the bill, whose usage never came: estimated, with bounds that hold the truth."""
    return Row("estimated", {"cost_status": "estimated", "attempts": 1, **fields})


def unbilled(**fields: Any) -> Row:
    """A call that the provider did not bill."""
    return Row("unbilled", {"status": "error", "cost_nano": 0, "cost_status": "priced", "attempts": 1, **fields})


def unseen() -> Row:
    """A line of the bill that must not be in the ledger: nobody asked for it to be metered."""
    return Row("unseen")


def units_of(words: str, usage: Mapping[str, Any]) -> dict[str, Any]:
    """The disjoint units of a usage object."""
    units = {"openai": _openai, "anthropic": _anthropic, "google": _google}[words](usage)
    return {name: count for name, count in units.items() if count}


def _openai(usage: Mapping[str, Any]) -> dict[str, Any]:
    """https://platform.openai.com/docs/api-reference/chat/object: details lie inside the totals."""
    prompt = usage.get("prompt_tokens", usage.get("input_tokens", 0))
    output = usage.get("completion_tokens", usage.get("output_tokens", 0))
    inside = usage.get("prompt_tokens_details", usage.get("input_tokens_details")) or {}
    outside = usage.get("completion_tokens_details", usage.get("output_tokens_details")) or {}
    cached, written = inside.get("cached_tokens") or 0, inside.get("cache_write_tokens") or 0
    heard, spoken = inside.get("audio_tokens") or 0, outside.get("audio_tokens") or 0
    long = (inside.get("cache_write_tokens_details") or {}).get("ttl_12h_tokens") or 0
    return {
        "input": prompt - cached - written - heard,
        "cache_read": cached,
        "cache_write_30m": written - long,
        "cache_write_12h": long,
        "input_audio": heard,
        "output": output - spoken,
        "output_audio": spoken,
        "seconds": usage.get("seconds", 0),
    }


def _anthropic(usage: Mapping[str, Any]) -> dict[str, Any]:
    """https://platform.claude.com/docs/en/api/messages: the cache stands beside the input."""
    written = usage.get("cache_creation_input_tokens") or 0
    long = (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or 0
    return {
        "input": usage["input_tokens"],
        "cache_read": usage.get("cache_read_input_tokens") or 0,
        "cache_write_5m": written - long,
        "cache_write_1h": long,
        "output": usage["output_tokens"],
        "web_search": (usage.get("server_tool_use") or {}).get("web_search_requests") or 0,
    }


def _google(usage: Mapping[str, Any]) -> dict[str, Any]:
    """https://ai.google.dev/api/generate-content#UsageMetadata: thoughts and tools stand beside candidates and prompt."""
    cached = usage.get("cachedContentTokenCount", 0)
    return {
        "input": usage.get("promptTokenCount", 0) - cached,
        "cache_read": cached,
        "input_tool": usage.get("toolUsePromptTokenCount", 0),
        "output": usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0),
    }


class Bill:
    """The lines that the provider billed, and who wrote them.

    Args:
        kind: the client's (`clients.Kind`).
        lines: of the bill, in order.
        ids: every id that the user saw.
        streams: whether every request asked for a stream, or None when they differ.
    """

    def __init__(self, kind: Any, lines: list[Any], ids: list[str], streams: bool | None) -> None:
        self._kind = kind
        self._lines = lines
        self._ids = ids
        self._streams = streams

    def compare(self, events: list[Any], rows: tuple[Row, ...] | None) -> None:
        """Hold the ledger's events to the rows, and the rows to the bill: none is missing, none is there twice."""
        if rows is None:
            rows = tuple(exact() for _ in self._lines)
        told = [(event.operation, event.status, event.cost_status, event.raw_usage) for event in events]
        assert len(events) == len([row for row in rows if row.kind != "unseen"]), told
        lines, found = iter(self._lines), iter(events)
        for row in rows:
            if row.kind == "unseen":
                next(lines)
                continue
            event = next(found)
            if row.kind != "unbilled":
                line = next(lines)
                self._common(event, line, row.fields)
                (self._exact if row.kind == "exact" else self._estimated)(event, line, row.fields)
            self._fields(
                event, {name: said for name, said in row.fields.items() if name != "units" and said is not ...}
            )
        assert [line.usage for line in lines] == [], "billed and not in the ledger"

    def _common(self, event: Any, line: Any, fields: Mapping[str, Any]) -> None:
        api = fields.get("api", line.api)
        expected = {
            "provider": self._kind.bills,
            "api": api,
            "operation": OPERATIONS[api],
            "request_model": line.model,
            "server_address": "127.0.0.1",
            "batch": line.batch,
        }
        if self._streams is not None:
            expected["stream"] = self._streams
        self._fields(event, {name: value for name, value in expected.items() if name not in fields})

    def _exact(self, event: Any, line: Any, fields: Mapping[str, Any]) -> None:
        units = fields.get("units") or units_of(self._kind.words, line.usage)
        raw = event.raw_usage if "raw_usage" in fields else line.usage
        assert (event.raw_usage, event.units or {}) == (raw, units)
        written = sum(count for name, count in units.items() if name.startswith("cache_write"))
        read = sum(count for name, count in units.items() if name.startswith("cache_read"))
        fresh = sum(count for name, count in units.items() if name.startswith("input"))
        out = sum(count for name, count in units.items() if name.startswith("output"))
        totals = (event.input_tokens, event.cache_read_tokens, event.cache_write_tokens, event.output_tokens)
        assert totals == (fresh + read + written, read, written, out)
        assert event.cost == self._price(event, line)
        if "response_id" not in fields:
            self._response_id(event)

    def _estimated(self, event: Any, line: Any, fields: Mapping[str, Any]) -> None:
        true = self._price(event, line)
        low, cost, high = event.cost_low_nano, event.cost_nano, event.cost_high_nano
        assert None not in {low, cost, high}
        assert low <= cost <= high
        assert low <= true.to_nano() <= high, "the truth lies outside the bounds"

    def _price(self, event: Any, line: Any) -> Any:
        """By the model that answered; a name that has no price, as that of a deployment, leaves it to the one that was asked for."""
        context = {"location": self._kind.location, "tool_calls": dict(line.tool_calls)}
        for model in filter(None, (event.response_model, event.request_model)):
            cost = farebox.price(
                line.usage,
                provider=event.provider,
                model=model,
                api=event.api,
                at=event.started_at,
                service_tier=event.service_tier,
                context={name: fact for name, fact in context.items() if fact},
            )
            if cost.amount is not None:
                return cost.amount
        return None

    def _response_id(self, event: Any) -> None:
        start = ID_STARTS.get(event.api)
        if start is None:
            assert event.response_id is None
            return
        assert event.response_id is not None
        seen = [name for name in self._ids if name.startswith(start)]
        assert event.response_id in seen if seen else event.response_id.startswith(start)

    def _fields(self, event: Any, fields: Mapping[str, Any]) -> None:
        assert {name: getattr(event, name) for name in fields} == dict(fields)
