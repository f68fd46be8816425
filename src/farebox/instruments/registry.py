"""Instruments by name: one line each. Imports core only."""

from __future__ import annotations

from typing import Final

from farebox.core.registry import Registry

INSTRUMENTS: Final = Registry(
    "instrument",
    group="farebox.instruments",
    rows={
        "anthropic": "farebox.instruments.anthropic:INSTRUMENT",
        "google_genai": "farebox.instruments.google_genai:INSTRUMENT",
        "openai": "farebox.instruments.openai:INSTRUMENT",
    },
)
"""Name → `Instrument`. Other distributions add theirs through the entry-point group `farebox.instruments`."""
