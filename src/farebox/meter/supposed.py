"""The request that a content would be sent as, to find its ceiling before there is one. May import budgets, pricing and below."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.event import CallRequest
from farebox.core.money import Money
from farebox.meter.ceiling import Ceiling, Ceilings
from farebox.pricing.guess import Estimate

_APIS: Final = (
    ("contents", semconv.API_GENERATE_CONTENT, ("generationConfig", "maxOutputTokens")),
    ("input", semconv.API_RESPONSES, ("max_output_tokens",)),
    ("prompt", semconv.API_COMPLETIONS, ("max_tokens",)),
    ("messages", semconv.API_CHAT_COMPLETIONS, ("max_completion_tokens",)),
)
"""The key that tells what interface a body is for, and where its output cap stands."""

_MESSAGES: Final = frozenset({semconv.ANTHROPIC, semconv.AWS_BEDROCK})
_GOOGLE: Final = frozenset({semconv.GOOGLE, semconv.GOOGLE_VERTEX})


def with_ceiling(
    found: Estimate, content: Any, *, model: str, provider: str, max_output_tokens: int | None, at_ns: int
) -> Estimate:
    """An estimate with the ceiling of the same content, where it has one.

    Args:
        found: the estimate.
        content: a text, a list of messages, or a whole request body.
        model: as it would be asked for.
        provider: who would bill it.
        max_output_tokens: the output cap, where the content does not say it.
        at_ns: as of when, in nanoseconds UTC.
    """
    ceiling = Ceilings().of(supposed(content, model, provider, max_output_tokens), at_ns)
    nano = ceiling.nano() if isinstance(ceiling, Ceiling) else None
    return found if nano is None else msgspec.structs.replace(found, ceiling=Money.from_nano(nano))


def supposed(content: Any, model: str, provider: str, cap: int | None) -> CallRequest:
    """The request that asks a provider's usual interface, or the one that a whole body is for."""
    body = dict(content) if isinstance(content, dict) else _body(content, provider)
    api, path = next(((api, path) for key, api, path in _APIS if key in body), ("", ()))
    if api == semconv.API_CHAT_COMPLETIONS and (provider in _MESSAGES or "claude" in model.lower()):
        api, path = semconv.API_MESSAGES, ("max_tokens",)
    elif api == semconv.API_RESPONSES and "embed" in model.lower():
        api, path = semconv.API_EMBEDDINGS, ()
    if cap is not None and path:
        body = _capped(body, path, cap)
    return CallRequest(provider=provider, operation=semconv.CHAT, api=api, model=model, body=body)


def _body(content: Any, provider: str) -> dict[str, Any]:
    if provider in _GOOGLE:
        texts = [content] if isinstance(content, str) else list(content)
        return {"contents": [{"parts": [{"text": one}]} if isinstance(one, str) else one for one in texts]}
    messages = [{"role": "user", "content": content}] if isinstance(content, str) else list(content)
    return {"messages": messages}


def _capped(body: dict[str, Any], path: tuple[str, ...], cap: int) -> dict[str, Any]:
    """The body with the cap; one that it has itself wins."""
    name, *rest = path
    if rest:
        inner = body.get(name)
        return {**body, name: _capped(inner if isinstance(inner, dict) else {}, tuple(rest), cap)}
    return body if any(other in body for other in ("max_tokens", name)) else {**body, name: cap}
