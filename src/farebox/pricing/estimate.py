"""What a call will probably cost, before it is sent. May import core and the book's unit rates.

Cold, an estimate is an upper one: a stated ratio of bytes to tokens, and the output cap. Once calls of the same model and task have
settled, their own ratios replace it: the highest seen, sinking slowly while later calls stay below.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final, Protocol

import msgspec

from farebox.core import semconv
from farebox.core.event import CallRequest
from farebox.core.usage import Usage

BYTES_PER_TOKEN: Final = Fraction(3, 2)
"""An upper estimate for text: the least seen over English, code, Chinese, JSON and emoji on two vocabularies is 1.63."""

FRAMING_TOKENS: Final = 16
"""What chat framing adds to a short prompt, at most as commonly seen: 3–4 tokens a message, 3 for the answer."""

MEDIA_TOKENS: Final = 2_000
"""What one attached image, sound or file is taken for until the model is known better."""

_MEDIA_BYTES: Final = 2_048
_MEDIA_KEYS: Final = frozenset({"data", "url", "image_url", "file_data", "fileData", "b64_json"})
_CAPS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens", "max_tokens_to_sample")
_COPIES: Final = ("n", "best_of")
_SCALE: Final = 1_000_000_000
_FORGET: Final = 8
"""A ratio sinks by an eighth of the distance with each call that stays below it."""
_REMEMBERED: Final = 4_096
"""Pairs of model and task that are remembered; beyond that the learning starts again."""
_RATE_LIFE_NS: Final = 3_600_000_000_000
"""Rates are looked up again after an hour, so that a dated price change is noticed."""


class Rates(Protocol):
    """What an estimate needs of the price book."""

    def unit_rates(self, provider: str, model: str, at_ns: int) -> Mapping[str, int | Fraction] | None:
        """Pico-dollars a unit at the standard tier and short context, or None when the model is unknown."""
        ...


class Forecast(msgspec.Struct, gc=False):
    """An estimate in numbers.

    Attributes:
        size: bytes of text in the request, media counted apart.
        input_tokens: expected.
        output_tokens: expected.
        expected_nano: nano-dollars to reserve, or None when the model has no price.
        upper_nano: nano-dollars by the cold estimate and the whole output cap, or None.
        input_rate: pico-dollars an input token.
        output_rate: pico-dollars an output token.
    """

    size: int
    input_tokens: int
    output_tokens: int
    expected_nano: int | None
    upper_nano: int | None
    input_rate: int | Fraction = 0
    output_rate: int | Fraction = 0


class _Learned:
    """What settled calls of one model and task have shown. Ratios are integers of 1e-9."""

    __slots__ = ("factor", "output", "ratio")

    def __init__(self, ratio: int, output: int, factor: int) -> None:
        self.ratio = ratio
        self.output = output
        self.factor = factor


class Estimator:
    """Estimates calls and learns from those that settled.

    Threads may race on one entry: a lost update costs precision of an estimate, never money.

    Args:
        rates: the price book.
        assumed_output_tokens: what a call without an output cap is expected to produce while its model and task are unknown.
    """

    def __init__(self, rates: Rates, *, assumed_output_tokens: int = 1024) -> None:
        self._rates = rates
        self._assumed = assumed_output_tokens
        self._known: dict[tuple[str, str, str | None], _Learned] = {}
        self._cached: dict[tuple[str, str], tuple[int, tuple[int | Fraction, int | Fraction] | None]] = {}

    def forecast(self, request: CallRequest, task_type: str | None, at_ns: int) -> Forecast:
        """The estimate of one call, at the rates of `at_ns`."""
        model = request.model or ""
        size, media = content_size(request.body)
        cap = 0 if request.operation == semconv.EMBEDDINGS else output_cap(request.body)
        cold_input = -(-size * BYTES_PER_TOKEN.denominator // BYTES_PER_TOKEN.numerator) + FRAMING_TOKENS
        cold_output = self._assumed if cap is None else cap
        known = self._known.get((request.provider, model, task_type))
        if known is None:
            input_tokens, output_tokens, factor = cold_input + media * MEDIA_TOKENS, cold_output, _SCALE
        else:
            input_tokens = size * known.ratio // _SCALE
            output_tokens = known.output if cap is None else min(cap, known.output)
            factor = known.factor
        rates = self._rates_of(request.provider, model, at_ns)
        if rates is None:
            return Forecast(size, input_tokens, output_tokens, None, None)
        input_rate, output_rate = rates
        expected = (input_tokens * input_rate + output_tokens * output_rate) * factor // _SCALE
        upper = (cold_input + media * MEDIA_TOKENS) * input_rate + max(cold_output, output_tokens) * output_rate
        return Forecast(
            size,
            input_tokens,
            output_tokens,
            -int(-expected // 1000),
            max(-int(-upper // 1000), -int(-expected // 1000)),
            input_rate,
            output_rate,
        )

    def learn(
        self, request: CallRequest, task_type: str | None, forecast: Forecast, usage: Usage, cost_nano: int
    ) -> None:
        """Take what a settled call really used and cost into account."""
        prompt, _, _, out = usage.totals()
        listed = prompt * forecast.input_rate + out * forecast.output_rate
        ratio = -(-prompt * _SCALE // max(forecast.size, 1))
        factor = _SCALE if not listed else int(-(-cost_nano * 1000 * _SCALE // listed))
        key = (request.provider, request.model or "", task_type)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = _Learned(ratio, out, factor)
            return
        known.ratio = _follow(known.ratio, ratio)
        known.output = _follow(known.output, out)
        known.factor = _follow(known.factor, factor)

    def _rates_of(self, provider: str, model: str, at_ns: int) -> tuple[int | Fraction, int | Fraction] | None:
        found = self._cached.get((provider, model))
        if found is not None and 0 <= at_ns - found[0] < _RATE_LIFE_NS:
            return found[1]
        units = self._rates.unit_rates(provider, model, at_ns)
        rates = None if units is None else (units.get(semconv.INPUT, 0), units.get(semconv.OUTPUT, 0))
        if len(self._cached) >= _REMEMBERED:
            self._cached.clear()
        self._cached[provider, model] = (at_ns, rates)
        return rates


def _follow(known: int, seen: int) -> int:
    return seen if seen >= known else known - (known - seen) // _FORGET


def content_size(content: Any) -> tuple[int, int]:
    """UTF-8 bytes of the text in a request, and how many media it attaches.

    Only dicts, lists, tuples and strings are looked into: anything else may be an iterator that can be read once.
    """
    if isinstance(content, str):
        return (len(content) if content.isascii() else len(content.encode("utf-8", "surrogatepass"))), 0
    size = media = 0
    if isinstance(content, dict):
        for key, value in content.items():
            kind = type(value)
            if kind is str:
                if len(value) > _MEDIA_BYTES and key in _MEDIA_KEYS:
                    media += 1
                else:
                    size += len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
            elif kind is dict or kind is list or kind is tuple:
                inner_size, inner_media = content_size(value)
                # Names count too: they are the larger part of a tool's schema.
                size += inner_size + len(key)
                media += inner_media
            elif kind is bytes:
                media += 1
    elif isinstance(content, list | tuple):
        for value in content:
            inner_size, inner_media = content_size(value)
            size += inner_size
            media += inner_media
    elif isinstance(content, bytes):
        media = 1
    return size, media


def output_cap(body: Any) -> int | None:
    """The most tokens that a request lets the model produce, all copies together; None when it does not say."""
    if not isinstance(body, dict):
        return None
    source = body
    nested = body.get("generationConfig")
    if isinstance(nested, dict):
        cap, copies = nested.get("maxOutputTokens"), nested.get("candidateCount")
    else:
        cap = next((source[name] for name in _CAPS if isinstance(source.get(name), int)), None)
        copies = next((source[name] for name in _COPIES if isinstance(source.get(name), int)), None)
    if not isinstance(cap, int) or cap <= 0:
        return None
    return cap * (copies if isinstance(copies, int) and copies > 1 else 1)
