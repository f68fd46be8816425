"""What is done to the anthropic SDK, 0.49 and later: rows. Imports core and extraction only.

Contracts held by tests against anthropic 0.49.0, 0.125.0, 1.17.0 and 2.12.0. Bedrock, Vertex and Foundry clients pass the same hook.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.extraction.anthropic import merge
from farebox.instruments.hook import Answer, Endpoint, Hook, Instrument
from farebox.instruments.pieces import events
from farebox.instruments.stainless import Stainless


class Message(msgspec.Struct):
    """What matters of a message; tier, geography, speed and hosted tools stand in its usage."""

    usage: Any = None
    model: Any = None
    id: Any = None


MESSAGE: Final = Answer(Message)

MESSAGE_EVENTS: Final = events(
    quiet="content_block_delta",
    homes={"message_start": "message", "message_delta": ""},
    ends=frozenset({"message_delta"}),
    merge=merge,
)

ENDPOINTS: Final = (
    Endpoint("v1/messages?beta=true", semconv.CHAT, semconv.API_BETA_MESSAGES, MESSAGE, MESSAGE_EVENTS),
    Endpoint("v1/messages", semconv.CHAT, semconv.API_MESSAGES, MESSAGE, MESSAGE_EVENTS),
)

INSTRUMENT: Final = Instrument(
    name="anthropic",
    distribution="anthropic",
    package="anthropic",
    hooks=(
        Hook("anthropic._base_client", "SyncAPIClient.request", "call"),
        Hook("anthropic._base_client", "AsyncAPIClient.request", "coroutine"),
    ),
    dialect=Stainless(ENDPOINTS, own=semconv.ANTHROPIC),
)
