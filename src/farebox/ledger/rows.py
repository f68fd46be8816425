"""An event as a row of `calls`, and a row as an event. Imports core only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec

from farebox.core import semconv
from farebox.core.event import CallEvent

Row: TypeAlias = list[Any]

COLUMNS: Final = CallEvent.__struct_fields__
"""Columns of `calls`, in the order of a row."""

_RAW: Final = COLUMNS.index("raw_usage")
_JSON: Final = tuple(map(COLUMNS.index, ("units", "raw_usage", "usage_notes", "cost_missing", "tags")))
_LARGEST: Final = 2**62
"""Larger integers than this are no counts; SQLite's own end at 2**63 - 1."""

# Numbers, not strings, for the fractions of seconds: the file is read by other programs.
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_convert: Final = msgspec.convert
_astuple: Final = msgspec.structs.astuple


def row_of(event: CallEvent) -> Row:
    """The event's values in the order of `COLUMNS`, as SQLite takes them."""
    row = list(_astuple(event))
    for at in _JSON:
        value = row[at]
        if value is not None:
            row[at] = _encode(value).decode() if value or at == _RAW else None
    return row


def event_of(row: Iterable[Any]) -> CallEvent:
    """The event that a row of `calls` was made of."""
    values: dict[str, Any] = {name: value for name, value in zip(COLUMNS, row, strict=True) if value is not None}
    for at in _JSON:
        text = values.get(COLUMNS[at])
        if text is not None:
            values[COLUMNS[at]] = msgspec.json.decode(text)
    values["stream"], values["batch"] = bool(values["stream"]), bool(values["batch"])
    return _convert(values, CallEvent)


def within_bounds(event: CallEvent) -> CallEvent:
    """The event without integers that no database holds: what they say is unknown, and so is a cost."""
    changes: dict[str, Any] = {
        name: 0 if name in ("started_at", "attempts") else None
        for name in COLUMNS
        if isinstance(value := getattr(event, name), int) and abs(value) > _LARGEST
    }
    if "cost_nano" in changes:
        changes["cost_status"] = semconv.COST_UNPRICED
    return msgspec.structs.replace(event, **changes)
