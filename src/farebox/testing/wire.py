"""The values that pass between the loopback server and the wire formats. Imports testing only."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from farebox.testing import tokens
from farebox.testing.bill import Line
from farebox.testing.store import BadRequestError, Store

Json: TypeAlias = dict[str, Any]

OutputTokens: TypeAlias = int | Literal["max"] | None
"""How long answers are: a number of tokens, "max" for all that the request allows, or None for up to 40."""

DEFAULT_OUTPUT = 40
UNCAPPED_OUTPUT = 1024
"""What "max" means where the request sets no cap."""

_ids: Final = itertools.count(1)


def identifier(prefix: str) -> str:
    """An id of the provider's look, unique in this process."""
    return f"{prefix}{next(_ids):024x}"


@dataclass(frozen=True, slots=True)
class Received:
    """One request that arrived.

    Attributes:
        method: "GET", "POST", ...
        path: without the query.
        query: as sent, without the question mark.
        headers: by lower-case name.
        body: the parsed JSON, or the fields of a form (`farebox.testing.multipart`); None when there was none.
        at_ns: when it arrived, nanoseconds UTC.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any
    at_ns: int


@dataclass(frozen=True, slots=True)
class Habits:
    """How the provider answers.

    Attributes:
        output_tokens: see `OutputTokens`.
        reasoning_tokens: how many of an answer's tokens are hidden reasoning (never its last token).
        text: a fixed answer instead of the story.
        seen: remembers prompts, for the prompt cache; True when the prefix was known before.
        store: what the provider keeps between requests: jobs, files, threads.
        job_polls: how many looks a job takes until it is done.
        job_fails: whether the job that the request starts will fail.
        hosted_calls: calls of each hosted tool that a request offers.
        function_calls: how many answers of a conversation are function calls.
        usage_extra: is laid over the usage object.
    """

    output_tokens: OutputTokens = None
    reasoning_tokens: int = 0
    text: str | None = None
    seen: Callable[[str, str], bool] = field(default=lambda _model, _prefix: False)
    store: Store = field(default_factory=Store)
    job_polls: int = 1
    job_fails: bool = False
    hosted_calls: int = 1
    function_calls: int = 0
    usage_extra: Mapping[str, Any] = field(default_factory=dict)

    def laid(self, usage: Json) -> Json:
        """The usage object with `usage_extra` over it; every endpoint passes its usage through here."""
        return _laid(usage, self.usage_extra)

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
        body: of an answer in one piece: JSON, or a text or bytes of `content_type`.
        chunks: of a streamed one.
        usage: usage object after so many generated tokens; None when the endpoint is free.
        length: generated tokens of the whole answer.
        content_type: of the body.
        states_usage: whether a body states the usage.
        tool_calls: see `farebox.testing.Billed`.
        lines: of the bill, beside `usage`: what a job or the lines of a batch used.
        headers: of an answer in one piece.
    """

    model: str
    api: str
    body: Any = None
    chunks: Iterable[Chunk] | None = None
    usage: Callable[[int], Json] | None = None
    length: int = 0
    content_type: str = "application/json"
    states_usage: bool = True
    tool_calls: Mapping[str, int] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def free(body: Any, *, content_type: str = "application/json") -> Answer:
    """An answer that costs nothing."""
    return Answer("", "", body=body, content_type=content_type)


def _laid(below: Json, over: Mapping[str, Any]) -> Json:
    whole = dict(below)
    for name, value in over.items():
        beneath = whole.get(name)
        whole[name] = _laid(beneath, value) if isinstance(value, Mapping) and isinstance(beneath, dict) else value
    return whole


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
