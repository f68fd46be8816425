"""`estimate(content, ...)`: what a call would probably cost, for people. May import core and the book."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.errors import ConfigurationError, PriceError
from farebox.core.event import CallRequest
from farebox.core.money import Money
from farebox.pricing import installed
from farebox.pricing.ask import count_by
from farebox.pricing.estimate import FEWEST_TOKENS_BYTES, Estimator
from farebox.pricing.tokens import count_exactly

_PROVIDERS: Final = (semconv.OPENAI, semconv.ANTHROPIC, semconv.GOOGLE)


class Estimate(msgspec.Struct, frozen=True):
    """What a call would probably cost.

    Attributes:
        low: dollars if the text is dense and the answer empty; None when the model has no price.
        expected: dollars to reckon with; what a hard budget reserves while it knows nothing better.
        ceiling: dollars that one attempt can never pass, or None: no proven bound is known for this shape of request.
        input_tokens: tokens of the prompt that `expected` counts.
        how: where the count comes from: "count_tokens" (the provider's own), "tiktoken" (exact for the text), or "bytes" (an upper
            ratio).
    """

    low: Money | None
    expected: Money | None
    ceiling: Money | None
    input_tokens: int
    how: str


def estimate(
    content: Any,
    *,
    model: str,
    provider: str | None = None,
    max_output_tokens: int | None = None,
    client: Any = None,
    assumed_output_tokens: int = 1024,
    at_ns: int | None = None,
) -> Estimate:
    """What a call with this content would probably cost.

    Args:
        content: a text, a list of messages, or a whole request body.
        model: as it would be asked for.
        provider: who would bill it; None: whichever of openai, anthropic and google has the model.
        max_output_tokens: the output cap, where the content does not say it.
        client: a synchronous client of openai, anthropic or google-genai, whose provider then counts the input (one free request);
            where it cannot, the count is made here as without it. None: nothing is sent.
        assumed_output_tokens: what is expected to come out when there is no cap.
        at_ns: as of when, in nanoseconds UTC; None: now.

    Raises:
        ConfigurationError: the content, the cap or the client cannot be used.
        PriceError: no provider was given, and none of the three has the model.
    """
    if not isinstance(content, str | list | tuple | dict):
        raise ConfigurationError(
            f"content of type {type(content).__name__} cannot be estimated: give a text, messages or a body"
        )
    if max_output_tokens is not None and max_output_tokens < 0:
        raise ConfigurationError(
            f"max_output_tokens={max_output_tokens!r} cannot be used: give a whole number of at least 0"
        )
    book = installed.current()
    at = time.time_ns() if at_ns is None else at_ns
    who = provider_of(model, at) if provider is None else provider
    body = (
        dict(content)
        if isinstance(content, dict)
        else {"messages": [content] if isinstance(content, str) else list(content)}
    )
    if max_output_tokens is not None:
        body["max_tokens"] = max_output_tokens
    request = CallRequest(provider=who, operation=semconv.CHAT, api="", model=model, body=body)
    forecast = Estimator(book, assumed_output_tokens=assumed_output_tokens).forecast(request, None, at)
    exact, how = _count(content, model, who, client)
    tokens = forecast.input_tokens if exact is None else exact
    if forecast.expected_nano is None:
        return Estimate(None, None, None, tokens, how)
    least = forecast.size // FEWEST_TOKENS_BYTES if exact is None else exact
    expected = tokens * forecast.input_rate + forecast.output_tokens * forecast.output_rate
    return Estimate(_money(least * forecast.input_rate), _money(expected), None, tokens, how)


def _count(content: Any, model: str, provider: str, client: Any) -> tuple[int | None, str]:
    """Tokens by the surest way that there is, and its name; None where only their bytes are known."""
    counted = None if client is None else count_by(client, content, model)
    if counted is not None:
        return counted, "count_tokens"
    exact = count_exactly(content, model) if provider == semconv.OPENAI else None
    return exact, "bytes" if exact is None else "tiktoken"


def provider_of(model: str, at_ns: int) -> str:
    """The provider of the three SDKs that has a price for the model.

    Raises:
        PriceError: none of them has.
    """
    book = installed.current()
    for provider in _PROVIDERS:
        if book.unit_rates(provider, model, at_ns) is not None:
            return provider
    raise PriceError(
        f"model {model!r} has no price with {', '.join(_PROVIDERS)}: name its provider, for example provider='groq'"
    )


def _money(pico: Any) -> Money:
    return Money.from_nano(-int(-pico // 1000))
