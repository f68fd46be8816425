"""How a call ended, told from the error that ended it. Imports core only.

Errors are told by their attributes and names: no SDK and no transport is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from farebox.core import semconv

UNSENT: Final = frozenset(
    {
        "BudgetExceeded",  # ours, in place of a retry
        "ConnectError",  # httpx, httpx2
        "ConnectTimeout",  # httpx, httpx2, requests
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
        "InvalidURL",
        "LocalProtocolError",
        "ClientConnectorError",  # aiohttp
        "ClientConnectorDNSError",
        "ClientConnectorCertificateError",
        "ClientProxyConnectionError",
        "NewConnectionError",  # urllib3
        "ConnectTimeoutError",
        "NameResolutionError",
        "ConnectionRefusedError",
        "gaierror",
    }
)
"""Names of transport errors that mean no connection ever stood, so nothing can have been billed."""

BUILDING: Final = frozenset(
    {
        "_build_request",
        "_prepare_options",
        "_copy_and_prepare",
        "_prepare_request",
        "_validate_headers",
        "_validate_max_retries",
        "_prepare_url",
        "_refresh_api_key",
        "_access_token",
        "_async_access_token",
    }
)
"""Functions of the SDKs that run before anything is sent: an error that came up through one of them was not billed."""


class Outcome(msgspec.Struct, frozen=True):
    """How a call ended.

    Attributes:
        status: one of `semconv.STATUS_*`.
        error_type: the error's class, "module.Name".
        billable: False when the provider cannot have billed anything.
        attempts: how often the SDK sent the request.
        answer: an answer that the error carries, whole and billed; None when it carries none.
    """

    status: str
    error_type: str | None = None
    billable: bool = True
    attempts: int = 1
    answer: Any = None


def of(error: BaseException, *, streaming: bool = False, pieces: int = 0) -> Outcome:
    """The outcome of a call that raised.

    Args:
        error: what it raised.
        streaming: whether it came out of a stream, whose HTTP status was 200 already.
        pieces: pieces of the stream that had arrived before: what came was billed, whatever the error says.
    """
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if not isinstance(error, Exception):  # cancelled, interrupted, closed: it may well have been sent
        return Outcome(semconv.STATUS_CANCELLED, name)
    answer = _carried(error)
    billable = bool(pieces) or answer is not None or not (_refused(error, streaming) or _unsent(error))
    return Outcome(semconv.STATUS_ERROR, name, billable, attempts(_request(error)), answer)


def may_have_been_sent(error: BaseException | None) -> bool:
    """Whether the provider may have billed an attempt that ended in this error, and not answered it with one of its own."""
    return isinstance(error, Exception) and not (_refused(error, streaming=False) or _unsent(error))


def _carried(error: Exception) -> Any:
    """`LengthFinishReasonError` and its like carry the completion; a response that fails validation, its body."""
    completion = getattr(error, "completion", None)
    if completion is not None:
        return completion
    status = getattr(error, "status_code", None)
    body = getattr(error, "body", None)
    return body if status == 200 and isinstance(body, dict) and "usage" in body else None


def _refused(error: Exception, streaming: bool) -> bool:
    """Whether the provider answered with an error: `status_code` (openai, anthropic) or a whole `code` (google-genai).

    An error that came inside a stream has no status, or 200; it has the body that told it. Outside a stream such a body is an
    answer that could not be parsed. litellm's own timeout says 408, and no provider did.
    """
    if any(kind.__name__ == "APITimeoutError" for kind in type(error).__mro__):
        return False
    for name in ("status_code", "code"):
        status = getattr(error, name, None)
        if type(status) is int and status >= 400:
            return True
    return streaming and getattr(error, "body", None) is not None


def _unsent(error: Exception) -> bool:
    if any(type(cause).__name__ in UNSENT for cause in _causes(error)):
        return True
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name in BUILDING:
            return True
        trace = trace.tb_next
    return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, at most eight deep."""
    cause: BaseException | None = error
    for _ in range(8):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__


def attempts(request: Any) -> int:
    """How often a request was sent: the SDKs number their attempts in a header. 1 when it does not say."""
    headers = getattr(request, "headers", None)
    if headers is None or not hasattr(headers, "get"):
        return 1
    count = headers.get("x-stainless-retry-count")
    return int(count) + 1 if isinstance(count, str) and count.isdigit() else 1


def _request(error: Exception) -> Any:
    # `vars`, as the property of a transport's own error raises when it was never given a request.
    return vars(error).get("request") or getattr(vars(error).get("response"), "request", None)
