"""What is done to the google-genai SDK, 1.75 and later: its hooks, and how it is called. Imports core only.

Contracts held by tests against google-genai 1.75.0, 2.0.0, 2.34.0 and 3.4.0. The hooked functions stand above every transport
(httpx, aiohttp, requests) and above the SDK's retries; what they return holds the body as JSON text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from farebox.core import context, semconv
from farebox.core.context import Scope
from farebox.core.event import Limits
from farebox.core.identity import new_id
from farebox.core.scoped import Scoping, scoped
from farebox.instruments import google_content, google_interactions, google_jobs, google_live, google_media, providers
from farebox.instruments.hook import Endpoint, Hook, Instrument, Place, Sent, WireOptions
from farebox.instruments.paths import Paths, names
from farebox.instruments.placing import overlaid, placed
from farebox.instruments.retries import attempt_once, attempt_once_async

_DEFAULT_ATTEMPTS: Final = 5
"""`HttpRetryOptions.attempts` when retry options are given without a count (google-genai 3.4, `_RETRY_ATTEMPTS`)."""

ENDPOINTS: Final = (*google_content.ENDPOINTS, *google_media.ENDPOINTS, *google_jobs.ENDPOINTS)


class Gemini:
    """The dialect: `request(http_method, path, request_dict, http_options)`; a path may end in ":method".

    Args:
        endpoints: the rows, by their method or by their path.
    """

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        self._methods = {endpoint.path: endpoint for endpoint in endpoints if endpoint.method == "post"}
        self._paths = Paths(endpoints)
        self._places = providers.Places()

    def route(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Endpoint | None:
        """The endpoint of the path's method, else of the path itself."""
        path = args[1] if len(args) > 1 else kwargs["path"]
        endpoint = self._methods.get(path.rpartition(":")[2].partition("?")[0])
        return endpoint or self._paths.find(args[0] if args else kwargs["http_method"], path)

    def line(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, str]:
        """What the arguments say."""
        path = args[1] if len(args) > 1 else kwargs["path"]
        return str(args[0] if args else kwargs["http_method"]).upper(), path.partition("?")[0]

    def names(self, endpoint: Endpoint, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
        """The ids in the path."""
        return names(endpoint, args[1] if len(args) > 1 else kwargs["path"])

    def sent(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sent:
        """What the arguments say; the path carries the model."""
        path = args[1] if len(args) > 1 else kwargs["path"]
        body = args[2] if len(args) > 2 else kwargs["request_dict"]
        extra = _http_option(args, kwargs, "extra_body") or getattr(client._http_options, "extra_body", None)  # noqa: SLF001 - there is no public one
        if extra:
            body = overlaid(body, extra)
        name, _, method = path.rpartition(":")
        stream = method.startswith("stream")
        if not name and isinstance(body, Mapping):
            name = str(body.get("model") or "")
        return Sent(
            body=body,
            model=google_content.model_name(name),
            stream=stream,
            raw="" if stream else "body",
            attempts=_attempts(client, args, kwargs),
            adjusts=isinstance(body, Mapping),
        )

    def place(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: WireOptions) -> Place:
        """Where the base URL of the call, or else of the client, points."""
        own = semconv.GOOGLE_VERTEX if client.vertexai else semconv.GOOGLE
        base = _http_option(args, kwargs, "base_url") or client._http_options.base_url  # noqa: SLF001 - there is no public one
        return self._places.of(client, base, own=own, options=options)

    def limited(
        self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], limits: Limits
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call with fewer retries, and a lower cap where the SDK will read it: `extra_body` is laid over the body below the hook."""
        given = {**dict(zip(("http_method", "path", "request_dict", "http_options"), args, strict=False)), **kwargs}
        options = given.get("http_options")
        if limits.attempts is not None:
            options = _with_option(client, options, "retry_options", {"attempts": limits.attempts})
        if limits.output is not None:
            given["request_dict"] = placed(given["request_dict"], limits.place, limits.output)
            extra = _http_option(args, kwargs, "extra_body") or getattr(client._http_options, "extra_body", None)  # noqa: SLF001 - same
            if extra:
                options = _with_option(client, options, "extra_body", placed(extra, limits.place, limits.output))
        return (), {**given, "http_options": options}

    def asking(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:  # noqa: ARG002 - the dialects' signature
        """Usage is always sent."""
        return

    def caught(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], keep: Callable[[Any], None]) -> None:  # noqa: ARG002 - same
        """Answers are parsed above the hook."""
        return


def _http_option(args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str) -> Any:
    options = args[3] if len(args) > 3 else kwargs.get("http_options")
    return options.get(name) if isinstance(options, Mapping) else getattr(options, name, None)


def _with_option(client: Any, options: Any, name: str, value: Any) -> Any:
    """A copy of a call's options with one more; there may be none, a dict, or an object of the SDK's."""
    if options is None or isinstance(options, Mapping):
        return {**(options or {}), name: value}
    # The class is taken from the client: an instrument imports no SDK.
    kind = type(client._http_options)  # noqa: SLF001 - there is no public one
    return options.model_copy(update={name: getattr(kind.model_validate({name: value}), name)})


def _attempts(client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    retries = _http_option(args, kwargs, "retry_options") or client._http_options.retry_options  # noqa: SLF001 - same
    if retries is None:
        return 1
    attempts = retries.get("attempts") if isinstance(retries, Mapping) else retries.attempts
    return max(1, _DEFAULT_ATTEMPTS if attempts is None else attempts)


class _Loop(Scoping):
    """One call of the user's that may become several requests: automatic function calling sends one a round."""

    def _open(self) -> Scope:
        return context.enter(parent_id=new_id(time.time_ns()))


def share_parent(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around `generate_content(*, model, contents, config)`: where it may loop, its requests share a `parent_id`."""
    config = kwargs.get("config")
    tools = config.get("tools") if isinstance(config, Mapping) else getattr(config, "tools", None)
    if not tools:
        return wrapped(*args, **kwargs)
    return scoped(wrapped, _Loop)(*args, **kwargs)


_CLIENT: Final = "google.genai._api_client"
_MODELS: Final = "google.genai.models"

INSTRUMENT: Final = Instrument(
    name="google_genai",
    distribution="google-genai",
    package="google.genai",
    hooks=(
        Hook(_CLIENT, "BaseApiClient.request", "call"),
        Hook(_CLIENT, "BaseApiClient.async_request", "coroutine"),
        Hook(_CLIENT, "BaseApiClient.request_streamed", "generator"),
        Hook(_CLIENT, "BaseApiClient.async_request_streamed", "coroutine_generator"),
        Hook(_CLIENT, "BaseApiClient._request_once", around=attempt_once),
        Hook(_CLIENT, "BaseApiClient._async_request_once", around=attempt_once_async),
        *google_interactions.HOOKS,
        google_live.HOOK,
        Hook(_MODELS, "Models.generate_content", around=share_parent),
        Hook(_MODELS, "Models.generate_content_stream", around=share_parent),
        Hook(_MODELS, "AsyncModels.generate_content", around=share_parent),
        Hook(_MODELS, "AsyncModels.generate_content_stream", around=share_parent),
    ),
    dialect=Gemini(ENDPOINTS),
)
