"""Values and words that every part shares: no I/O, no threads, no clock. May import the standard library and msgspec only."""

from __future__ import annotations
