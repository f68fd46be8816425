"""OpenAI's statement: usage by model, tier, batch and key, and costs by line item. Imports core and its neighbours here.

https://platform.openai.com/docs/api-reference/usage. Usage has no money, costs have no model or tier of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from farebox.core import semconv
from farebox.reconcile import days, items, reading
from farebox.reconcile.pages import Pages, StatementError
from farebox.reconcile.reading import SchemaError, count, text
from farebox.reconcile.statement import (
    CREDIT,
    MONEY,
    OTHER,
    TOKENS,
    TOOL,
    USAGE,
    Dimensions,
    Kind,
    Lines,
    MoneyLine,
    UsageLine,
)
from farebox.reconcile.transport import Parameters

BASE: Final = "https://api.openai.com/v1"
HINT: Final = (
    "usage and costs need an admin key (sk-admin-...), made by an owner of the organization; "
    "keys of projects (sk-proj-...) cannot read them"
)
DIMENSIONS: Final = Dimensions(keys=True, commitments=frozenset({"scale"}))
_COSTS: Final = "costs"
_FULL: Final = ("model", "batch", "service_tier", "api_key_id")
_PLAIN: Final = ("model", "api_key_id")
_ENDPOINTS: Final[Mapping[str, tuple[str, ...]]] = {
    "completions": _FULL,
    "embeddings": _PLAIN,
    "images": _PLAIN,
    "audio_speeches": _PLAIN,
    "audio_transcriptions": _PLAIN,
    "web_search_calls": _PLAIN,
    "file_search_calls": ("api_key_id",),
}
"""What each kind of usage is grouped by. Sessions and stores have no model and no key, and show in the costs."""
_LIMITS: Final = {_COSTS: 180}
_TOKENS: Final = (
    ("input_text_tokens", semconv.INPUT),
    ("input_audio_tokens", semconv.INPUT_AUDIO),
    ("input_image_tokens", semconv.INPUT_IMAGE),
    ("input_cached_text_tokens", semconv.CACHE_READ),
    ("input_cached_audio_tokens", semconv.CACHE_READ_AUDIO),
    ("input_cached_image_tokens", semconv.CACHE_READ_IMAGE),
    ("input_cache_write_30m_tokens", semconv.CACHE_WRITE_30M),
    ("input_cache_write_12h_tokens", semconv.CACHE_WRITE_12H),
)
_OUTPUTS: Final = (
    ("output_text_tokens", semconv.OUTPUT),
    ("output_audio_tokens", semconv.OUTPUT_AUDIO),
    ("output_image_tokens", semconv.OUTPUT_IMAGE),
)
_COUNTED: Final = {
    "images": ("images", semconv.IMAGES),
    "audio_speeches": ("characters", semconv.CHARACTERS),
    "audio_transcriptions": ("seconds", semconv.SECONDS),
    "web_search_calls": ("num_requests", semconv.WEB_SEARCH),
    "file_search_calls": ("num_requests", semconv.FILE_SEARCH),
}

PARTS: Final[Mapping[str, str]] = {**dict.fromkeys(_ENDPOINTS, USAGE), _COSTS: MONEY}
"""Each part, and what it has."""


def read(pages: Pages, part: str, first: str, last: str) -> Iterator[tuple[str, Lines]]:
    """The days from `first` to `last` of one part, each when its page is there.

    Raises:
        StatementError: the rest cannot be had.
    """
    path = "/organization/costs" if part == _COSTS else f"/organization/usage/{part}"
    groups = ("line_item",) if part == _COSTS else _ENDPOINTS[part]
    parameters: Parameters = (
        ("start_time", str(days.start_of(first))),
        ("end_time", str(days.start_of(days.after(last)))),
        ("bucket_width", "1d"),
        ("limit", str(_LIMITS.get(part, 31))),
        *(("group_by[]", name) for name in groups),
    )
    for page in pages.each(path, parameters):
        for bucket in page["data"]:
            if not isinstance(bucket, Mapping) or not isinstance(bucket.get("start_time"), int):
                raise StatementError(f"{path}: a bucket has no start_time: the interface has changed; upgrade farebox")
            yield days.day_of(bucket["start_time"] * days.NANO), _lines(part, bucket)


def _lines(part: str, bucket: Mapping[str, Any]) -> Lines:
    day = days.day_of(bucket["start_time"] * days.NANO)
    usage, money, problems = [], [], []
    results = bucket.get("results")
    if not isinstance(results, list):
        return Lines(problems=(f"{part} of {day}: results is {reading.shown(results)}, and should be a list",))
    for row in results:
        try:
            if part == _COSTS:
                money.append(_cost(day, reading.table(row)))
            else:
                usage.append(_usage(part, day, reading.table(row)))
        except SchemaError as problem:
            problems.append(f"{part} of {day}: {problem}")
    return Lines(tuple(usage), tuple(money), tuple(dict.fromkeys(problems)))


def _usage(part: str, day: str, row: Mapping[str, Any]) -> UsageLine:
    if part in _COUNTED:
        name, unit = _COUNTED[part]
        units = {unit: count(row, name, required=True)}
    else:
        units = _tokens(row)
    return UsageLine(
        day=day,
        model=text(row, "model"),
        tier=text(row, "service_tier"),
        batch=row.get("batch") is True,
        key=text(row, "api_key_id"),
        units={unit: number for unit, number in units.items() if number},
        requests=count(row, "num_model_requests") if part in ("completions", "embeddings") else None,
        untold=part == "embeddings",
        source=f"usage/{part}",
    )


def _tokens(row: Mapping[str, Any]) -> dict[str, int]:
    """Disjoint units; by modality where those add up to the totals, else by the totals, which are always there."""
    prompt = count(row, "input_tokens", required=True)
    output = count(row, "output_tokens")
    fine = {unit: count(row, name) for name, unit in _TOKENS}
    if sum(fine.values()) != prompt:
        cached, written = count(row, "input_cached_tokens"), count(row, "input_cache_write_tokens")
        longer = count(row, "input_cache_write_12h_tokens")
        if cached + written > prompt or longer > written:
            raise SchemaError(f"{cached} cached and {written} written tokens are more than all {prompt}")
        fine = {
            semconv.INPUT: prompt - cached - written,
            semconv.CACHE_READ: cached,
            semconv.CACHE_WRITE_30M: written - longer,
            semconv.CACHE_WRITE_12H: longer,
        }
    out = {unit: count(row, name) for name, unit in _OUTPUTS}
    return {**fine, **(out if sum(out.values()) == output else {semconv.OUTPUT: output})}


def _cost(day: str, row: Mapping[str, Any]) -> MoneyLine:
    value = row.get("amount")
    if not isinstance(value, Mapping):
        raise SchemaError(f"amount is {reading.shown(value)}, and should be an object")
    reading.dollars(value.get("currency"))
    amount = reading.amount(value.get("value"), "amount.value")
    item = text(row, "line_item") or "(no line item)"
    # Names of line items are nowhere documented; a model stands before the last comma, where there is one.
    model, comma, what = item.rpartition(", ")
    units = items.units_of(what if comma else item)
    tier, batch = items.tier_of(what) if comma else (None, None)
    kind: Kind = OTHER
    if amount < 0 or items.is_credit(item):
        kind = CREDIT
    elif units and not semconv.TOKEN_UNITS.intersection(units):
        kind = TOOL
    elif comma or units:
        kind = TOKENS
    return MoneyLine(
        day=day,
        item=item,
        amount=amount,
        kind=kind,
        model=model if comma and kind != CREDIT else None,
        units=units,
        tier=tier,
        batch=batch,
        source=_COSTS,
    )
