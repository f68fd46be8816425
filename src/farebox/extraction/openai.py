"""Usage objects in OpenAI's words, and the dialects of hosts that speak like it. May import core and its neighbours here.

Two vocabularies, `prompt_tokens`/`completion_tokens` (chat, completions, embeddings) and `input_tokens`/`output_tokens` (responses,
images, audio, realtime), with the same rule: cached, written, audio and image tokens lie inside the prompt, reasoning and
rejected predictions inside the output. https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from farebox.core import semconv
from farebox.core.usage import Count, ModelUnits
from farebox.extraction.counting import amount, count, part, quantity

# xAI states money in ticks: 10^10 a dollar. https://docs.x.ai/developers/cost-tracking
_TICKS: Final = -10
_GOOGLE: Final = frozenset({semconv.GOOGLE, semconv.GOOGLE_VERTEX})
_XAI: Final = frozenset({None, "x-ai", "xai", "x_ai"})
_STATES_ZERO: Final = frozenset({None, "openrouter", "perplexity"})
"""Hosts where a stated cost of 0 means free; elsewhere it means that the gateway knows no price."""

_MODALITIES: Final = (
    ("audio", semconv.INPUT_AUDIO, semconv.CACHE_READ_AUDIO),
    ("image", semconv.INPUT_IMAGE, semconv.CACHE_READ_IMAGE),
    ("video", semconv.INPUT_VIDEO, semconv.CACHE_READ_VIDEO),
)


def read(raw: dict[str, Any], units: dict[str, Count], notes: list[str], provider: str | None) -> dict[str, Any]:
    """Fill `units` and `notes` from any usage object of the OpenAI family; return the other fields of `Usage`."""
    get = raw.get
    if "prompt_tokens" in raw or "completion_tokens" in raw:
        prompt, output = get("prompt_tokens"), get("completion_tokens")
        inside = get("prompt_tokens_details") or get("prompt_token_details")
        outside = get("completion_tokens_details") or get("completion_token_details")
    elif "input_tokens" in raw or "output_tokens" in raw:
        prompt, output = get("input_tokens"), get("output_tokens")
        inside = get("input_tokens_details") or get("input_token_details")
        outside = get("output_tokens_details") or get("output_token_details")
    else:
        return _no_tokens(raw, units, notes, provider)
    if type(prompt) is not int or prompt < 0:
        prompt = count(prompt, "prompt tokens", notes)
    if type(output) is not int or output < 0:
        output = count(output, "output tokens", notes)
    if type(inside) is not dict:
        inside = part(inside, "prompt details", notes)
    if type(outside) is not dict:
        outside = part(outside, "output details", notes)
    reasoning = outside.get("reasoning_tokens", get("reasoning_tokens"))
    if type(reasoning) is not int:
        reasoning = None if reasoning is None else count(reasoning, "reasoning tokens", notes)
    total = get("total_tokens")
    if type(total) is not int:
        total = None if total is None else count(total, "total_tokens", notes)
    if total is not None and total != prompt + output:
        counts = _Counts(prompt, output, reasoning, total)
        prompt, output, reasoning, _ = _reconcile(counts, inside, provider, notes)
    _prompt(raw, inside, prompt, units, notes)
    _output(outside, output, units, notes)
    return {"reasoning": reasoning, "total": total, "stated_cost": _stated(raw, provider)}


def read_image(raw: dict[str, Any], units: dict[str, Count], notes: list[str], provider: str | None) -> dict[str, Any]:
    """Usage of the images interface: what comes out is image unless the details say otherwise."""
    fields = read(raw, units, notes, provider)
    if not isinstance(raw.get("output_tokens_details"), dict) and semconv.OUTPUT in units:
        units[semconv.OUTPUT_IMAGE] = units.pop(semconv.OUTPUT)
    drawing = raw.get("svg_usage")
    if isinstance(drawing, dict) and isinstance(drawing.get("model"), str):
        drawn: dict[str, Count] = {}
        read(drawing, drawn, notes, provider)
        fields["others"] = (ModelUnits(model=drawing["model"], units=drawn),)
    return fields


def _no_tokens(raw: dict[str, Any], units: dict[str, Count], notes: list[str], provider: str | None) -> dict[str, Any]:
    """Usage that is measured in seconds or characters, or only stated in money."""
    if seconds := quantity(raw.get("seconds"), "seconds", notes):
        units[semconv.SECONDS] = seconds
    if characters := count(raw.get("characters"), "characters", notes):
        units[semconv.CHARACTERS] = characters
    total = raw.get("total_tokens")
    if total is not None:
        notes.append("only a total of tokens is given")
    return {
        "total": None if total is None else count(total, "total_tokens", notes),
        "stated_cost": _stated(raw, provider),
    }


class _Counts(NamedTuple):
    """The counts of an object, before they are split."""

    prompt: int
    output: int
    reasoning: int | None
    total: int


def _reconcile(counts: _Counts, inside: dict[str, Any], provider: str | None, notes: list[str]) -> _Counts:
    """The counts of a host whose total is not prompt + completion.

    Some hosts leave reasoning out of the completion (xAI, Google's OpenAI endpoint, which does not even name it), Mistral leaves
    audio out of the prompt. In each case the missing tokens are exactly the gap.
    """
    gap = counts.total - counts.prompt - counts.output
    if gap > 0 and gap == counts.reasoning:
        return counts._replace(output=counts.output + gap)
    if gap > 0 and gap == inside.get("audio_tokens"):
        return counts._replace(prompt=counts.prompt + gap)
    if gap > 0 and provider in _GOOGLE:
        return counts._replace(output=counts.output + gap, reasoning=counts.reasoning or gap)
    notes.append(f"parts {counts.prompt + counts.output}, total {counts.total}")
    return counts


def _prompt(
    raw: dict[str, Any], inside: dict[str, Any], prompt: int, units: dict[str, Count], notes: list[str]
) -> None:
    """Split the prompt into what was cached, written, heard and seen; what is left is text."""
    get = inside.get
    cached = get("cached_tokens")
    if cached is None:
        # Top-level names: DeepSeek's and Together's. https://api-docs.deepseek.com/guides/kv_cache
        cached = raw.get("prompt_cache_hit_tokens", raw.get("cached_tokens"))
    left = prompt
    if written := get("cache_write_tokens"):
        left -= _written(inside, written, left, units, notes)
    if get("audio_tokens") or get("image_tokens") or get("video_tokens"):
        _mixed(inside, cached, left, units, notes)
        return
    if cached:
        if type(cached) is not int or not 0 < cached <= left:
            cached = _within(count(cached, "cached_tokens", notes), left, "cached_tokens", notes)
        if cached:
            units[semconv.CACHE_READ] = cached
            left -= cached
    if left:
        units[semconv.INPUT] = left


def _mixed(inside: dict[str, Any], cached: Any, left: int, units: dict[str, Count], notes: list[str]) -> None:
    """Split a prompt of several modalities, of which any may be cached."""
    by = part(inside.get("cached_tokens_details"), "cached_tokens_details", notes)
    again = count(cached, "cached_tokens", notes)
    fresh: dict[str, int] = {}
    for name, unit, cached_unit in _MODALITIES:
        field = f"{name}_tokens"
        seen = _within(count(inside.get(field), field, notes), left, field, notes)
        kept = _within(count(by.get(field), field, notes), seen, f"cached {field}", notes)
        left -= seen
        again = max(again - kept, 0)
        if kept:
            units[cached_unit] = kept
        fresh[unit] = seen - kept
    if again > left and not by:
        again = _cached_beyond_text(again, left, fresh, units, notes)
    again = _within(again, left, "cached_tokens", notes)
    counts = {semconv.CACHE_READ: again, semconv.INPUT: left - again, **fresh}
    units.update((unit, tokens) for unit, tokens in counts.items() if tokens)


def _cached_beyond_text(again: int, left: int, fresh: dict[str, int], units: dict[str, Count], notes: list[str]) -> int:
    """Chat gives cached tokens no modality: text first, the rest from what was heard or seen; returns the share of text."""
    notes.append("cached tokens have no modality: text counted first")
    over = again - left
    for _name, unit, cached_unit in _MODALITIES:
        taken = min(over, fresh[unit])
        if taken:
            units[cached_unit] = taken
            fresh[unit] -= taken
            over -= taken
    return left + over


def _written(inside: dict[str, Any], written: Any, left: int, units: dict[str, Count], notes: list[str]) -> int:
    """Tokens written to the cache, by lifetime (30 minutes unless the provider says 12 hours); returns their sum."""
    sum_ = _within(count(written, "cache_write_tokens", notes), left, "cache_write_tokens", notes)
    lives = part(inside.get("cache_write_tokens_details"), "cache_write_tokens_details", notes)
    long = _within(count(lives.get("ttl_12h_tokens"), "ttl_12h_tokens", notes), sum_, "ttl_12h_tokens", notes)
    if long:
        units[semconv.CACHE_WRITE_12H] = long
    if sum_ - long:
        units[semconv.CACHE_WRITE_30M] = sum_ - long
    return sum_


def _output(outside: dict[str, Any], output: int, units: dict[str, Count], notes: list[str]) -> None:
    left = output
    if outside and (outside.get("audio_tokens") or outside.get("image_tokens") or outside.get("video_tokens")):
        for name, unit in (
            ("audio_tokens", semconv.OUTPUT_AUDIO),
            ("image_tokens", semconv.OUTPUT_IMAGE),
            ("video_tokens", semconv.OUTPUT_VIDEO),
        ):
            made = _within(count(outside.get(name), name, notes), left, f"output {name}", notes)
            if made:
                units[unit] = made
                left -= made
    if left:
        units[semconv.OUTPUT] = left


def _within(value: int, whole: int, name: str, notes: list[str]) -> int:
    """A part can be no more than its whole; where it is, the whole counts and a note says so."""
    if value > whole:
        notes.append(f"{name} {value} of {whole}")
        return whole
    return value


def _stated(raw: dict[str, Any], provider: str | None) -> Decimal | None:
    """Dollars that the host itself states, or None."""
    if "cost" in raw:
        cost = raw["cost"]
        if isinstance(cost, dict):
            cost = cost.get("total_cost")
        stated = amount(cost)
        if stated is not None and raw.get("is_byok") is True:
            # With a key of one's own, `cost` is OpenRouter's fee and the upstream bill comes on top.
            # https://openrouter.ai/docs/use-cases/usage-accounting
            upstream = raw.get("cost_details")
            stated += amount(upstream.get("upstream_inference_cost") if isinstance(upstream, dict) else None) or 0
        return stated if stated or provider in _STATES_ZERO else None
    if "cost_in_usd_ticks" in raw and provider in _XAI:
        ticks = amount(raw["cost_in_usd_ticks"])
        return ticks.scaleb(_TICKS) if ticks else None
    return None
