"""The one wrapper around every hooked function. Imports core only.

Its flow is one generator that yields steps; a driver takes them, or awaits them. It opens the call, lets the SDK send it, and hands
the answer to its observation. Errors of the SDK never pass through the generator: they are told to it and raised where they arose.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from farebox.core.errors import BudgetExceeded
from farebox.core.event import CallRequest
from farebox.core.guard import attempt, contained, decided
from farebox.core.metering import Call, Meter
from farebox.instruments import sending
from farebox.instruments.fetching import Fetching
from farebox.instruments.hook import Around, Dialect, Endpoint, Hook, Instrument, Sent, Shape, WireOptions
from farebox.instruments.observation import Observation
from farebox.instruments.outcome import attempts
from farebox.instruments.streams import Watcher, attach, attach_bytes, response_of, watch, watch_async

Step: TypeAlias = Callable[[], Any]
Flow: TypeAlias = Generator[Step, Any, Any]


RAISE: Final = object()
"""A flow's result that tells its driver to let the error of the last step go on."""


class Raised:
    """A step's error, on its way into the flow."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


Opened: TypeAlias = tuple[Watcher, Sent, tuple[Any, ...], dict[str, Any]]
"""A call that is open: its observation, what is sent, and the arguments of the SDK's function, with what we may add."""


class Layer:
    """What our wrapper around one function knows: whom it reports to, and whether it is switched on.

    Attributes:
        hook: what it is for.
        holders: installations that want it, the one that it reports to first.
        original: what was wrapped.
        ours: the wrapper in its place.
    """

    __slots__ = ("active", "dialect", "holders", "hook", "meter", "options", "original", "ours", "sdk")

    def __init__(
        self, instrument: Instrument, hook: Hook, meter: Callable[[], Meter | None], options: WireOptions
    ) -> None:
        self.sdk = instrument.name
        self.dialect = hook.dialect or instrument.dialect
        self.hook = hook
        self.meter = meter
        self.options = options
        self.active = False
        self.holders: list[Any] = []
        self.original: Any = None
        self.ours: Any = None

    def replaces(self, original: Any, ours: Any) -> None:
        """Remember what stands where."""
        self.original, self.ours = original, ours

    def wrapper(self) -> Callable[..., Any]:
        """The function that wrapt calls."""
        if self.hook.metering is not None:
            return self._passing(self.hook.metering(self))
        return self._metering() if self.hook.around is None else self._passing(self.hook.around)

    def _metering(self) -> Callable[..., Any]:
        drivers: Mapping[Shape, Callable[[Flow], Any]] = {
            "call": drive,
            "coroutine": drive_async,
            "generator": drive_lazily,
            "coroutine_generator": drive_async,
        }
        driver, dialect, lazy = drivers[self.hook.shape], self.dialect, self.hook.shape == "generator"

        def metered(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            endpoint = (
                contained("route a call", dialect.route, args, kwargs) if self.active and dialect is not None else None
            )
            if endpoint is None or sending.current() is not None:
                if endpoint is None and self.active and dialect is not None:
                    contained("route a call", self.unknown, dialect, args, kwargs)
                return wrapped(*args, **kwargs)
            send = partial(begun, wrapped) if lazy else wrapped
            return driver(flow(self, endpoint, send, instance, args, kwargs))

        return metered

    def unknown(self, dialect: Dialect, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Ask the meter about a request that no endpoint describes, where it is not known to be free.

        Raises:
            BudgetExceeded: a strict budget does not let it go.
        """
        meter = self.meter()
        if meter is None or not meter.is_strict or sending.current() is not None:
            return
        from farebox.instruments.free import FREE, is_free  # many patterns, which only strict budgets need

        method, path = dialect.line(args, kwargs)
        if method == "POST" and not (self.sdk in FREE and is_free(self.sdk, method, path)):
            meter.unknown(self.sdk, f"{method} {path} is not a request that farebox knows")

    def unopened(self, error: Exception) -> None:
        """Opening a call failed: it goes on unmetered, unless the meter says that it must not.

        Raises:
            BudgetExceeded: it must not.
        """
        meter = self.meter()
        if meter is not None:
            meter.unopened(error)

    def _passing(self, around: Around) -> Callable[..., Any]:
        def passed(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return around(wrapped, instance, args, kwargs) if self.active else wrapped(*args, **kwargs)

        return passed


def flow(  # noqa: PLR0917 - wrapt's four, and what was found out on the way
    layer: Layer,
    endpoint: Endpoint,
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Flow:
    """One call from open to answer.

    Raises:
        BudgetExceeded: before the first step: nothing is sent.
    """
    opened: Opened | None = decided("open a call", layer.unopened, open_call, layer, endpoint, instance, args, kwargs)
    call = None if opened is None else opened[0].call
    while call is not None and call.waiting is not None:
        turn = yield call.waiting.pause if layer.hook.shape.startswith("coroutine") else call.waiting.block
        if type(turn) is Raised:
            call.give_up()
            return RAISE
        call.again()
    if opened is not None and call is not None and call.limits is not None:
        args, kwargs = attempt(limited, layer, instance, opened, on_error=partial(unlimited, call))
        opened = (*opened[:2], args, kwargs)
    now = sending.Sending(explains=opened is not None, call=call)
    sending.inside.set(now)
    try:
        if opened is not None:
            seen, sent, args, kwargs = opened
        answer = yield partial(wrapped, *args, **kwargs)
    finally:
        # Not `reset`: a coroutine may be closed from another context, where a token raises.
        now.going_on = False
        sending.inside.set(None)
    if opened is None:
        return RAISE if type(answer) is Raised else answer
    seen.sending = now
    if type(answer) is Raised:
        seen.failed(answer.error)
        return RAISE
    stream = answer
    if sent.stream and sent.raw == "raw":
        # The SDK keeps the stream it parses here and gives the same one to the caller.
        stream = yield answer.parse
    watched = contained("read an answer", observe, stream, seen, sent)
    if watched is None:
        seen.unread()
    return answer if watched is None or watched is stream else watched


def open_call(
    layer: Layer, endpoint: Endpoint, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Opened | None:
    """Open the call at the meter; None when nothing is to be metered.

    Raises:
        BudgetExceeded: a budget cannot pay for it.
    """
    meter, dialect = layer.meter(), layer.dialect
    if meter is None or dialect is None:
        return None
    sent = dialect.sent(instance, args, kwargs)
    while endpoint.accepts is not None and not endpoint.accepts(sent.body):
        if endpoint.otherwise is None:
            layer.unknown(dialect, args, kwargs)
            return None
        endpoint = endpoint.otherwise
    place = dialect.place(instance, args, kwargs, layer.options)
    if endpoint.told is not None:
        return Fetching(endpoint, dialect.names(endpoint, args, kwargs), place, meter.tell), sent, args, kwargs
    asks = endpoint.asks_usage and sent.stream and sent.raw != "bytes"
    asks = asks and layer.options.include_usage and place.takes_usage_option
    seen = Observation(endpoint, sent.body)
    if asks and (asking := dialect.asking(args, kwargs)):
        args, kwargs = asking
        seen.hides = True
    if not sent.raw and (caught := dialect.caught(args, kwargs, seen.keep)):
        args, kwargs = caught
    request = CallRequest(
        provider=place.provider,
        operation=endpoint.operation,
        api=endpoint.api,
        model=sent.model or endpoint.default,
        body=sent.body,
        server_address=place.address,
        stream=sent.stream,
        attempts_allowed=sent.attempts,
        extra=place.extra if sent.steering is None else {**(place.extra or {}), "header": sent.steering},
        waits=True,
        adjusts=sent.adjusts,
        counts_attempts=sent.counts_attempts,
        units=None if endpoint.derive is None else contained("read a request", endpoint.derive, sent.body, sent.files),
    )
    call: Call | None = meter.open(request)
    if call is None:
        return None
    sent.body = None
    seen.watches(call, request)
    return seen, sent, args, kwargs


def limited(layer: Layer, instance: Any, opened: Opened) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments within the limits of the call. Only requests of dialects that adjust are given limits."""
    seen, _, args, kwargs = opened
    changed: tuple[tuple[Any, ...], dict[str, Any]] = layer.dialect.limited(instance, args, kwargs, seen.call.limits)  # type: ignore[union-attr] # see above
    return changed


def unlimited(call: Call, error: Exception) -> Any:
    """A call could not be kept within its limits, so it is not sent.

    Raises:
        BudgetExceeded: always.
    """
    call.unsent()
    raise BudgetExceeded(
        f"the request could not be kept within what a strict budget holds for it ({error}); nothing was sent"
    ) from error


def observe(answer: Any, seen: Watcher, sent: Sent) -> Any:
    """Settle the call from its answer, or watch the stream that it is.

    Returns:
        The answer, or what the caller gets in its place.
    """
    if sent.stream or sent.raw == "bytes":
        return watch_stream(answer, seen)
    if sent.raw == "body":
        seen.text(answer.body, answer.headers)
    elif seen.says_nothing:
        seen.opaque()
    elif hasattr(answer, "usage") or type(answer) is dict:
        seen.answer(answer)
    elif type(answer) is str:
        seen.words(answer)
    else:
        observe_response(answer, seen)
    return answer


def observe_response(answer: Any, seen: Watcher) -> None:
    """Settle the call from an answer that is a transport's response, or a model without usage."""
    response = getattr(answer, "http_response", None) or getattr(answer, "response", answer)
    content = getattr(response, "content", None)
    if not isinstance(content, bytes):
        seen.answer(answer)
        return
    seen.attempts = _attempts(response)
    if "json" not in str(response.headers.get("content-type", "json")) and not seen.lines:
        seen.words(content.decode("utf-8", "replace"))
    else:
        seen.text(content, response.headers)


def watch_stream(stream: Any, seen: Watcher) -> Any:
    """Watch a stream in whatever form it comes; a bare generator is replaced by one of the same kind."""
    seen.begin()
    if isinstance(stream, Generator):
        return watch(stream, seen)
    if isinstance(stream, AsyncGenerator):
        return watch_async(stream, seen)
    if hasattr(stream, "_iterator"):
        seen.attempts = _attempts(response_of(stream))
        attach(stream, seen)
    else:
        response = getattr(stream, "http_response", stream)
        seen.attempts = _attempts(response)
        attach_bytes(response, seen)
    return stream


def _attempts(response: Any) -> int:
    # A transport's response that was never given its request raises when asked for it.
    return attempt(lambda: attempts(response.request), on_error=lambda _error: 1)


def _advance(flow: Flow, answer: Any) -> tuple[Any, bool]:
    """The flow's next step and False, or its result and True."""
    try:
        return flow.send(answer), False
    except StopIteration as end:
        return end.value, True


def drive(flow: Flow) -> Any:
    """Take a flow's steps one after the other."""
    step, done = next(flow), False
    while not done:
        try:
            answer = step()
        except BaseException as error:
            step, done = _advance(flow, Raised(error))
            if step is RAISE:
                raise
        else:
            step, done = _advance(flow, answer)
    return step


async def drive_async(flow: Flow) -> Any:
    """Await a flow's steps; one that gives its answer at once is not awaited."""
    step, done = _advance(flow, None)
    while not done:
        try:
            answer = step()
            if hasattr(answer, "__await__"):
                answer = await answer
        except BaseException as error:
            step, done = _advance(flow, Raised(error))
            if step is RAISE:
                raise
        else:
            step, done = _advance(flow, answer)
    return step


def begun(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
    """The generator that a function makes, begun: only then its request is sent, and that belongs to the sending of the call."""
    generator: Generator[Any, Any, Any] = function(*args, **kwargs)
    for first in generator:
        return _begun(first, generator)
    return generator


def _begun(first: Any, generator: Any) -> Generator[Any, Any, Any]:
    yield first
    return (yield from generator)


def drive_lazily(flow: Flow) -> Generator[Any, Any, Any]:
    """Nothing happens before the first item is asked for, as with the generator function that is wrapped."""
    return (yield from drive(flow))
