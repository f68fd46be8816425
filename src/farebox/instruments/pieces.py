"""Collectors: what the pieces of a stream say about its cost. Imports core only.

Each loop over a stream looks at a piece with `probe` and compares the result with `quiet`; only pieces that differ are noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, Final

from farebox.instruments.hook import Answer, Reading
from farebox.instruments.reading import member, plain, read


class UsagePieces:
    """Streams whose pieces are alike, one or more of which carry `usage`; the last one counts (chat completions).

    Args:
        row: how a piece with usage is read.
        asked: hosted tools that the request asked for.
    """

    __slots__ = ("_asked", "_holder", "_holders", "_row")

    probe: Final = attrgetter("usage")
    quiet: Final = None
    said: Final = attrgetter("choices")

    def __init__(self, row: Answer, asked: tuple[str, ...]) -> None:
        self._row = row
        self._asked = asked
        self._holder: Any = None
        self._holders = 0

    def note(self, piece: Any) -> None:
        """Keep the piece if it carries usage."""
        if member(piece, "usage") is not None:
            self._holder = piece
            self._holders += 1

    def reading(self, last: Any, *, ended: bool) -> Reading:
        """What the last usage says; hosts that hide it elsewhere are asked at the end only."""
        if self._holder is not None:
            reading = read(self._holder, self._row, self._asked)
            # A host that states usage once does so at the end; one that sends running totals must say that it has finished.
            reading.whole = _final(self._holder) or (ended and self._holders == 1)
            return reading
        if last is None:
            return Reading(whole=False)
        reading = read(last, self._row, self._asked)
        reading.usage = _hidden(last)
        reading.whole = reading.usage is not None
        return reading


def words(kept: Iterable[Any]) -> str:
    """The text in what `Pieces.said` gave of a stream's pieces: deltas, events' parts, or lists of choices."""
    return "".join(_words(part) for part in kept)


def _words(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, list):
        return "".join(_words(member(choice, "delta") or member(choice, "text")) for choice in part)
    if part is None:
        return ""
    found = [
        member(part, name) for name in ("content", "text", "partial_json", "thinking", "reasoning_content", "refusal")
    ]
    calls = member(part, "tool_calls")
    found += [member(member(call, "function"), "arguments") for call in (calls if isinstance(calls, list) else ())]
    return "".join(text for text in found if isinstance(text, str))


def bare(piece: Any) -> bool:
    """Whether a chat chunk carries usage and nothing else: the chunk that `include_usage` adds."""
    return member(piece, "usage") is not None and not member(piece, "choices")


def _final(piece: Any) -> bool:
    """Whether a chunk's usage is the final one: it has no choices left, or one that is finished. Some hosts send running totals."""
    choices = member(piece, "choices")
    if not isinstance(choices, list) or not choices:
        return True
    return any(member(choice, "finish_reason") is not None for choice in choices)


def _hidden(piece: Any) -> dict[str, Any] | None:
    """Usage in odd places of the last chunk: under `x_groq` (Groq), inside the choice (Moonshot)."""
    usage = plain(member(member(piece, "x_groq"), "usage"))
    choices = member(piece, "choices")
    if usage is None and isinstance(choices, list) and choices:
        usage = plain(member(choices[0], "usage"))
    return usage


class EventPieces:
    """Streams of typed events, some of which carry an answer or its usage.

    Args:
        row: how the holder of usage is read.
        asked: hosted tools that the request asked for.
        quiet: the commonest type of event, which says nothing.
        homes: event type → name of the member that holds usage and the rest; "" when the event itself does.
        ends: event types after which usage is whole.
        merge: lays a later usage over the earlier ones; None: the last one counts.
        kind: name of the member that says an event's type.
    """

    __slots__ = ("_asked", "_ends", "_homes", "_kind", "_merge", "_reading", "_row", "probe", "quiet")

    said: Final = attrgetter("delta")

    def __init__(
        self,
        row: Answer,
        asked: tuple[str, ...],
        *,
        quiet: str,
        homes: Mapping[str, str],
        ends: frozenset[str],
        merge: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] | None,
        kind: str = "type",
    ) -> None:
        self.quiet = quiet
        self.probe = attrgetter(kind)
        self._kind = kind
        self._row = row
        self._asked = asked
        self._homes = homes
        self._ends = ends
        self._merge = merge
        self._reading = Reading(whole=False)

    def note(self, piece: Any) -> None:
        """Read the event if its type may carry usage."""
        kind = member(piece, self._kind)
        home = self._homes.get(kind)
        if home is None:
            return
        holder = member(piece, home) if home else piece
        latest = read(holder, self._row, self._asked)
        before = self._reading
        states = latest.usage is not None and (self._merge is None or before.usage is not None)
        if self._merge is not None and before.usage is not None:
            latest.usage = self._merge(before.usage, latest.usage) if latest.usage is not None else before.usage
        latest.model = latest.model or before.model
        latest.id = latest.id or before.id
        latest.tier = latest.tier or before.tier
        latest.key = latest.key or before.key
        latest.created = latest.created or before.created
        latest.whole = before.whole or (kind in self._ends and states)
        latest.pending = latest.pending and not latest.whole
        self._reading = latest

    def reading(self, last: Any, *, ended: bool) -> Reading:  # noqa: ARG002 - the collectors' common signature
        """What the events said so far; a stream that ends without its last event was cut by a server that closed politely."""
        return self._reading


def events(
    *,
    quiet: str,
    homes: Mapping[str, str],
    ends: frozenset[str],
    merge: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] | None = None,
    kind: str = "type",
) -> Callable[[Answer, tuple[str, ...]], EventPieces]:
    """A row's word for `EventPieces`: the arguments that do not change from stream to stream."""
    return partial(EventPieces, quiet=quiet, homes=homes, ends=ends, merge=merge, kind=kind)


def add(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """The usage of a stream that tells of several things in turn, as of images: the counts of all together."""
    total = dict(earlier)
    for name, value in later.items():
        before = total.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            total[name] = add(before, value)
        elif type(before) is int and type(value) is int:
            total[name] = before + value
        else:
            total[name] = value
    return total
