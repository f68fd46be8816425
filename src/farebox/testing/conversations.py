"""What a conversation on a websocket needs of the server that holds it. Imports testing only."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

from farebox.testing.wire import Habits, Json

BYTES_A_SECOND: Final = 48_000
"""Of sound: 16 bits, mono, 24 kHz."""


class Peer(Protocol):
    """The client at the other end.

    Attributes:
        habits: how the provider answers.
        path: that was connected to.
        query: behind it.
        busy: whether an answer was begun and is held.
    """

    habits: Habits
    path: str
    query: str

    @property
    def busy(self) -> bool:
        """Whether an answer is held."""
        ...

    def messages(self) -> Iterator[Json]:
        """What the client sends, until it leaves."""
        ...

    def send(self, message: Json) -> None:
        """Say something at once."""
        ...

    def begin(self, event: Json, rest: Iterable[Json]) -> None:
        """Begin an answer, and say the rest of it as soon as answers are not held."""
        ...

    def go_on(self, events: Iterable[Json]) -> None:
        """Say the rest of an answer, as soon as answers are not held."""
        ...

    def drop(self) -> None:
        """Forget the answers that are held."""
        ...

    def bill(self, model: str, api: str, usage: Json, *, stated: bool = True) -> None:
        """Put something on the bill."""
        ...


def seconds(sound: Any) -> float:
    """Length of sound in base64."""
    return len(base64.b64decode(sound or "")) / BYTES_A_SECOND
