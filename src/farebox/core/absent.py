"""What the face says of a name that it does not have. Imports the standard library only."""

from __future__ import annotations


def missing(name: str, available: list[str]) -> AttributeError:
    """What `farebox.<name>` raises for a name that it does not have."""
    import difflib

    near = difflib.get_close_matches(name, available, n=1)
    hint = f": did you mean {near[0]!r}?" if near else ""
    return AttributeError(f"module 'farebox' has no attribute {name!r}{hint}")
