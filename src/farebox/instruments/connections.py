"""Stands in front of a connection: what goes through it is told to a conversation. Imports core only.

Every SDK's code meets the transport at `send`, `recv` and `close` of one connection object, whatever stands above: typed events, raw
bytes, queues, lanes. So these three are stood in front of, as attributes of that one object. The object stays what it is.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from farebox.core.guard import attempt, contained
from farebox.instruments.observation import settle_at_exit
from farebox.instruments.sockets import Conversation, Owner, Turn, is_closed


class Wire:
    """Stands in front of `send`, `recv` and `close` of one connection object until the connection ends.

    Args:
        socket: the transport's connection.
        conversation: what learns of its messages.
    """

    __slots__ = ("_conversation", "_socket")

    NAMES: Final = ("send", "recv", "close")

    def __init__(self, socket: Any, conversation: Conversation) -> None:
        self._socket = socket
        self._conversation = conversation
        suffix = "_async" if inspect.iscoroutinefunction(type(socket).send) else ""
        for name in self.NAMES:
            setattr(socket, name, getattr(self, f"_{name}{suffix}"))

    def _send(self, message: Any, *args: Any, **kwargs: Any) -> Any:
        contained("ask a budget", self._conversation.allow)
        turn = contained("open a turn", self._conversation.sending, message)
        try:
            return type(self._socket).send(self._socket, message, *args, **kwargs)
        except BaseException as error:
            self._failed(turn, error)
            raise

    async def _send_async(self, message: Any, *args: Any, **kwargs: Any) -> Any:
        contained("ask a budget", self._conversation.allow)
        turn = contained("open a turn", self._conversation.sending, message)
        try:
            return await type(self._socket).send(self._socket, message, *args, **kwargs)
        except BaseException as error:
            self._failed(turn, error)
            raise

    def _recv(self, *args: Any, **kwargs: Any) -> Any:
        try:
            message = type(self._socket).recv(self._socket, *args, **kwargs)
        except BaseException as error:
            self._lost(error)
            raise
        self._heard(message)
        return message

    async def _recv_async(self, *args: Any, **kwargs: Any) -> Any:
        try:
            message = await type(self._socket).recv(self._socket, *args, **kwargs)
        except BaseException as error:
            self._lost(error)
            raise
        self._heard(message)
        return message

    def _close(self, *args: Any, **kwargs: Any) -> Any:
        self._end()
        return type(self._socket).close(self._socket, *args, **kwargs)

    async def _close_async(self, *args: Any, **kwargs: Any) -> Any:
        self._end()
        return await type(self._socket).close(self._socket, *args, **kwargs)

    def _heard(self, message: Any) -> None:
        if not self._conversation.ended:
            contained("read a message", self._conversation.heard, message)

    def _failed(self, turn: Turn | None, error: BaseException) -> None:
        contained("settle a turn", self._conversation.unsent, turn, error)
        self._lost(error)

    def _lost(self, error: BaseException) -> None:
        if is_closed(error):
            self._end()

    def _end(self) -> None:
        contained("settle a connection", self._conversation.left)
        for name in self.NAMES:
            vars(self._socket).pop(name, None)


def watch(socket: Any, conversation: Conversation, holder: Any) -> None:
    """Meter a connection until it ends, or until nobody holds the SDK's object around it any more."""
    if isinstance(getattr(vars(socket).get("send"), "__self__", None), Wire):
        return
    Wire(socket, conversation)
    settle_at_exit(conversation)
    weakref.finalize(holder, conversation.left).atexit = False


def handshake(socket: Any) -> tuple[str | None, str]:
    """Host name and path with query of the request that opened a connection; (None, "") where it cannot be seen."""
    request: Any = getattr(socket, "request", None)
    path = getattr(request, "path", "")
    host = attempt(lambda: urlsplit(f"//{request.headers['Host']}").hostname, on_error=lambda _error: None)
    return host, path if isinstance(path, str) else ""


def around_connections(connected: Callable[[Owner, Any], None]) -> Callable[[Any], Callable[..., Any]]:
    """`Hook.metering` for a constructor: `connected` learns of each object that it made."""
    owner = Owner()

    def metering(layer: Any) -> Callable[..., Any]:
        owner.layer = layer

        def constructing(
            wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> Any:
            made = wrapped(*args, **kwargs)
            contained("watch a connection", connected, owner, instance)
            return made

        return constructing

    return metering
