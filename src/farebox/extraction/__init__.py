"""Usage JSON to Usage: pure functions on plain data, one file a provider. May import core only."""

from __future__ import annotations

from farebox.extraction.read import read

__all__ = ["read"]
