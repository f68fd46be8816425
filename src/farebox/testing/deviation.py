"""How the answer to one request departs from the regular one. Imports testing only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from farebox.testing.store import BadRequestError
from farebox.testing.wire import Answer, Chunk, Json, Received, server_sent

Event: TypeAlias = "Json | str | tuple[str, Json]"
"""One event of a stream: its data, or its name and its data."""

REGULAR: Final = object()
"""The body that says: the regular one."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """What the next request gets instead of its regular answer, or beside it. See `FakeProvider.answer_next`."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    message: str | None = None
    text: str | None = None
    cut_after: int | None = None
    hang: float = 0.0
    job_fails: bool = False
    usage_extra: Mapping[str, Any] = field(default_factory=dict)
    body: Any = REGULAR
    events: Sequence[Event] | None = None
    usage: Json | None = None

    def answer(self, request: Received, regular: Callable[[], Answer]) -> Answer:
        """The regular answer, or what was laid down instead, under the regular one's model and interface.

        Raises:
            BadRequestError: the answer is an error object.
        """
        if self.status != 200:
            raise BadRequestError(self.message or f"The provider was told to answer {self.status}.", self.status)
        if self.body is REGULAR and self.events is None:
            return regular()
        try:
            whose = regular()
        except BadRequestError:  # what no endpoint can answer may be laid down, too
            model = request.body.get("model") if isinstance(request.body, dict) else None
            whose = Answer(model or "", request.path)
        usage = None if self.usage is None else _always(self.usage)
        whose = replace(whose, usage=usage, lines=(), tool_calls={}, body=None, chunks=None)
        if self.events is not None:
            return replace(whose, chunks=_chunks(self.events), length=len(self.events))
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body, ensure_ascii=False)
        return replace(whose, body=body, content_type="application/json")


def _always(usage: Json) -> Callable[[int], Json]:
    return lambda _: usage


def _chunks(events: Sequence[Event]) -> Iterator[Chunk]:
    for produced, event in enumerate(events, 1):
        name, data = event if isinstance(event, tuple) else (_name(event), event)
        yield Chunk(server_sent(data, event=name), produced, states_usage=produced == len(events))


def _name(data: Json | str) -> str | None:
    """Events that carry their type are named by it, as all three providers do."""
    kind = data.get("type") if isinstance(data, dict) else None
    return kind if isinstance(kind, str) else None
