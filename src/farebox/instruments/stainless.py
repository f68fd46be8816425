"""How SDKs with the generated base client are called (openai, anthropic): `request(cast_to, options, *, stream, stream_cls)`. Imports core only.

The signature is the same from openai 1.66 to 3.54 and from anthropic 0.49 to 2.12. `options.url` is the logical path, before the
cloud clients (Azure, Bedrock, Vertex) rewrite it, and `options.json_data` still holds the model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from farebox.core.event import Limits
from farebox.core.guard import attempt
from farebox.instruments import providers
from farebox.instruments.hook import Endpoint, Place, Sent, WireOptions
from farebox.instruments.paths import Paths, names
from farebox.instruments.placing import placed

_RAW_HEADER: Final = "X-Stainless-Raw-Response"
_OPTION: Final = "stream_options"
_STEERING: Final = frozenset(
    {
        "x-amzn-bedrock-service-tier",
        "x-amzn-bedrock-performanceconfig-latency",
        "x-vertex-ai-llm-request-type",
        "x-vertex-ai-llm-shared-request-type",
    }
)
"""Headers that choose a tier: https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html"""

Call = tuple[tuple[Any, ...], dict[str, Any]]


class Stainless:
    """The dialect of one SDK.

    Args:
        endpoints: the billable operations, by the end of their path. A row with a query (`?beta=true`) stands before one without.
        own: the provider that the SDK is made for.
    """

    def __init__(self, endpoints: tuple[Endpoint, ...], *, own: str) -> None:
        self._own = own
        self._paths = Paths(endpoints)
        self._places = providers.Places()

    def route(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Endpoint | None:
        """The endpoint that `options` name: by its exact path, else by the end of a prefixed or absolute one."""
        options = args[1] if len(args) > 1 else kwargs["options"]
        url = options.url
        # The dictionary is read, as a missing attribute of a pydantic model takes 2 µs to be refused.
        if qualifiers := options.__dict__.get("qualifiers"):
            url = url + "?" + "&".join(f"{name}={value}" for name, value in qualifiers.items())
        return self._paths.find(options.method, url)

    def line(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, str]:
        """What `options` say."""
        options = args[1] if len(args) > 1 else kwargs["options"]
        return options.method.upper(), urlsplit(options.url).path

    def names(self, endpoint: Endpoint, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
        """The ids in the path of `options`."""
        return names(endpoint, (args[1] if len(args) > 1 else kwargs["options"]).url)

    def sent(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sent:
        """What `options` say; `extra_json` (the user's `extra_body`) wins over the body, as it does in the SDK."""
        options = args[1] if len(args) > 1 else kwargs["options"]
        body = options.json_data
        extra = options.extra_json
        if body is None and isinstance(content := options.__dict__.get("content"), bytes):
            # What cannot be read is sent all the same: a body that is not known is no reason to meter nothing.
            body = attempt(msgspec.json.decode, content, on_error=lambda _fault: None)
        if extra and isinstance(extra, Mapping) and (body is None or isinstance(body, Mapping)):
            body = {**(body or {}), **extra}
        model = body.get("model") if type(body) is dict or isinstance(body, Mapping) else None
        retries = options.max_retries
        if type(retries) is not int:
            retries = client.max_retries
        headers = options.headers
        return Sent(
            body,
            model if isinstance(model, str) else None,
            bool(kwargs.get("stream")),
            _raw(headers) if headers and isinstance(headers, Mapping) else "",
            retries + 1 if type(retries) is int else 1,
            _size(options.files) if options.files else 0,
            adjusts=isinstance(options.json_data, Mapping),
            # A client's own middleware (anthropic 0.125 on) may send the request again, with another model.
            counts_attempts=not getattr(client, "_middleware", None),
            steering=_steering(headers) or _steering(getattr(client, "_custom_headers", None)),
        )

    def place(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: WireOptions) -> Place:
        """Where the client's base URL points, remembered per client until that changes; an absolute path overrides it."""
        url = (args[1] if len(args) > 1 else kwargs["options"]).url
        if url.startswith(("http://", "https://")):
            return providers.place(client, urlsplit(url).hostname, own=self._own, options=options)
        # `base_url` is a property over this, in openai 3 one of 2 µs.
        base = vars(client).get("_base_url") or client.base_url
        return self._places.of(client, base, own=self._own, options=options)

    def asking(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | None:
        """The call with `stream_options.include_usage`, in copies; None where the user has said anything about it."""
        options = args[1] if len(args) > 1 else kwargs["options"]
        body, extra = options.json_data, options.extra_json
        if not isinstance(body, Mapping):
            return None
        home = "extra_json" if isinstance(extra, Mapping) and _OPTION in extra else "json_data"
        said = (extra if home == "extra_json" else body).get(_OPTION, {})
        if not isinstance(said, Mapping) or "include_usage" in said:
            return None
        copied = _copy(options)
        source = extra if home == "extra_json" else body
        setattr(copied, home, {**source, _OPTION: {**said, "include_usage": True}})
        return _with_options(args, kwargs, copied)

    def limited(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], limits: Limits) -> Call:  # noqa: ARG002 - the dialects' signature
        """The call with fewer retries, and a lower cap where the SDK will read it: `extra_json` wins over the body."""
        options = args[1] if len(args) > 1 else kwargs["options"]
        copied = _copy(options)
        if limits.attempts is not None:
            copied.max_retries = limits.attempts - 1
        if limits.output is not None:
            extra = options.extra_json
            home = "extra_json" if isinstance(extra, Mapping) and limits.place[0] in extra else "json_data"
            setattr(copied, home, placed(getattr(options, home), limits.place, limits.output))
        return _with_options(args, kwargs, copied)

    def caught(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], keep: Callable[[Any], None]) -> Call | None:
        """The call with a `post_parser` that hands the billed answer to `keep` first: `.parse()` may raise and lose it."""
        options = args[1] if len(args) > 1 else kwargs["options"]
        parser = options.post_parser
        if not callable(parser):
            return None

        def keeping(answer: Any) -> Any:
            keep(answer)
            return parser(answer)

        copied = _copy(options)
        copied.post_parser = keeping
        return _with_options(args, kwargs, copied)


def _size(files: Any) -> int:
    """Bytes of files to be sent: `(name, (filename, content, ...))` or a mapping; what says no size counts nothing."""
    listed = list(files.items()) if isinstance(files, Mapping) else files
    return sum(_length(content) for _name, content in listed) if isinstance(listed, list | tuple) else 0


def _length(content: Any) -> int:
    if isinstance(content, tuple):
        content = content[1]
    if isinstance(content, bytes):
        return len(content)
    if isinstance(content, os.PathLike):
        return attempt(os.path.getsize, content, on_error=lambda _error: 0)
    return attempt(lambda: os.fstat(content.fileno()).st_size, on_error=lambda _error: 0)


def _steering(headers: Any) -> str | None:
    """The first header that decides what is billed."""
    if not headers or not isinstance(headers, Mapping):
        return None
    return next((name for name in headers if isinstance(name, str) and name.lower() in _STEERING), None)


def _raw(headers: Mapping[str, Any]) -> Literal["", "raw", "bytes"]:
    """The SDK's header: openai says "true" for a response that was read and "stream" for one that is not; anthropic "true" (0.x) or "raw"."""
    value = headers.get(_RAW_HEADER)
    if not value:
        return ""
    return "bytes" if value == "stream" else "raw"


def _copy(options: Any) -> Any:
    """A shallow copy. Under pydantic 1 `copy.copy` would share the fields with the original."""
    return options.model_copy() if hasattr(options, "model_copy") else options.copy()


def _with_options(args: tuple[Any, ...], kwargs: Mapping[str, Any], options: Any) -> Call:
    if len(args) > 1:
        return (args[0], options, *args[2:]), dict(kwargs)
    return args, {**kwargs, "options": options}
