"""From an SDK's answer, or its JSON text, to what prices the call. Imports core and msgspec only.

Usage is read first and each later step stands alone: a null, a string or a missing member elsewhere never costs the usage.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from farebox.core.guard import contained
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
    if value is None or type(value) is dict:
        return value
    serializer = getattr(type(value), "__pydantic_serializer__", None)
    to_python = getattr(type(serializer), "to_python", None)
    if to_python is not None:
        found: Any = to_python(serializer, value, exclude_unset=True, warnings=False, by_alias=True)
    elif serializer is not None:  # a model whose serialiser is built on first use
        found = value.model_dump(exclude_unset=True, warnings=False, by_alias=True)
    elif hasattr(value, "__fields_set__"):  # pydantic 1
        found = value.dict(exclude_unset=True, by_alias=True)
    else:
        return None
    return found if type(found) is dict else None


def read(answer: Any, row: Answer, asked: tuple[str, ...] = ()) -> Reading:
    """What an answer says.

    Args:
        answer: model, dict or struct of `row.shape`.
        row: where the answer keeps what prices it.
        asked: hosted tools that the request asked for.
    """
    usage = plain(member(answer, row.usage))
    model = None if row.model is None else member(answer, row.model)
    identity = None if row.id is None else member(answer, row.id)
    tier = None if row.tier is None else member(answer, row.tier)
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
    return reading


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
