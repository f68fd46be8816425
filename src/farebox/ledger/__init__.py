"""The store of events behind one port. May import core only."""

from __future__ import annotations
