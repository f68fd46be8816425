"""Hears of the retries that SDKs make inside a call: how many, and after what. Imports core only.

An attempt that the client gave up on may have been billed: the provider does not know that nobody waits any more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from farebox.core.guard import contained
from farebox.instruments import outcome, sending


def before_retry(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around what openai and anthropic call before they try again: `_sleep_for_retry`, in older releases `_retry_request`.

    It is told the response that makes the SDK try again; without one it was an error of the transport, which is being handled.
    """
    answered = kwargs.get("response") is not None or kwargs.get("response_headers") is not None
    contained("count a retry", _note, sys.exc_info()[1], answered=answered)
    return wrapped(*args, **kwargs)


def _note(error: BaseException | None, *, answered: bool) -> None:
    call = sending.current()
    if call is not None:
        call.again(unanswered=not answered and outcome.may_have_been_sent(error))


def attempt_once(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around one attempt of google-genai, `_request_once`."""
    call = sending.current()
    if call is None:
        return wrapped(*args, **kwargs)
    _begin(call)
    try:
        answer = wrapped(*args, **kwargs)
    except BaseException as error:
        contained("count an attempt", _failed, call, error)
        raise
    call.doubtful = False
    return answer


async def attempt_once_async(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """`attempt_once` for `_async_request_once`."""
    call = sending.current()
    if call is None:
        return await wrapped(*args, **kwargs)
    _begin(call)
    try:
        answer = await wrapped(*args, **kwargs)
    except BaseException as error:
        contained("count an attempt", _failed, call, error)
        raise
    call.doubtful = False
    return answer


def _begin(call: sending.Sending) -> None:
    if call.begun:
        call.again(unanswered=call.doubtful)
    call.begun, call.doubtful = True, False


def _failed(call: sending.Sending, error: BaseException) -> None:
    call.doubtful = outcome.may_have_been_sent(error)
