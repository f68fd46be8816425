"""What was spent, live in a browser: `app` is an ASGI application that only reads. Needs the extra `dashboard`."""

from __future__ import annotations

from farebox.dashboard.server import app

__all__ = ["app"]
