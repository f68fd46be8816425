"""The commands, one file a group. May import everything."""

from __future__ import annotations
