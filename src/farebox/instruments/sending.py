"""The metered call that is being sent in this context, and what is learned of it meanwhile. Imports core only."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from farebox.core.metering import Call


class Sending:
    """One call while it is being sent.

    Attributes:
        going_on: whether it still is. A value that ends with the call, because a task that is born inside inherits the context and
            may outlive the call.
        attempts: how often the request was sent so far.
        unanswered: attempts that were sent and got no answer, so that the SDK sent the request again: each may have been billed.
        begun: whether an attempt began, where attempts are seen one by one.
        doubtful: whether the last attempt may have been sent and got no answer.
        call: who holds its money; None where it is not metered.
        explains: whether something reads the answer: an event, or what was billed earlier. Not where opening the call failed.
    """

    __slots__ = ("attempts", "begun", "call", "doubtful", "explains", "going_on", "unanswered")

    def __init__(self, *, explains: bool, call: Call | None = None) -> None:
        self.call = call
        self.explains = explains
        self.going_on = True
        self.attempts = 1
        self.unanswered = 0
        self.begun = False
        self.doubtful = False

    def again(self, *, unanswered: bool) -> None:
        """The SDK is about to send the request once more.

        Raises:
            BudgetExceeded: the attempt before may have been billed, and a budget cannot pay for one more.
        """
        self.unanswered += unanswered
        if unanswered and self.call is not None:
            self.call.retrying()
        self.attempts += 1


inside: Final[ContextVar[Sending | None]] = ContextVar("farebox_inside_call", default=None)
"""What a function calls in turn while its call is being sent is part of that call."""


told: Final[ContextVar[bool]] = ContextVar("farebox_told_of_request", default=False)
"""Whether audits were told of the request that is sent in this context, so that its transport need not."""


def current() -> Sending | None:
    """The call that is being sent here, or None."""
    sending = inside.get()
    return sending if sending is not None and sending.going_on else None
