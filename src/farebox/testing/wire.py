"""The values that pass between the loopback server and the wire formats. Imports testing.tokens only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from farebox.testing import tokens

Json: TypeAlias = dict[str, Any]

OutputTokens: TypeAlias = int | Literal["max"] | None
"""How long answers are: a number of tokens, "max" for all that the request allows, or None for up to 40."""

DEFAULT_OUTPUT = 40
UNCAPPED_OUTPUT = 1024
"""What "max" means where the request sets no cap."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request that arrived.

    Attributes:
        method: "GET", "POST", ...
        path: without the query.
        query: as sent, without the question mark.
        headers: by lower-case name.
        body: the parsed JSON; None when there was none.
        at_ns: when it arrived, nanoseconds UTC.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any
    at_ns: int


@dataclass(frozen=True, slots=True)
class Billed:
    """One answer that a real provider would have put on the bill.

    Attributes:
        provider: whose wire format it was: "openai", "anthropic" or "google".
        model: as the request named it.
        api: the interface, in the words of `farebox.price(api=...)`.
        usage: the provider's usage object.
        batch: whether it was billed at batch rates.
        at_ns: when, nanoseconds UTC.
        stated: whether the usage was sent to the client; False for a stream that was cut or that nobody asked to state it.
    """

    provider: str
    model: str
    api: str
    usage: Json
    batch: bool
    at_ns: int
    stated: bool = True


@dataclass(frozen=True, slots=True)
class Habits:
    """How the provider answers.

    Attributes:
        output_tokens: see `OutputTokens`.
        reasoning_tokens: how many of an answer's tokens are hidden reasoning (never its last token).
        text: a fixed answer instead of the story.
        seen: remembers prompts, for the prompt cache; True when the prefix was known before.
    """

    output_tokens: OutputTokens = None
    reasoning_tokens: int = 0
    text: str | None = None
    seen: Callable[[str, str], bool] = field(default=lambda _model, _prefix: False)

    def speech(self, cap: int | None) -> Speech:
        """The answer to a request with this cap on its tokens."""
        if self.text is None:
            length = self._length(cap)
            hidden = min(self.reasoning_tokens, max(length - 1, 0))
            ended = "length" if cap is not None and length >= cap else "stop"
            return Speech(tokens.prose(length - hidden), hidden, ended)
        parts = tokens.pieces(self.text)
        if cap is None or len(parts) + self.reasoning_tokens <= cap:
            return Speech(parts, self.reasoning_tokens, "stop")
        hidden = min(self.reasoning_tokens, cap)
        return Speech(parts[: cap - hidden], hidden, "length")

    def _length(self, cap: int | None) -> int:
        if self.output_tokens == "max":
            return UNCAPPED_OUTPUT if cap is None else cap
        wanted = (DEFAULT_OUTPUT if self.output_tokens is None else self.output_tokens) + self.reasoning_tokens
        return wanted if cap is None else min(cap, wanted)


class Speech(NamedTuple):
    """What one answer says.

    Attributes:
        parts: its visible tokens.
        hidden: how many tokens of reasoning come before them.
        finish: why it ends, "stop" or "length".
    """

    parts: list[str]
    hidden: int
    finish: str

    @property
    def length(self) -> int:
        """Tokens, hidden ones included."""
        return len(self.parts) + self.hidden

    @property
    def text(self) -> str:
        """The visible text."""
        return "".join(self.parts)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a stream.

    Attributes:
        data: bytes to send.
        produced: tokens that have been generated when it is sent.
        states_usage: whether the client knows the whole usage after it.
    """

    data: bytes
    produced: int = 0
    states_usage: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back, and what to bill for it.

    Attributes:
        body: of an answer in one piece.
        chunks: of a streamed one.
        usage: usage object after so many generated tokens; None when the endpoint is free.
        length: generated tokens of the whole answer.
    """

    model: str
    api: str
    body: Json | None = None
    chunks: Iterable[Chunk] | None = None
    usage: Callable[[int], Json] | None = None
    length: int = 0


@dataclass(frozen=True, slots=True)
class BadRequestError(Exception):
    """The request cannot be answered; becomes the provider's own error object."""

    message: str
    status: int = 400


def required(body: Any, name: str) -> Any:
    """A member that the request must have.

    Raises:
        BadRequestError: it has not.
    """
    if not isinstance(body, dict) or body.get(name) is None:
        raise BadRequestError(f"Missing required parameter: '{name}'.")
    return body[name]


def server_sent(data: Json | str, *, event: str | None = None) -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {text}\n\n".encode()


def grouped(parts: list[str], size: int) -> Iterator[tuple[str, int]]:
    """Tokens in groups, each with the number of tokens up to its end."""
    for start in range(0, len(parts), size):
        end = min(start + size, len(parts))
        yield "".join(parts[start:end]), end
