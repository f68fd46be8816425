"""What was spent, live in a browser: `app` is an ASGI application that only reads. Needs the extra `dashboard` when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farebox.core.errors import FareboxError

if TYPE_CHECKING:
    from farebox.dashboard.server import app

__all__ = ["app"]


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from farebox.dashboard.server import app as found
    except ImportError as error:
        raise FareboxError(
            f"{(error.name or '').partition('.')[0]} is not installed: pip install 'farebox[dashboard]'"
        ) from None
    return found
