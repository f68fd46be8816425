"""An event as JSON, whatever its free-form parts hold. Imports core.event only."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from farebox.core.event import CallEvent

_encode: Final = msgspec.json.Encoder().encode
_DEFAULTS: Final = {
    field.name: field.default for field in msgspec.structs.fields(CallEvent) if field.default is not msgspec.NODEFAULT
}


def encoded(event: CallEvent) -> tuple[bytes, CallEvent]:
    """The event as JSON, and the event that this says: without what cannot be written, rather than not at all."""
    try:
        return _encode(event), event
    except (TypeError, ValueError, OverflowError):
        plain = _plain(event)
        return _encode(plain), plain


def _plain(event: CallEvent) -> CallEvent:
    """The event without its free-form parts and whatever no line can hold, and with text that UTF-8 can hold."""
    defaults = {"id": "", "started_at": 0, **_DEFAULTS}
    changes: dict[str, Any] = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, str):
            changes[name] = value.encode("utf-8", "replace").decode("utf-8")
        elif not isinstance(value, int) or abs(value) >= 1 << 63:
            changes[name] = defaults.get(name)
    return msgspec.structs.replace(event, **changes)
