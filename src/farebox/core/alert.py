"""What a person should know of: the alert, its kinds, and how a channel says that it could not deliver one. Imports core only."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from farebox.core.errors import FareboxError
from farebox.core.money import Money

THRESHOLD: Final = "threshold"
"""A share of a budget's limit was reached."""
REFUSAL: Final = "refusal"
"""A budget refused a call."""
UNPRICED: Final = "unpriced"
"""A model has no price."""
JOURNAL: Final = "journal"
"""Events were lost, or lines of the journal cannot be read."""
DEAR: Final = "dear_call"
"""A call is expected to cost more than `warn_above`."""
TEST: Final = "test"
"""Sent by hand, to see whether alerts arrive. No filter holds it back."""

KINDS: Final = (THRESHOLD, REFUSAL, UNPRICED, JOURNAL, DEAR)
"""What may be told."""

SEVERITIES: Final = ("info", "warning", "critical")
"""From the least to the most severe."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a person should know of: numbers, names and ids, no content.

    Attributes:
        id: the same each time that a channel tries to deliver it (UUIDv7).
        kind: one of `KINDS`, or "test".
        severity: one of `SEVERITIES`.
        subject: what it is about, in a few words.
        text: what happened, in a sentence.
        at_ns: when, in nanoseconds UTC.
        budget: name of the budget; None where it has none, or none is concerned.
        limit: its limit, in US dollars; a count where `data["unit"]` names one.
        spent: what is spent of it, likewise.
        utilization: the share that is spent; 1.0 is all of it.
        tenant_id: whose call it was.
        data: more facts by name; plain JSON values.
    """

    id: str
    kind: str
    severity: str
    subject: str
    text: str
    at_ns: int
    budget: str | None = None
    limit: Money | None = None
    spent: Money | None = None
    utilization: float | None = None
    tenant_id: str | None = None
    data: dict[str, Any] = {}


class UndeliveredError(FareboxError):
    """A channel could not deliver an alert.

    Attributes:
        retry: whether a later try may help.
        after: seconds that the receiver asked to be left alone, or None.
    """

    def __init__(self, reason: str, *, retry: bool, after: float | None = None) -> None:
        super().__init__(reason)
        self.retry = retry
        self.after = after
