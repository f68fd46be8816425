"""A price book of one model, a journal that keeps what it is given, and a request: what the tests of the meter share."""

from __future__ import annotations

from farebox.core.event import CallEvent, CallRequest
from farebox.core.usage import Usage


class Flat:
    """Model m: 1 nano-dollar an input token, 2 an output token; nothing else has a price."""

    version = "book-1"
    broken = False

    def quote(self, usage: Usage, *, provider: str, model: str, api: str, at_ns: int, extra: object):
        if self.broken:
            raise ArithmeticError("broken book")
        if model != "m":
            return None, "unpriced", (f"model {model}",)
        prompt, _, _, out = usage.totals()
        return prompt + 2 * out, "priced", ()

    def unit_rates(self, provider: str, model: str, at_ns: int):
        return {"input": 1000, "output": 2000} if model == "m" else None


class Kept:
    """A journal that keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []
        self.in_flight: dict[int, CallEvent] = {}
        self.renamed: list[tuple[int, str, str]] = []

    def append(self, event: CallEvent) -> None:
        self.events.append(event)

    def occupy(self, event: CallEvent) -> int:
        self.in_flight[len(self.in_flight)] = event
        return len(self.in_flight) - 1

    def rename(self, slot: int, before: str, after: str) -> None:
        self.renamed.append((slot, before, after))

    def vacate(self, slot: int) -> None:
        self.in_flight.pop(slot, None)


def request(model: str = "m", **changes: object) -> CallRequest:
    body = {"messages": [{"role": "user", "content": "x" * 77}], "max_tokens": 100}
    return CallRequest("openai", "chat", "chat.completions", model, body, "api.example", **changes)
