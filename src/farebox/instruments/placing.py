"""Sets one member of a request's body in a copy, however deep it lies. Imports the standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def placed(body: Mapping[str, Any], place: Sequence[str], value: object) -> dict[str, Any]:
    """A copy of a body in which the member at `place` has a value. What lies beside the way is shared with the original.

    Args:
        body: as the SDK will serialise it.
        place: names from the outermost to the innermost; members on the way that are no objects are replaced by some.
        value: what to set.
    """
    name, *rest = place
    if not rest:
        return {**body, name: value}
    inner = body.get(name)
    return {**body, name: placed(inner if isinstance(inner, Mapping) else {}, rest, value)}


def overlaid(body: Any, extra: Any) -> Any:
    """A copy of a body over which `extra` was laid: objects member by member, everything else in one piece."""
    if not isinstance(body, Mapping) or not isinstance(extra, Mapping):
        return extra
    return {**body, **{name: overlaid(body.get(name), value) for name, value in extra.items()}}
