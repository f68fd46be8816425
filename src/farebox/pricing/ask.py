"""A provider's own count of a prompt's tokens, through an SDK client that the caller hands in. Imports core only.

No SDK is imported: a client is known by the method that counts. The endpoints are free; SDKs that lack one are simply not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

from farebox.core.errors import ConfigurationError
from farebox.core.guard import attempt, logger

_ANTHROPIC: Final = ("system", "tools", "tool_choice", "thinking", "output_config")
"""Members of a messages body that its count_tokens takes too: https://docs.claude.com/en/api/messages-count-tokens."""
_OPENAI: Final = ("instructions", "tools", "tool_choice", "text", "reasoning", "conversation", "previous_response_id")
"""Members of a responses body that input_tokens takes too: https://platform.openai.com/docs/api-reference/responses/input-tokens."""
_CHAT_ONLY: Final = ("tools", "functions", "response_format")
"""What a chat completion counts and the responses endpoint does not take in that shape."""
_CACHED: Final = ("cachedContent", "cached_content")
"""Tokens that Google counts in a prompt and countTokens is not told of."""
_MEMBERS: Final = ("messages", "models", "responses", "chat")
"""A client of the three SDKs, however old, has one of these."""


class _UncountableError(ValueError):
    """The provider cannot be asked for this content's count: its answer would leave something out."""


def count_by(client: Any, content: Any, model: str) -> int | None:
    """Input tokens of a text, messages or a body by the provider's count; None when it cannot be had, which is logged.

    Args:
        client: a synchronous client of openai, anthropic or google-genai.
        content: a text, a list of messages, or a whole request body.
        model: whose tokens are counted.

    Raises:
        ConfigurationError: the client is no such client, or an asynchronous one.
    """
    found = [(ask, method) for path, ask in _WAYS if (method := _method(client, path)) is not None]
    if not found:
        if not any(hasattr(client, name) for name in _MEMBERS):
            raise ConfigurationError(
                f"client={client!r} cannot count tokens: give a client of openai, anthropic or google-genai"
            )
        return None  # a release of the SDK that has no such method yet
    ask, method = found[0]
    answer = attempt(ask, method, _body(content), model, on_error=_failed)
    if hasattr(answer, "__await__"):
        if hasattr(answer, "close"):
            answer.close()  # it never ran: nothing was sent
        raise ConfigurationError(
            f"client={type(client).__name__} is asynchronous: give estimate() the synchronous client of this SDK"
        )
    count = getattr(answer, "input_tokens", None)
    if count is None:
        count = getattr(answer, "total_tokens", None)
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def _method(client: Any, path: str) -> Callable[..., Any] | None:
    found: Callable[..., Any] | None = attempt(attrgetter(path), client, on_error=lambda _: None)
    return found if callable(found) else None


def _failed(error: Exception) -> None:
    # The type alone: an SDK's message may quote the request.
    logger.info("the provider did not count tokens (%s): they are estimated otherwise", type(error).__name__)


def _body(content: Any) -> Mapping[str, Any]:
    if isinstance(content, dict):
        return content
    if isinstance(content, str):
        return {"contents": content, "input": content, "messages": _messages([content])}
    return {"contents": list(content), "input": _messages(content), "messages": _messages(content)}


def _messages(content: Any) -> list[Any]:
    return [{"role": "user", "content": item} if isinstance(item, str) else item for item in content]


def _chosen(body: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: body[name] for name in names if body.get(name) is not None}


def _ask_anthropic(method: Callable[..., Any], body: Mapping[str, Any], model: str) -> Any:
    # By extra_body, which every release sends as it is: the keywords differ from release to release.
    return method(model=model, messages=body["messages"], extra_body=_chosen(body, _ANTHROPIC))


def _ask_openai(method: Callable[..., Any], body: Mapping[str, Any], model: str) -> Any:
    if "input" in body:
        return method(model=model, input=body["input"], extra_body=_chosen(body, _OPENAI))
    if _chosen(body, _CHAT_ONLY):
        raise _UncountableError("a chat body with tools or a response format")
    return method(model=model, input=body["messages"])


def _ask_google(method: Callable[..., Any], body: Mapping[str, Any], model: str) -> Any:
    given = body.get("config") or {}
    config = given if isinstance(given, Mapping) else vars(given)
    if _chosen(body, _CACHED) or _chosen(config, _CACHED):
        raise _UncountableError("a prompt that begins with cached content")
    more = {
        "system_instruction": body.get("systemInstruction") or config.get("system_instruction"),
        "tools": body.get("tools") or config.get("tools"),
    }
    # The SDK refuses both on the Gemini API, and counts them on Vertex: then another way is taken, not a count that lacks them.
    wanted = {name: value for name, value in more.items() if value}
    return method(model=model, contents=body["contents"], config=wanted or None)


_WAYS: Final[tuple[tuple[str, Callable[..., Any]], ...]] = (
    ("messages.count_tokens", _ask_anthropic),
    ("responses.input_tokens.count", _ask_openai),
    ("models.count_tokens", _ask_google),
)
