"""The port between instruments and the meter: paid calls as instruments see them. Imports core only."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from farebox.core.event import CallRequest, Limits, Told
from farebox.core.usage import Usage


class Turn(Protocol):
    """A call's place in the line of a budget."""

    def block(self) -> None:
        """Wait in this thread until something settles, or the time is up."""
        ...

    async def pause(self) -> None:
        """The same in this task."""
        ...


class Call(Protocol):
    """One paid call in flight, as an instrument sees it."""

    @property
    def waiting(self) -> Turn | None:
        """Its place in line, while no budget can pay for it yet: it may not be sent before `again` says so."""
        ...

    @property
    def limits(self) -> Limits | None:
        """How it is to be sent, now that it may be; None: as it is."""
        ...

    def unsent(self) -> None:
        """End it: it was not sent after all."""
        ...

    def again(self) -> bool:
        """After a turn of waiting: whether it may be sent now.

        Raises:
            BudgetExceeded: it has waited as long as it may.
        """
        ...

    def give_up(self) -> None:
        """Leave the line."""
        ...

    def retrying(self) -> None:
        """Hold the money of one more attempt: the one before may have been billed.

        Raises:
            BudgetExceeded: a budget cannot pay for it; it may not be sent.
        """
        ...

    def first_chunk(self) -> None:
        """Mark the moment when the first piece of a stream arrived. Only the first mark counts."""
        ...

    def settle(
        self,
        usage: Usage | None = None,
        *,
        status: str = "ok",
        error_type: str | None = None,
        model: str | None = None,
        response_id: str | None = None,
        attempts: int = 1,
        billable: bool = True,
        partial: bool = False,
        pieces: int = 0,
        text: str | None = None,
        share: Fraction = Fraction(1),
        unanswered: int = 0,
        rough: bool = False,
        key: str | None = None,
        created: int | None = None,
        group: str | None = None,
        pending: bool = False,
    ) -> None:
        """End the call: price it, settle its reservation, write its event. Only the first time counts; never raises.

        Args:
            usage: what the provider says was used; None when it did not say.
            status: how the call ended (`semconv.STATUS_*`).
            error_type: qualified name of the error that ended it.
            model: the model that answered.
            response_id: the provider's id of the answer.
            attempts: how many times the request was sent.
            billable: False when the provider cannot have billed anything (it answered with an error, or no connection
                ever stood): the cost is then 0. True with `usage=None` means that nobody knows: the cost is estimated.
            partial: `usage` covers only what was seen before the stream was cut; the rest is estimated.
            pieces: chunks of a stream that arrived, for the estimate when usage is missing.
            text: what the pieces said, as far as they were looked at, to be counted and forgotten; None: they were not.
            share: how many times more arrived than `text` holds.
            unanswered: attempts before the last that were sent and never answered: each may have been billed.
            rough: `usage` was inferred from what the answer shows, and is not exact.
            key: the provider's own id of what was billed, where it may be told of again; see `Told`.
            created: when the provider made it, seconds since the epoch; see `Told`.
            group: see `Told`.
            pending: the answer only says that the work was begun; its usage comes later, under `key`.
        """
        ...


class Meter(Protocol):
    """What instruments know of money: nothing but this."""

    def open(self, request: CallRequest) -> Call | None:
        """Open a call: attribute it, estimate it, reserve for it.

        Returns:
            The call, or None when nothing is to be metered here (suppressed).

        Raises:
            BudgetExceeded: a budget cannot pay for it; nothing may be sent.
        """
        ...

    def permit(self, request: CallRequest) -> None:
        """Ask whether budgets can pay for such a call now; nothing is held, and nothing written unless they cannot.

        Raises:
            BudgetExceeded: a budget cannot pay for it; nothing may be sent.
        """
        ...

    @property
    def is_strict(self) -> bool:
        """Whether a strict budget may bind what is called here."""
        ...

    def unknown(self, provider: str, what: str) -> None:
        """Something is about to be sent that may be paid for and has no ceiling, such as a request that no endpoint describes.

        Args:
            provider: whose it is.
            what: why nothing bounds its cost.

        Raises:
            BudgetExceeded: a strict budget binds what is called here, and nothing bounds the cost of such a request.
        """
        ...

    def unopened(self, error: Exception) -> None:
        """A call could not be opened by a fault of ours, and is about to be sent unmetered.

        Raises:
            BudgetExceeded: a strict budget, or `on_gate_error`, does not let it go.
        """
        ...

    def tell(self, told: Told) -> None:
        """Write what an answer says of something that was paid for earlier; once per key, however often it is told."""
        ...
