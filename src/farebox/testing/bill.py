"""The lines of the bill. Imports the standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Billed:
    """One answer that a real provider would have put on the bill.

    Attributes:
        provider: whose wire format it was: "openai", "anthropic" or "google".
        model: as the request named it.
        api: the interface, in the words of `farebox.price(api=...)`.
        usage: the provider's usage object; where it has none, what its price list counts: `images`, `video_seconds`, `characters`.
        batch: whether it was billed at batch rates.
        at_ns: when, nanoseconds UTC.
        stated: whether the usage was sent to the client; False for a stream that was cut or that nobody asked to state it, for
            an answer without a usage object, and for one that hangs.
        tool_calls: calls of hosted tools that the usage object does not count, by the provider's name.
    """

    provider: str
    model: str
    api: str
    usage: dict[str, Any]
    batch: bool
    at_ns: int
    stated: bool = True
    tool_calls: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """What one thing used, before it is billed; the members are those of `Billed`."""

    model: str
    api: str
    usage: dict[str, Any]
    batch: bool = False
    stated: bool = True
    tool_calls: Mapping[str, int] = field(default_factory=dict)

    def billed(self, provider: str, at_ns: int, *, stated: bool) -> Billed:
        """The line as it stands on the bill."""
        return Billed(
            provider, self.model, self.api, self.usage, self.batch, at_ns, self.stated and stated, self.tool_calls
        )
