"""What is done to litellm: its own HTTP paths are metered, and refusals pass through it. Imports core only.

litellm calls OpenAI and Azure through the openai SDK, where they are metered; for nearly everyone else it has two HTTP handlers,
whose `post` every such call passes, also each retry and fallback of its own and of its Router. Contracts held by tests against
litellm 1.110.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from farebox.core import semconv
from farebox.core.errors import BudgetExceeded
from farebox.core.guard import attempt, contained
from farebox.instruments import litellm_rows, providers
from farebox.instruments.hook import Endpoint, Hook, Instrument, Place, Sent, WireOptions

_DEEPEST: Final = 16
"""Errors of a chain that are looked at: litellm and its Router wrap an error up to five times."""


class Handlers:
    """The dialect: `post(url, data=None, json=None, ..., stream=False, logging_obj=None)`; only `url` comes without its name.

    `logging_obj` is litellm's own record of the call; it is looked at for the provider and for what the address does not say.
    """

    def route(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Endpoint | None:
        """The endpoint of the address; of an address that is not known, what litellm says it is calling for."""
        found = litellm_rows.endpoint(_url(args, kwargs))
        if found is None and (record := kwargs.get("logging_obj")) is not None:
            operation = litellm_rows.CALLS.get(getattr(record, "call_type", None) or "")
            found = None if operation is None else litellm_rows.unknown(operation)
        return found

    def line(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, str]:
        """What the arguments say; what is posted without a record of a call is litellm's own, to its logs."""
        return "" if kwargs.get("logging_obj") is None else "POST", urlsplit(_url(args, kwargs)).path

    def names(self, endpoint: Endpoint, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002 - the dialects' signature
        """No row has a part that may be anything."""
        return ()

    def sent(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sent:  # noqa: ARG002 - the dialects' signature
        """What the arguments say; the body comes as JSON text or as a dict, the model in it or in the address."""
        body = next((given for given in _bodies(args, kwargs) if given is not None), None)
        if isinstance(body, str | bytes):
            # What cannot be read is sent all the same: a body that is not known is no reason to meter nothing.
            body = attempt(msgspec.json.decode, body, on_error=lambda _fault: None)
        model = body.get("model") if isinstance(body, Mapping) else None
        if not isinstance(model, str):
            model = litellm_rows.model(_url(args, kwargs)) or _said(kwargs, "model")
        return Sent(body, model, bool(kwargs.get("stream")))

    def place(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: WireOptions) -> Place:
        """Where the address points; of a host that is not known, the provider that litellm names."""
        url = _url(args, kwargs)
        name = _said(kwargs, "custom_llm_provider")
        if name is None:
            row = litellm_rows.endpoint(url)
            own = litellm_rows.OWN.get(row.api if row is not None else "", semconv.OPENAI)
        else:
            own = litellm_rows.PROVIDERS.get(name, name)
        found = providers.place(client, urlsplit(url).hostname, own=own, options=options)
        location = litellm_rows.location(url)
        if location is not None:
            found = msgspec.structs.replace(found, extra={**(found.extra or {}), "location": location})
        return found

    def asking(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The call asking for usage, which litellm keeps to itself where its caller did not ask; None where the caller has spoken."""
        text = kwargs.get("data")
        if not isinstance(text, str) or not text.endswith("}") or '"stream_options"' in text:
            return None
        return args, {**kwargs, "data": f'{text[:-1]}, "stream_options": {{"include_usage": true}}}}'}

    def caught(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], keep: Callable[[Any], None]) -> None:  # noqa: ARG002 - same
        """Answers are parsed above the hook."""
        return


def _url(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """The address without its query, where a key may stand."""
    return str(args[0] if args else kwargs["url"]).partition("?")[0]


def _bodies(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Any]:
    yield from args[1:3]
    for name in ("data", "json", "content"):
        yield kwargs.get(name)


def _said(kwargs: Mapping[str, Any], name: str) -> str | None:
    """What litellm's record of the call says under this name."""
    details = getattr(kwargs.get("logging_obj"), "model_call_details", None)
    value = details.get(name) if isinstance(details, Mapping) else None
    return value if isinstance(value, str) and value else None


def let_refusals_through(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Around functions of litellm that turn an error into one of its own: a budget's refusal goes to the caller as it is.

    Raises:
        BudgetExceeded: it is what the error was made of.
    """
    for given in (*args, *kwargs.values()):
        if isinstance(given, BaseException) and (found := contained("find a refusal", refusal, given)) is not None:
            raise found
    return wrapped(*args, **kwargs)


def refusal(error: BaseException) -> BudgetExceeded | None:
    """The refusal that litellm made this error of, or None.

    Not one that the program was handling when it called litellm: that one is in the chain of every error of this call, too.
    A refusal's own traceback begins where it was caught last, inside litellm or in the program.
    """
    cause: BaseException | None = error
    for _ in range(_DEEPEST):
        if cause is None:
            return None
        if isinstance(cause, BudgetExceeded) and _caught_inside(cause):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _caught_inside(error: BaseException) -> bool:
    trace = error.__traceback__
    module = "" if trace is None else trace.tb_frame.f_globals.get("__name__", "")
    return module.partition(".")[0] == "litellm"


def refusals_are_final(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Around the question whether an error must not be retried: a budget's refusal must not."""
    return True if any(isinstance(given, BudgetExceeded) for given in args) else wrapped(*args, **kwargs)


_HANDLERS: Final = "litellm.llms.custom_httpx.http_handler"
_MAPPING: Final = "litellm.litellm_core_utils.exception_mapping_utils"
_STREAMS: Final = "litellm.litellm_core_utils.streaming_handler"

_NEWER: Final = "newer releases; in others a refusal may reach the program wrapped"

INSTRUMENT: Final = Instrument(
    name="litellm",
    distribution="litellm",
    package="litellm",
    hooks=(
        Hook(_HANDLERS, "HTTPHandler.post", "call"),
        Hook(_HANDLERS, "AsyncHTTPHandler.post", "coroutine"),
        # The first thing that litellm's one mapping of errors asks; the mapping itself is bound under other names by then.
        Hook(_MAPPING, "_is_guardrail_block", around=let_refusals_through, only=_NEWER),
        Hook(_STREAMS, "CustomStreamWrapper._handle_stream_fallback_error", around=let_refusals_through),
        Hook("litellm.utils", "is_resent_failure", around=refusals_are_final, only=_NEWER),
        # A block that was meant: the Router neither retries it nor falls back to another deployment.
        Hook("litellm.router_rust.core", "is_guardrail_intervention", around=refusals_are_final, only=_NEWER),
    ),
    dialect=Handlers(),
)
