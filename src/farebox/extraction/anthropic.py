"""Usage objects in Anthropic's words, from every host that serves Claude. May import core and its neighbours here.

`input_tokens` leaves out what was read from or written to the cache; thinking is a part of the output.
https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from typing import Any, Final

from farebox.core import semconv
from farebox.core.usage import Count, ModelUnits
from farebox.extraction.counting import count, part, quantity, word

_NOWHERE: Final = ("not_available", "global")
"""Values of `inference_geo` that name no place."""


def read(raw: dict[str, Any], units: dict[str, Count], notes: list[str], provider: str | None) -> dict[str, Any]:  # noqa: ARG001 - the readers' common signature
    """Fill `units` and `notes` from a usage object of the messages interface or of a managed session."""
    get = raw.get
    fields: dict[str, Any] = {}
    if get("iterations"):
        _iterations(raw, units, fields, notes)
    else:
        _tokens(raw, units, notes)
    if details := get("output_tokens_details"):
        thinking = part(details, "output_tokens_details", notes).get("thinking_tokens")
        if thinking is not None:
            fields["reasoning"] = thinking if type(thinking) is int else count(thinking, "thinking_tokens", notes)
    if tier := get("service_tier"):
        fields["service_tier"] = tier if type(tier) is str else word(tier)
        if tier == "batch":
            fields["batch"] = True
    if (geo := get("inference_geo")) and geo not in _NOWHERE:
        fields["geo"] = word(geo)
    if speed := get("speed"):
        fields["speed"] = word(speed)
    if get("server_tool_use") or "active_seconds" in raw or "fallback_credit" in raw:
        _extras(raw, units, notes)
    return fields


def _extras(raw: dict[str, Any], units: dict[str, Count], notes: list[str]) -> None:
    """What is billed beside tokens."""
    get = raw.get
    if server := get("server_tool_use"):
        searches = count(part(server, "server_tool_use", notes).get("web_search_requests"), "web searches", notes)
        if searches:
            units[semconv.WEB_SEARCH] = searches
    # A session's `list_cost` is not taken for a stated cost: it is list price in whole cents, coarser than ours.
    if seconds := quantity(get("active_seconds"), "active_seconds", notes):
        units[semconv.SESSION_SECONDS] = seconds
    if credit := get("fallback_credit"):
        status = part(part(credit, "fallback_credit", notes).get("status"), "status", notes).get("type")
        if status != "not_applied":
            notes.append("a fallback credit may reprice this call")


def merge(start: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    """The usage of a stream: what `message_delta` says, laid over `message_start`.

    The delta is cumulative but leaves out the cache's lifetimes, the tier and the place; what it leaves out or sets to None keeps
    the value of the start, also inside nested objects. Neither argument is changed.
    """
    merged = dict(start)
    for name, value in delta.items():
        if value is None:
            continue
        before = merged.get(name)
        merged[name] = merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _tokens(raw: dict[str, Any], units: dict[str, Count], notes: list[str]) -> None:
    """Add the four token counts of one object to `units`."""
    get = raw.get
    fresh, output = get("input_tokens"), get("output_tokens")
    again, written = get("cache_read_input_tokens"), get("cache_creation_input_tokens")
    if type(fresh) is not int or fresh < 0:
        fresh = count(fresh, "input_tokens", notes)
    if type(output) is not int or output < 0:
        output = count(output, "output_tokens", notes)
    if fresh:
        units[semconv.INPUT] = units.get(semconv.INPUT, 0) + fresh
    if again and (again := count(again, "cache_read_input_tokens", notes)):
        units[semconv.CACHE_READ] = units.get(semconv.CACHE_READ, 0) + again
    lives = get("cache_creation")
    if written or (written is None and lives):
        _written(written, part(lives, "cache_creation", notes), units, notes)
    if output:
        units[semconv.OUTPUT] = units.get(semconv.OUTPUT, 0) + output


def _written(written: Any, lives: dict[str, Any], units: dict[str, Count], notes: list[str]) -> None:
    """Cache writes by lifetime; without a breakdown they are the default of 5 minutes."""
    sum_ = None if written is None else count(written, "cache_creation_input_tokens", notes)
    short = count(lives.get("ephemeral_5m_input_tokens"), "ephemeral_5m_input_tokens", notes)
    long = count(lives.get("ephemeral_1h_input_tokens"), "ephemeral_1h_input_tokens", notes)
    if sum_ is not None and sum_ != short + long:
        if short + long:
            notes.append(f"cache writes {short + long}, total {sum_}")
        long = min(long, sum_)
        short = sum_ - long
    if short:
        units[semconv.CACHE_WRITE_5M] = units.get(semconv.CACHE_WRITE_5M, 0) + short
    if long:
        units[semconv.CACHE_WRITE_1H] = units.get(semconv.CACHE_WRITE_1H, 0) + long


def _iterations(raw: dict[str, Any], units: dict[str, Count], fields: dict[str, Any], notes: list[str]) -> None:
    """Bill every iteration: compaction and advisors are not in the top-level counts, and each may have a model of its own.

    The model that answered is that of the `fallback_message`, else of the last `message`; entries of other models go to `others`.
    https://platform.claude.com/docs/en/build-with-claude/compaction
    """
    given = raw["iterations"]
    entries = [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []
    turns = [entry for entry in entries if entry.get("type") in ("message", "fallback_message")]
    answered = next((word(entry.get("model")) for entry in reversed(turns)), None)
    if not turns:
        _tokens(raw, units, notes)
    else:
        _compare(raw, turns, notes)
    if len(entries) != (len(given) if isinstance(given, list) else -1):
        notes.append("iterations hold something else than objects")
    others: dict[str, dict[str, Count]] = {}
    for entry in entries:
        model = word(entry.get("model"))
        own = model is None or model == answered
        if model is None and entry.get("type") == "advisor_message":
            notes.append("an advisor without a model is counted as the model that answered")
        _tokens(entry, units if own else others.setdefault(str(model), {}), notes)
    if others:
        fields["others"] = tuple(ModelUnits(model=model, units=counts) for model, counts in others.items() if counts)


def _compare(raw: dict[str, Any], turns: list[dict[str, Any]], notes: list[str]) -> None:
    """Note where the top-level counts are not those of the turns (a fallback's declined hop, say)."""
    for name in ("input_tokens", "output_tokens"):
        parts = sum(count(entry.get(name), name, notes) for entry in turns)
        total = count(raw.get(name), name, notes)
        if parts != total:
            notes.append(f"iterations' {name} {parts}, total {total}")
