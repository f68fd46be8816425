"""The endpoints: a row each, and how a request finds its own. Imports testing only."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from farebox.testing.anthropic import batches as message_batches
from farebox.testing.anthropic import messages
from farebox.testing.google import batches as google_batches
from farebox.testing.google import caches, content, embeddings, interactions
from farebox.testing.google import files as google_files
from farebox.testing.google import media as google_media
from farebox.testing.openai import audio, batches, chat, files, images, jobs, platform, responses, threads, videos
from farebox.testing.store import BadRequestError
from farebox.testing.wire import Answer, Habits, Json, Received


class Route(NamedTuple):
    """An endpoint: the groups of its path become arguments of the function that answers; a raw body is taken as it comes."""

    method: str
    path: re.Pattern[str]
    dialect: str
    answer: Callable[..., Answer]
    raw: bool = False


def _rows(dialect: str, *rows: tuple[str, str, Callable[..., Answer]]) -> tuple[Route, ...]:
    return tuple(Route(method, re.compile(path + "$"), dialect, answer) for method, path, answer in rows)


_AZURE: Final = r"(?:/openai/deployments/(?P<deployment>[^/]+))?(?:/v\d+)?"
_NAME: Final = r"/(?P<name>[^/:]+)"
_RUNS: Final = r"/threads/(?P<thread>[^/]+)/runs"
_VERSION: Final = r"/v\d\w*/"
_CACHE: Final = r"(?P<name>(?:.+/)?cachedContents/[^/]+)"
_MODEL: Final = r"/models/(?P<model>[^/:]+):"

ROUTES: Final = (
    *_rows(
        "openai",
        ("POST", _AZURE + r"/chat/completions", chat.chat),
        ("POST", _AZURE + r"/completions", chat.completions),
        ("POST", _AZURE + r"/embeddings", chat.embeddings),
        ("POST", r"/responses", responses.create),
        ("POST", r"/responses/input_tokens", responses.count),
        ("POST", r"/responses/compact", responses.compact),
        ("GET", r"/responses" + _NAME, jobs.retrieve),
        ("DELETE", r"/responses" + _NAME, jobs.delete),
        ("POST", r"/responses" + _NAME + r"/cancel", jobs.cancel),
        ("POST", r"/decisions", platform.decide),
        ("POST", r"/moderations", platform.moderate),
        ("POST", _AZURE + r"/images/generations", images.generate),
        ("POST", _AZURE + r"/images/edits", images.edit),
        ("POST", r"/images/variations", images.vary),
        ("POST", _AZURE + r"/audio/transcriptions", audio.transcribe),
        ("POST", _AZURE + r"/audio/translations", audio.translate),
        ("POST", _AZURE + r"/audio/speech", audio.speak),
        ("POST", r"/videos", videos.create),
        ("GET", r"/videos", videos.all_of_them),
        ("POST", r"/videos/(?:edits|extensions)", videos.again),
        ("GET", r"/videos" + _NAME, videos.retrieve),
        ("DELETE", r"/videos" + _NAME, videos.delete),
        ("GET", r"/videos" + _NAME + r"/content", videos.content),
        ("POST", r"/videos" + _NAME + r"/remix", videos.remix),
        ("POST", r"/files", files.upload),
        ("GET", r"/files", files.all_of_them),
        ("GET", r"/files" + _NAME, files.retrieve),
        ("DELETE", r"/files" + _NAME, files.delete),
        ("GET", r"/files" + _NAME + r"/content", files.content),
        ("POST", r"/batches", batches.create),
        ("GET", r"/batches", batches.all_of_them),
        ("GET", r"/batches" + _NAME, batches.retrieve),
        ("POST", r"/batches" + _NAME + r"/cancel", batches.cancel),
        ("POST", r"/threads", threads.create),
        ("POST", r"/threads/runs", threads.create_and_run),
        ("POST", r"/threads/(?P<thread>[^/]+)/messages", threads.say),
        ("GET", r"/threads/(?P<thread>[^/]+)/messages", threads.messages),
        ("POST", _RUNS, threads.run),
        ("GET", _RUNS + _NAME, threads.retrieve),
        ("POST", _RUNS + _NAME + r"/cancel", threads.cancel),
        ("POST", _RUNS + _NAME + r"/submit_tool_outputs", threads.submit),
        ("POST", r"/vector_stores" + _NAME + r"/search", platform.search),
        ("POST", r"/fine_tuning/jobs", platform.tune),
        ("GET", r"/fine_tuning/jobs" + _NAME, platform.tuning),
        ("POST", r"/containers", platform.contain),
        ("GET", r"/containers" + _NAME, platform.container),
    ),
    *_rows(
        "anthropic",
        ("POST", r"/messages", messages.messages),
        ("POST", r"/messages/batches", message_batches.create),
        ("GET", r"/messages/batches", message_batches.all_of_them),
        ("GET", r"/messages/batches" + _NAME, message_batches.retrieve),
        ("DELETE", r"/messages/batches" + _NAME, message_batches.delete),
        ("GET", r"/messages/batches" + _NAME + r"/results", message_batches.results),
        ("POST", r"/messages/batches" + _NAME + r"/cancel", message_batches.cancel),
        ("POST", r"/messages/count_tokens", messages.count),
    ),
    *_rows(
        "google",
        ("POST", _MODEL + r"generateContent", content.generate),
        ("POST", _MODEL + r"streamGenerateContent", content.generate_stream),
        ("POST", _MODEL + r"countTokens", content.count),
        ("POST", _MODEL + r"embedContent", embeddings.embed),
        ("POST", _MODEL + r"batchEmbedContents", embeddings.embed_batch),
        ("POST", _MODEL + r"batchGenerateContent", google_batches.generate),
        ("POST", _MODEL + r"asyncBatchEmbedContent", google_batches.embed),
        ("GET", _VERSION + r"batches", google_batches.all_of_them),
        ("GET", _VERSION + r"(?P<name>batches/[^/:]+)", google_batches.retrieve),
        ("DELETE", _VERSION + r"(?P<name>batches/[^/:]+)", google_batches.delete),
        ("POST", _VERSION + r"(?P<name>batches/[^/:]+):cancel", google_batches.cancel),
        ("POST", _MODEL + r"predict", google_media.predict),
        ("POST", _MODEL + r"predictLongRunning", google_media.film),
        ("POST", _MODEL + r"fetchPredictOperation", google_media.fetch_operation),
        ("GET", _VERSION + r"(?P<name>models/[^/]+/operations/[^/]+)", google_media.operation),
        ("GET", r"/files/film:download", google_media.download),
        ("POST", _VERSION + r"files", google_files.begin),
        ("GET", _VERSION + r"(?P<name>files/[^/:]+)", google_files.retrieve),
        ("GET", _VERSION + r"(?P<name>files/[^/:]+):download", google_files.download),
        ("POST", _VERSION + r"(?:.+/)?cachedContents", caches.create),
        ("GET", _VERSION + r"(?:.+/)?cachedContents", caches.all_of_them),
        ("GET", _VERSION + _CACHE, caches.retrieve),
        ("PATCH", _VERSION + _CACHE, caches.prolong),
        ("DELETE", _VERSION + _CACHE, caches.delete),
        ("POST", _VERSION + r"(?:.+/)?decisions", interactions.decide),
        ("POST", _VERSION + r"(?:.+/)?interactions", interactions.create),
        ("GET", _VERSION + r"(?:.+/)?interactions" + _NAME, interactions.retrieve),
        ("DELETE", _VERSION + r"(?:.+/)?interactions" + _NAME, interactions.delete),
        ("POST", _VERSION + r"(?:.+/)?interactions" + _NAME + r"/cancel", interactions.cancel),
    ),
    Route("POST", re.compile(r"/upload" + _NAME + "$"), "google", google_files.finish, raw=True),
)
"""Whatever stands before a path (a version, a prefix of a proxy) is let through; the first row that fits wins."""

_BY_DIALECT: Final = {
    name: tuple(route for route in ROUTES if route.dialect == name) for name in ("openai", "anthropic", "google")
}

ERRORS: Final[dict[str, Callable[[int, str], Json]]] = {
    "openai": chat.error,
    "anthropic": messages.error,
    "google": content.error,
}

REQUEST_IDS: Final = {"openai": "x-request-id", "anthropic": "request-id", "google": "x-gemini-request-id"}


def find(request: Received) -> tuple[Route, dict[str, str]]:
    """The route of a request, first among those of the dialect that it looks like; an unknown path answers 404 in it."""
    dialect = _looks_like(request)
    for route in (*_BY_DIALECT[dialect], *ROUTES):
        found = route.path.search(request.path)
        if found and request.method == route.method:
            return route, {name: value for name, value in found.groupdict().items() if value}
    return Route(request.method, re.compile(""), dialect, _unknown), {}


def _looks_like(request: Received) -> str:
    """Several providers have files and batches at the same path; their SDKs tell themselves apart by headers."""
    if "anthropic-version" in request.headers:
        return "anthropic"
    return "google" if "v1beta" in request.path or "x-goog-api-client" in request.headers else "openai"


def answer(route: Route, request: Received, habits: Habits, arguments: dict[str, Any]) -> Answer:
    """What the endpoint answers.

    Raises:
        BadRequestError: the request cannot be answered.
    """
    if request.body is None:
        request = replace(request, body={})
    elif not isinstance(request.body, dict) and not route.raw:
        raise BadRequestError("The request body is neither a JSON object nor a form.")
    return route.answer(request, habits, **arguments)


def _unknown(request: Received, _: Habits) -> Answer:
    raise BadRequestError(f"Unknown endpoint: {request.method} {request.path}", status=404)
