"""OpenAI's usage and costs as its interface sends them. Imports core.semconv and testing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from farebox.core import semconv
from farebox.testing.billing.account import GROUPED, Account, Line
from farebox.testing.billing.traffic import Used

Json = dict[str, Any]

_DIMENSIONS: Final = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier")
_FIELDS: Final = {
    semconv.INPUT: "input_text_tokens",
    semconv.INPUT_AUDIO: "input_audio_tokens",
    semconv.INPUT_IMAGE: "input_image_tokens",
    semconv.CACHE_READ: "input_cached_text_tokens",
    semconv.CACHE_READ_AUDIO: "input_cached_audio_tokens",
    semconv.CACHE_READ_IMAGE: "input_cached_image_tokens",
    semconv.CACHE_WRITE_30M: "input_cache_write_30m_tokens",
    semconv.CACHE_WRITE_12H: "input_cache_write_12h_tokens",
    semconv.OUTPUT: "output_text_tokens",
    semconv.OUTPUT_AUDIO: "output_audio_tokens",
    semconv.OUTPUT_IMAGE: "output_image_tokens",
}
_WORDS: Final = {
    semconv.INPUT: "input_tokens",
    semconv.INPUT_AUDIO: "audio_input_tokens",
    semconv.INPUT_IMAGE: "image_input_tokens",
    semconv.CACHE_READ: "cached_input_tokens",
    semconv.CACHE_READ_AUDIO: "cached_audio_input_tokens",
    semconv.CACHE_WRITE_30M: "cache_write_30m_tokens",
    semconv.CACHE_WRITE_12H: "cache_write_12h_tokens",
    semconv.OUTPUT: "output_tokens",
    semconv.OUTPUT_AUDIO: "audio_output_tokens",
    semconv.OUTPUT_IMAGE: "image_output_tokens",
}
_TOOLS: Final = {semconv.WEB_SEARCH: "web search tool calls", semconv.FILE_SEARCH: "file search tool calls"}
_COUNTED: Final = {
    "images": (semconv.IMAGES, "images"),
    "audio_speeches": (semconv.CHARACTERS, "characters"),
    "audio_transcriptions": (semconv.SECONDS, "seconds"),
    "web_search_calls": (semconv.WEB_SEARCH, "num_requests"),
    "file_search_calls": (semconv.FILE_SEARCH, "num_requests"),
}
_OBJECTS: Final = {"web_search_calls": "web_searches", "file_search_calls": "file_searches"}


def usage(account: Account, endpoint: str, day: str, groups: Sequence[str]) -> list[Json]:
    """The results of one day of `/organization/usage/{endpoint}`."""
    grouped: dict[tuple[Any, ...], list[Used]] = defaultdict(list)
    for used in account.calls("openai", day):
        if _belongs(used, endpoint):
            facts = {
                "api_key_id": used.key,
                "model": used.model,
                "batch": used.batch,
                "service_tier": used.tier or "default",
                "project_id": "proj_1",
                "user_id": None,
            }
            grouped[tuple(facts[name] if name in groups else None for name in _DIMENSIONS)].append(used)
    return [
        {
            "object": f"organization.usage.{_OBJECTS.get(endpoint, endpoint)}.result",
            **dict(zip(_DIMENSIONS, key, strict=True)),
            **_measures(endpoint, calls),
            "num_model_requests": len(calls),
        }
        for key, calls in grouped.items()
    ]


def costs(account: Account, day: str, groups: Sequence[str], amount: Callable[[Decimal], Any]) -> list[Json]:
    """The results of one day of `/organization/costs`."""
    items: dict[str, list[Line]] = defaultdict(list)
    for line in account.money("openai", day, by=GROUPED["openai"]):
        items[_item(line)].append(line)
    rows = [(item, line.amount, line.quantity) for item, lines in items.items() for line in lines]
    rows += [
        (credit.item, credit.amount, 0)
        for credit in account.credits
        if (credit.provider, credit.day) == ("openai", day)
    ]
    if "line_item" not in groups:
        rows = [("", sum((money for _, money, _ in rows), rows[0][1] * 0), 0)] if rows else []
    return [
        {
            "object": "organization.costs.result",
            "amount": {"value": amount(money), "currency": "usd"},
            "line_item": item or None,
            "project_id": None,
            "api_key_id": None,
            "quantity": quantity or None,
            "quantity_unit": "tokens" if quantity else None,
        }
        for item, money, quantity in rows
    ]


def _item(line: Line) -> str:
    charge = line.charge
    unit = charge.unit.partition(":")[0]
    return _TOOLS.get(unit) or f"{charge.model}, {_WORDS.get(unit, unit)}"


def _belongs(used: Used, endpoint: str) -> bool:
    if endpoint in _COUNTED:
        return _count(used, _COUNTED[endpoint][0]) > 0
    tokens = any(unit in semconv.TOKEN_UNITS for unit in used.units)
    embeds = used.api == semconv.API_EMBEDDINGS or "embedding" in used.model
    return tokens and (embeds if endpoint == "embeddings" else not embeds and endpoint == "completions")


def _measures(endpoint: str, calls: list[Used]) -> Json:
    if endpoint in _COUNTED:
        unit, name = _COUNTED[endpoint]
        return {name: sum(_count(used, unit) for used in calls)}
    units: dict[str, int] = defaultdict(int)
    for used in calls:
        for unit, number in used.units.items():
            units[unit] += number
    prompt = sum(number for unit, number in units.items() if unit in semconv.PROMPT_UNITS)
    measures: Json = {"input_tokens": prompt}
    if endpoint == "embeddings":
        return measures
    cached = sum(number for unit, number in units.items() if unit in semconv.CACHE_READ_UNITS)
    written = sum(number for unit, number in units.items() if unit in semconv.CACHE_WRITE_UNITS)
    return {
        **measures,
        "output_tokens": sum(number for unit, number in units.items() if unit in semconv.OUTPUT_UNITS),
        "input_cached_tokens": cached,
        "input_cache_write_tokens": written,
        "input_uncached_tokens": prompt - cached - written,
        **{name: units.get(unit, 0) for unit, name in _FIELDS.items()},
    }


def _count(used: Used, unit: str) -> int:
    return sum(number for name, number in used.units.items() if name.partition(":")[0] == unit)
