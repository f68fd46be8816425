"""What is done to the anthropic SDK, 0.49 and later: rows. Imports core and extraction only.

Contracts held by tests against anthropic 0.49.0, 0.125.0, 1.17.0 and 2.12.0. Bedrock, Vertex and Foundry clients pass the same hook.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.extraction.anthropic import merge
from farebox.instruments.hook import Answer, Endpoint, Hook, Instrument, Reading
from farebox.instruments.pieces import events
from farebox.instruments.reading import member, moment, read
from farebox.instruments.retries import before_retry
from farebox.instruments.stainless import Stainless


class Message(msgspec.Struct):
    """What matters of a message; tier, geography, speed and hosted tools stand in its usage."""

    usage: Any = None
    model: Any = None
    id: Any = None


class Batch(msgspec.Struct):
    """What matters of a batch; it states no usage, its results do."""

    id: Any = None
    created_at: Any = None
    data: Any = None


class LineResult(msgspec.Struct):
    """How one request of a batch ended; only one that succeeded is billed."""

    type: Any = None
    message: Message | None = None


class Line(msgspec.Struct):
    """One line of a batch's results."""

    custom_id: Any = None
    result: LineResult | None = None


class Session(msgspec.Struct):
    """What matters of a managed agent's session; its usage grows as long as it lives."""

    usage: Any = None
    id: Any = None
    created_at: Any = None
    agent: Any = None


class Text(msgspec.Struct):
    """What matters of a legacy completion: it states no usage."""

    model: Any = None
    id: Any = None


def batched(answer: Any, reading: Reading) -> None:
    """A batch is billed line by line, when its results are read."""
    if reading.id is not None:
        reading.key = reading.group = reading.id
        reading.created = moment(member(answer, "created_at"))
        reading.pending = True


def told_lines(line: Any, names: tuple[str, ...]) -> Iterator[Reading]:
    """One line of a batch's results."""
    message = member(member(line, "result"), "message")
    if message is None:
        return
    reading = read(message, MESSAGE)
    if reading.usage is None or reading.id is None:
        return
    reading.key, reading.group = reading.id, names[0]
    reading.api = semconv.API_BATCHED + semconv.API_MESSAGES
    yield reading


def running(answer: Any, reading: Reading) -> None:
    """A session's usage is that of its whole life so far."""
    agent = member(answer, "agent")
    model = member(agent, "model")
    reading.model = model if isinstance(model, str) else member(model, "id")
    if reading.id is not None:
        reading.key = reading.id
        reading.created = moment(member(answer, "created_at"))
        reading.pending = reading.usage is None


def told_sessions(answer: Any, _names: tuple[str, ...]) -> Iterator[Reading]:
    """A session that has used something."""
    reading = read(answer, SESSION)
    if reading.usage is not None:
        yield reading


MESSAGE: Final = Answer(Message)
BATCH: Final = Answer(Batch, model=None, identify=batched)
LINE: Final = Answer(Line)
SESSION: Final = Answer(Session, model=None, identify=running)
TEXT: Final = Answer(Text)

MESSAGE_EVENTS: Final = events(
    quiet="content_block_delta",
    homes={"message_start": "message", "message_delta": ""},
    ends=frozenset({"message_delta"}),
    merge=merge,
)

_TEXTS: Final = events(quiet="completion", homes={}, ends=frozenset())
_RESULTS: Final = (semconv.CHAT, semconv.API_MESSAGES, LINE)
_SESSIONS: Final = (semconv.INVOKE_AGENT, semconv.API_SESSIONS, SESSION)

ENDPOINTS: Final = (
    Endpoint("v1/messages?beta=true", semconv.CHAT, semconv.API_BETA_MESSAGES, MESSAGE, MESSAGE_EVENTS),
    Endpoint("v1/messages", semconv.CHAT, semconv.API_MESSAGES, MESSAGE, MESSAGE_EVENTS),
    Endpoint("v1/messages/batches", semconv.BATCH, semconv.API_MESSAGE_BATCHES, BATCH),
    Endpoint("v1/messages/batches/{}/results", *_RESULTS, method="get", told=told_lines, lines=True),
    Endpoint("v1/complete", semconv.TEXT_COMPLETION, semconv.API_COMPLETIONS, TEXT, _TEXTS),
    Endpoint("v1/sessions", *_SESSIONS),
    Endpoint("v1/sessions/{}", *_SESSIONS, method="get", told=told_sessions),
)

RETRIES: Final = (
    ("SyncAPIClient._sleep_for_retry", "newer releases"),
    ("AsyncAPIClient._sleep_for_retry", "newer releases"),
    ("SyncAPIClient._retry_request", "older releases"),
    ("AsyncAPIClient._retry_request", "older releases"),
)
"""What is called before a retry, and in which releases."""

INSTRUMENT: Final = Instrument(
    name="anthropic",
    distribution="anthropic",
    package="anthropic",
    hooks=(
        Hook("anthropic._base_client", "SyncAPIClient.request", "call"),
        Hook("anthropic._base_client", "AsyncAPIClient.request", "coroutine"),
        *(Hook("anthropic._base_client", name, around=before_retry, only=when) for name, when in RETRIES),
    ),
    dialect=Stainless(ENDPOINTS, own=semconv.ANTHROPIC),
)
