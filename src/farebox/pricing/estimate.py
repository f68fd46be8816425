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
from farebox.pricing.tokens import count_at_once

TOKENS_PER_3_BYTES: Final = 2
"""An upper estimate for text: the fewest bytes a token, over English, code, Chinese, JSON and emoji on two vocabularies, are 1.63."""

FRAMING_TOKENS: Final = 16
"""What chat framing adds to a short prompt, at most as commonly seen: 3 to 4 tokens a message, 3 for the answer."""

MEDIA_BYTES: Final = 3_000
"""What one attached image, sound or file is taken for, in bytes of text: 2,000 tokens until the model is known better."""

FEWEST_TOKENS_BYTES: Final = 6
"""Bytes a token that no common text exceeds by much: the lower end of an estimate. English has 4.8."""

USUAL_TOKENS_BYTES: Final = 4
"""Bytes a token of what models write, between English (4.8), code (3.6) and Chinese (2.6 to 4.4)."""

SPOKEN_TOKENS_PER_10_BYTES: Final = 14
"""Tokens of sound that speaking a text makes: OpenAI states $0.015 a minute at $12 a million, 21 tokens a second, for 15 characters."""

_INLINE_BYTES: Final = 2_048
_MEDIA_KEYS: Final = frozenset({"data", "url", "image_url", "file_data", "fileData", "b64_json"})
_SCALE: Final = 1_000_000_000
_FORGET: Final = 8
"""A ratio sinks by an eighth of the distance with each call that stays below it."""
_TRUSTED_AFTER: Final = 8
"""Settled calls after which the cold estimate no longer counts; before that it counts by what is left of them."""
_WELL_KNOWN: Final = 64
"""Calls after which only each eighth one that cost no more than expected is looked at: looking takes 3 µs of a call's 26."""
_MOST_TOKENS: Final = 10_000_000
"""More tokens than any model takes or gives in one call: a count beyond it is a fault, and nothing is learned from it."""
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
        size: bytes of text in the request, attachments at `MEDIA_BYTES`.
        cap: output tokens that the request allows at most, or None.
        input_tokens: expected.
        output_tokens: expected.
        expected_nano: nano-dollars to reserve, or None when the model has no price.
        input_rate: pico-dollars an input token.
        output_rate: pico-dollars an output token.
    """

    size: int
    cap: int | None
    input_tokens: int
    output_tokens: int
    expected_nano: int | None = None
    input_rate: int | Fraction = 0
    output_rate: int | Fraction = 0


class Seen(msgspec.Struct, frozen=True, gc=False):
    """Output that arrived before a stream ended without its usage, in tokens: at least, probably, at most. Hidden reasoning is not in it."""

    low: int = 0
    likely: int = 0
    high: int = 0


def seen_output(text: str | None, pieces: int, share: Fraction, model: str, *, countable: bool) -> Seen:
    """Tokens of what arrived.

    Args:
        text: what arrived; None when it was not looked at: then a piece is taken for a token.
        pieces: how many pieces arrived.
        share: how many times more arrived than `text` holds.
        model: whose vocabulary counts it.
        countable: whether one of OpenAI's vocabularies is the model's.
    """
    if text is None:
        return Seen(0, pieces, pieces)
    exact = count_at_once(text, model) if countable and text else None
    size = _text_size(text)
    if exact is not None:
        tokens = -int(-exact * share // 1)
        return Seen(tokens, tokens, tokens) if share == 1 else Seen(exact, tokens, tokens * 2)
    least, most = size // FEWEST_TOKENS_BYTES, -(-size * TOKENS_PER_3_BYTES // 3)
    return Seen(least, -int(-size * share // USUAL_TOKENS_BYTES), -int(-most * share // 1))


class _Learned:
    """What settled calls of one model and task have shown. Ratios are integers of 1e-9."""

    __slots__ = ("calls", "factor", "output", "ratio")

    def __init__(self, ratio: int, output: int, factor: int) -> None:
        self.ratio = ratio
        self.output = output
        self.factor = factor
        self.calls = 1


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
        size = content_size(request.body)
        cap = 0 if request.operation == semconv.EMBEDDINGS else output_cap(request.body)
        if request.operation == semconv.SPEECH and cap is None:
            cap = -(-size * SPOKEN_TOKENS_PER_10_BYTES // 10)
        known = self._known.get((request.provider, model, task_type))
        if known is None:
            input_tokens = cold_input(size)
            output_tokens = self._assumed if cap is None else cap
            factor = _SCALE
        else:
            input_tokens = size * known.ratio // _SCALE
            output_tokens = known.output if cap is None or cap > known.output else cap
            factor = known.factor
            if known.calls < _TRUSTED_AFTER:  # one short answer says little about the next
                doubt = _TRUSTED_AFTER - known.calls
                input_tokens = _between(input_tokens, cold_input(size), doubt)
                output_tokens = _between(output_tokens, self._assumed if cap is None else cap, doubt)
                factor = max(factor, _between(factor, _SCALE, doubt))
        rates = self._rates_of(request.provider, model, at_ns)
        if rates is None:
            return Forecast(size, cap, input_tokens, output_tokens)
        input_rate, output_rate = rates
        expected = (input_tokens * input_rate + output_tokens * output_rate) * factor // _SCALE
        return Forecast(size, cap, input_tokens, output_tokens, -int(-expected // 1000), input_rate, output_rate)

    def upper_nano(self, forecast: Forecast) -> int | None:
        """Nano-dollars by the cold estimate and the whole output cap, at list rates; None when the model has no price."""
        if forecast.expected_nano is None:
            return None
        tokens_out = max(forecast.output_tokens, self._assumed if forecast.cap is None else forecast.cap)
        upper = cold_input(forecast.size) * forecast.input_rate + tokens_out * forecast.output_rate
        return max(forecast.expected_nano, -int(-upper // 1000))

    def lower_nano(self, forecast: Forecast) -> int:
        """Nano-dollars of the input alone, if its text is dense."""
        return int(forecast.size // FEWEST_TOKENS_BYTES * forecast.input_rate // 1000)

    def learn(
        self, request: CallRequest, task_type: str | None, forecast: Forecast, usage: Usage, cost_nano: int
    ) -> None:
        """Take what a settled call really used and cost into account, where it is plausible."""
        key = (request.provider, request.model or "", task_type)
        known = self._known.get(key)
        if known is not None and known.calls >= _WELL_KNOWN and known.calls % _FORGET:
            known.calls += 1
            if forecast.expected_nano is not None and cost_nano <= forecast.expected_nano:
                return
        prompt, _, _, out = usage.totals()
        if not usage.units or usage.notes or max(prompt, out) > _MOST_TOKENS:
            return
        listed = prompt * forecast.input_rate + out * forecast.output_rate
        ratio = -(-prompt * _SCALE // max(forecast.size, 1))
        factor = _SCALE if not listed else int(-(-cost_nano * 1000 * _SCALE // listed))
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = _Learned(ratio, out, factor)
            return
        known.calls += 1
        known.ratio = _follow(known.ratio, ratio)
        known.output = _follow(known.output, out)
        known.factor = _follow(known.factor, factor)

    def forget_rates(self) -> None:
        """Look rates up again: a price was changed."""
        self._cached = {}

    def doubt(self, request: CallRequest, task_type: str | None, forecast: Forecast) -> None:
        """Take into account that a call was refused.

        What was learned sinks towards the cold estimate where it is dearer: while nothing is let through, nothing else corrects it.
        """
        known = self._known.get((request.provider, request.model or "", task_type))
        if known is None or (self.upper_nano(forecast) or 0) > (forecast.expected_nano or 0):
            return
        known.ratio = _follow(known.ratio, cold_input(forecast.size) * _SCALE // max(forecast.size, 1))
        known.output = _follow(known.output, self._assumed if forecast.cap is None else forecast.cap)
        known.factor = _follow(known.factor, _SCALE)

    def _rates_of(self, provider: str, model: str, at_ns: int) -> tuple[int | Fraction, int | Fraction] | None:
        found = self._cached.get((provider, model))
        if found is not None and 0 <= at_ns - found[0] < _RATE_LIFE_NS:
            return found[1]
        units = self._rates.unit_rates(provider, model, at_ns)
        # A model that is billed by other units than tokens (seconds, images) has no rate that an estimate of tokens could use.
        counts = units is not None and (semconv.INPUT in units or semconv.OUTPUT in units)
        rates = (units.get(semconv.INPUT, 0), units.get(semconv.OUTPUT, 0)) if units is not None and counts else None
        if len(self._cached) >= _REMEMBERED:
            self._cached.clear()
        self._cached[provider, model] = (at_ns, rates)
        return rates


def _between(learned: int, cold: int, doubt: int) -> int:
    """A mean of two estimates; never less than the learned one."""
    return learned if cold <= learned else learned + (cold - learned) * doubt // _TRUSTED_AFTER


def _follow(known: int, seen: int) -> int:
    return seen if seen >= known else known - (known - seen) // _FORGET


def cold_input(size: int) -> int:
    """Tokens that `size` bytes of text are taken for while nothing is known."""
    return (size * TOKENS_PER_3_BYTES + 2) // 3 + FRAMING_TOKENS


def content_size(content: Any) -> int:
    """UTF-8 bytes of the text in a request; an attachment counts `MEDIA_BYTES`.

    Only dicts, lists, tuples and strings are looked into: anything else may be an iterator that can be read once.
    """
    if isinstance(content, str):
        return _text_size(content)
    if isinstance(content, dict):
        size = 0
        for key, value in content.items():
            kind = type(value)
            if kind is str:
                if len(value) > _INLINE_BYTES and key in _MEDIA_KEYS:
                    size += MEDIA_BYTES
                else:
                    size += len(value) if value.isascii() else _text_size(value)
            elif kind is list or kind is dict:
                # Names count too: they are the larger part of a tool's schema.
                size += len(key) + content_size(value)
            elif kind is bytes:
                size += MEDIA_BYTES
        return size
    if isinstance(content, list | tuple):
        size = 0
        for value in content:
            size += content_size(value)
        return size
    return MEDIA_BYTES if isinstance(content, bytes) else 0


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def output_cap(body: Any) -> int | None:
    """The most tokens that a request lets the model produce, all copies together; None when it does not say."""
    if not isinstance(body, dict):
        return None
    get = body.get
    cap = get("max_completion_tokens") or get("max_output_tokens") or get("max_tokens") or get("max_tokens_to_sample")
    copies = get("n") or get("best_of")
    if cap is None and isinstance(nested := get("generationConfig"), dict):
        cap, copies = nested.get("maxOutputTokens"), nested.get("candidateCount")
    if not isinstance(cap, int) or cap <= 0:
        return None
    return cap * copies if isinstance(copies, int) and copies > 1 else cap
