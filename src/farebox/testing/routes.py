"""The endpoints: a row each, and how a request finds its own. Imports testing only."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from farebox.testing.anthropic import messages
from farebox.testing.google import content
from farebox.testing.openai import chat, responses
from farebox.testing.store import BadRequestError
from farebox.testing.wire import Answer, Habits, Json, Received


class Route(NamedTuple):
    """An endpoint: the groups of its path become arguments of the function that answers."""

    method: str
    path: re.Pattern[str]
    dialect: str
    answer: Callable[..., Answer]


def _rows(dialect: str, *rows: tuple[str, str, Callable[..., Answer]]) -> tuple[Route, ...]:
    return tuple(Route(method, re.compile(path + "$"), dialect, answer) for method, path, answer in rows)


_AZURE: Final = r"(?:/openai/deployments/(?P<deployment>[^/]+))?(?:/v\d+)?"
_MODEL: Final = r"/models/(?P<model>[^/:]+):"

ROUTES: Final = (
    *_rows(
        "openai",
        ("POST", _AZURE + r"/chat/completions", chat.chat),
        ("POST", _AZURE + r"/completions", chat.completions),
        ("POST", _AZURE + r"/embeddings", chat.embeddings),
        ("POST", r"/responses", responses.create),
        ("POST", r"/responses/input_tokens", responses.count),
    ),
    *_rows(
        "anthropic",
        ("POST", r"/messages", messages.messages),
        ("POST", r"/messages/count_tokens", messages.count),
    ),
    *_rows(
        "google",
        ("POST", _MODEL + r"generateContent", content.generate),
        ("POST", _MODEL + r"streamGenerateContent", content.generate_stream),
        ("POST", _MODEL + r"embedContent", content.embed),
        ("POST", _MODEL + r"batchEmbedContents", content.embed_batch),
        ("POST", _MODEL + r"countTokens", content.count),
    ),
)
"""Whatever stands before a path (a version, a prefix of a proxy) is let through; the first row that fits wins."""

ERRORS: Final[dict[str, Callable[[int, str], Json]]] = {
    "openai": chat.error,
    "anthropic": messages.error,
    "google": content.error,
}

REQUEST_IDS: Final = {"openai": "x-request-id", "anthropic": "request-id", "google": "x-gemini-request-id"}


def find(request: Received) -> tuple[Route, dict[str, str]]:
    """The route of a request; an unknown path answers 404 in the dialect that it looks like."""
    for route in ROUTES:
        found = route.path.search(request.path)
        if found and request.method == route.method:
            return route, {name: value for name, value in found.groupdict().items() if value}
    dialect = (
        "anthropic" if "anthropic-version" in request.headers else "google" if "v1beta" in request.path else "openai"
    )
    return Route(request.method, re.compile(""), dialect, _unknown), {}


def answer(route: Route, request: Received, habits: Habits, arguments: dict[str, Any]) -> Answer:
    """What the endpoint answers.

    Raises:
        BadRequestError: the request cannot be answered.
    """
    if request.body is None:
        request = replace(request, body={})
    elif not isinstance(request.body, dict):
        raise BadRequestError("The request body is neither a JSON object nor a form.")
    return route.answer(request, habits, **arguments)


def _unknown(request: Received, _: Habits) -> Answer:
    raise BadRequestError(f"Unknown endpoint: {request.method} {request.path}", status=404)
