"""One metered connection on a websocket: the turns that are open on it, and its end. Imports core and extraction only."""

from __future__ import annotations

import os
import threading
from typing import Any, Final, Protocol

from farebox.core import context, semconv
from farebox.core.event import CallRequest
from farebox.core.guard import contained
from farebox.core.metering import Call, Meter
from farebox.core.usage import Count
from farebox.instruments import outcome
from farebox.instruments.hook import Answer, Place, Reading
from farebox.instruments.observation import usage_of

CLOSED: Final = "ConnectionClosed"
"""The transport's error (and its subclasses') that means the connection is gone; after a timeout or a cancelled wait it is not."""


_CLOSED: Final = outcome.Outcome(semconv.STATUS_ERROR, f"websockets.exceptions.{CLOSED}", billable=False)


class Kind(Protocol):
    """What a turn is billed as."""

    @property
    def operation(self) -> str:
        """OpenTelemetry operation name."""
        ...

    @property
    def api(self) -> str:
        """The interface, as extraction and prices know it."""
        ...

    @property
    def answer(self) -> Answer:
        """Where an answer keeps what prices it."""
        ...

    @property
    def units(self) -> dict[str, Count] | None:
        """What budgets hold for it, where tokens say nothing."""
        ...


class Owner:
    """Whom connections of one kind report to: always the installation that is in force now, which may not be the one of their birth.

    Attributes:
        layer: the newest layer around the function that connects.
    """

    __slots__ = ("layer",)

    def __init__(self) -> None:
        self.layer: Any = None

    def meter(self) -> Meter | None:
        """The meter, or None while nothing is installed."""
        meter: Meter | None = self.layer.meter() if self.layer is not None and self.layer.active else None
        return meter


class Turn:
    """One paid answer, or one paid session, in flight.

    Attributes:
        event_id: the client's id of the message that asked for it.
        lane: which of several conversations on one connection it belongs to.
        id: the provider's id of the answer, once it is known.
        doubted: whether the provider has refused something that may have been this.
        pieces: of text that arrived.
        reading: what was said of it so far.
    """

    __slots__ = ("_api", "_call", "_provider", "doubted", "event_id", "id", "lane", "pieces", "reading")

    def __init__(self, call: Call, request: CallRequest) -> None:
        self._call: Call | None = call
        self._api = request.api
        self._provider = request.provider
        self.event_id: str | None = None
        self.lane: str | None = None
        self.id: str | None = None
        self.doubted = False
        self.pieces = 0
        self.reading = Reading()

    def first_piece(self) -> None:
        """The provider began to answer."""
        if self._call is not None:
            self._call.first_chunk()

    def settle(
        self,
        status: str = semconv.STATUS_OK,
        *,
        error_type: str | None = None,
        billable: bool = True,
        partial: bool = False,
    ) -> None:
        """End it with what was said of it. Only the first time counts."""
        call, self._call = self._call, None
        if call is None:
            return
        reading = self.reading
        usage = contained("extract usage", usage_of, reading, api=self._api, provider=self._provider)
        call.settle(
            usage,
            status=status,
            error_type=error_type,
            model=reading.model,
            response_id=reading.id,
            billable=billable or reading.usage is not None,
            partial=usage is not None and (partial or not reading.whole),
            pieces=self.pieces,
            key=reading.key,
            created=reading.created,
        )


class Conversation:
    """What is metered on one connection: its open turns. The two sides of it may be in two threads.

    Args:
        owner: whom to report to.
        place: who bills, and where it is sent.
        model: the model that it was opened for, as far as that is known.

    Attributes:
        spontaneous: whether the provider may begin a turn by itself, when it hears somebody speak.
    """

    spontaneous = True

    def __init__(self, owner: Owner, place: Place, model: str | None) -> None:
        self.place = place
        self.model = model
        self.ended = False
        self._owner = owner
        self._scope = context.current()
        self._process = os.getpid()
        self._lock = threading.RLock()  # a finaliser may settle in the thread that holds it
        self._turns: list[Turn] = []

    # --- what the connection tells

    def allow(self) -> None:
        """See whether anything may be sent: what the provider begins by itself can be charged, and not refused.

        Raises:
            BudgetExceeded: a strict budget binds what is said here, and nothing would bound it.
        """
        meter = self._owner.meter()
        if meter is None or not self.spontaneous or self.ended:
            return
        before = self._inside()
        try:
            if meter.is_strict:
                meter.unknown(self.place.provider, "in such a session the provider may answer by itself")
        finally:
            if before is not None:
                context.swap(before)

    def sending(self, message: Any) -> Turn | None:
        """The turn that a message is about to begin, or None.

        Raises:
            BudgetExceeded: a budget cannot pay for it; the message must not be sent, and the connection goes on.
        """
        raise NotImplementedError

    def heard(self, message: str | bytes) -> None:
        """A message came."""
        raise NotImplementedError

    def unsent(self, turn: Turn | None, error: BaseException) -> None:
        """Sending raised."""
        if turn is not None:
            # What a closed connection did not take was not sent. It is not looked into: reading its `code` warns.
            ended = _CLOSED if is_closed(error) else outcome.of(error)
            self.finish(turn, ended.status, error_type=ended.error_type, billable=ended.billable)

    def left(self) -> None:
        """The connection was closed, lost, dropped or forgotten: what is open is settled as abandoned."""
        if self._process != os.getpid():
            return  # a copy that a fork made: the parent has the connection, and its end
        with self._lock:
            self.ended = True
            turns, self._turns = self._turns, []
        for turn in turns:
            contained("settle an abandoned turn", self.abandon, turn)

    def abandon(self, turn: Turn) -> None:
        """The connection ended in the middle of this turn."""
        if turn.doubted:
            turn.settle(semconv.STATUS_ERROR, billable=False)
        else:
            turn.settle(semconv.STATUS_ABANDONED, partial=True)

    # --- what the kinds of connections do

    def begin(self, kind: Kind, *, model: str | None = None, body: Any = None, begun: bool = False) -> Turn | None:
        """Open a turn: in the scope of the code that runs now, or in that of the connection where this code has none.

        Args:
            kind: what it is billed as.
            model: asked for, where it is another than the connection's; empty: another that is not known.
            body: what is asked for.
            begun: whether the provider began it by itself.

        Raises:
            BudgetExceeded: a budget cannot pay for it (never for what has begun already).
        """
        meter = self._owner.meter()
        if meter is None or self.ended:
            return None
        before = self._inside()
        try:
            request = self._request(kind, model, body, begun=begun)
            call = meter.open(request)
        finally:
            if before is not None:
                context.swap(before)
        if call is None:
            return None
        turn = Turn(call, request)
        with self._lock:
            self._turns.append(turn)
        return turn

    def permit(self, kind: Kind, body: Any) -> None:
        """Ask whether budgets could pay for a turn now.

        Raises:
            BudgetExceeded: they cannot.
        """
        meter = self._owner.meter()
        if meter is not None:
            meter.permit(self._request(kind, None, body, begun=False))

    def finish(
        self, turn: Turn, status: str = semconv.STATUS_OK, *, error_type: str | None = None, billable: bool = True
    ) -> None:
        """The turn is over."""
        with self._lock:
            if turn in self._turns:
                self._turns.remove(turn)
        turn.settle(status, error_type=error_type, billable=billable)

    def open_turns(self) -> list[Turn]:
        """Those in flight, in the order of their beginning."""
        with self._lock:
            return list(self._turns)

    def _inside(self) -> context.Scope | None:
        """Enter the scope of the connection where the code that runs has none. Returns the scope to go back to, or None."""
        return context.swap(self._scope) if context.current() is context.ROOT else None

    def _request(self, kind: Kind, model: str | None, body: Any, *, begun: bool) -> CallRequest:
        return CallRequest(
            provider=self.place.provider,
            operation=kind.operation,
            api=kind.api,
            model=(self.model if model is None else model) or None,
            body=body,
            server_address=self.place.address,
            stream=True,
            extra=self.place.extra,
            units=kind.units,
            begun=begun,
        )


def is_closed(error: BaseException) -> bool:
    """Whether an error means that the connection is gone."""
    return any(kind.__name__ == CLOSED for kind in type(error).__mro__)
