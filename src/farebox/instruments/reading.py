"""From an SDK's answer, or its JSON text, to what prices the call. Imports core and msgspec only.

Usage is read first and each later step stands alone: a null, a string or a missing member elsewhere never costs the usage.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from farebox.core.guard import attempt, contained
from farebox.instruments.hook import Answer, Reading


def member(holder: Any, name: str) -> Any:
    """A member of a model, a decoded struct or a dict; None when it has none of that name."""
    if type(holder) is dict:
        return holder.get(name)
    return getattr(holder, name, None)


def plain(value: Any) -> dict[str, Any] | None:
    """A usage object as the provider sent it: the members that were set, unknown ones too, by their wire names.

    None for what is no object.
    """
    kind = type(value)
    if value is None or kind is dict:
        return value  # type: ignore[no-any-return]
    dump = _dumpers.get(kind)
    if dump is not None:
        return dump(value, exclude_unset=True, by_alias=True, warnings=False)  # type: ignore[no-any-return]
    if hasattr(kind, "__fields_set__") and not hasattr(kind, "__pydantic_serializer__"):  # pydantic 1
        return value.dict(exclude_unset=True, by_alias=True)  # type: ignore[no-any-return]
    return _first(value, kind) if hasattr(kind, "__pydantic_serializer__") else None


_dumpers: Final[dict[type, Callable[..., Any]]] = {}
"""Model → what dumps it, once it is known: `model_dump` around it takes 1 µs more."""


def _first(value: Any, kind: Any) -> dict[str, Any] | None:
    """Dump a model of a kind that was not met before; its serialiser may have to be built, and is remembered then."""
    found = value.model_dump(exclude_unset=True, by_alias=True, warnings=False)
    if type(found) is not dict:
        return None
    serializer = kind.__pydantic_serializer__
    if hasattr(type(serializer), "to_python"):  # not the stand-in that builds it on first use
        _dumpers[kind] = serializer.to_python
    return found


def read(answer: Any, row: Answer, asked: tuple[str, ...] = ()) -> Reading:
    """What an answer says.

    Args:
        answer: model, dict or struct of `row.shape`.
        row: where the answer keeps what prices it.
        asked: hosted tools that the request asked for.
    """
    try:
        found = row.members(answer)
    except AttributeError:  # a dict, or a model that lacks one of them
        found = [None if name is None else member(answer, name) for name in (row.usage, row.model, row.id, row.tier)]
    usage, (model, identity, tier) = plain(found[0]), found[1:]
    reading = Reading(
        usage,
        model if type(model) is str else None,
        identity if type(identity) is str else None,
        tier if type(tier) is str else None,
    )
    if row.tools is not None:
        tools = contained("count hosted tools", row.tools, answer, asked)
        if tools is not None:
            reading.tool_calls, reading.tools = tools
    if row.identify is not None:
        contained("identify an answer", row.identify, answer, reading)
    return reading


def moment(value: Any) -> int | None:
    """Seconds since the epoch of a provider's time: a number, or ISO text; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        value = attempt(datetime.fromisoformat, value.replace("Z", "+00:00"), on_error=lambda _error: None)
    return int(value.timestamp()) if isinstance(value, datetime) else None


def header(headers: Any, name: str) -> str | None:
    """A response's header; plain dicts of headers (google-genai) keep the case in which the transport gave it."""
    get = getattr(headers, "get", None)
    value = None if get is None else get(name) or get(name.title())
    return value if isinstance(value, str) else None


@lru_cache(maxsize=64)
def _decoder(shape: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


def decode(text: str | bytes, row: Answer) -> Any:
    """The members of an answer that matter, from its JSON; the rest is skipped (1.4 MB of embeddings: 1.1 ms, not 60).

    Raises:
        msgspec.DecodeError: it is no JSON object.
    """
    return _decoder(row.shape).decode(text)
