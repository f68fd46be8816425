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
        "litellm": "farebox.instruments.litellm:INSTRUMENT",
        "openai": "farebox.instruments.openai:INSTRUMENT",
        "openai_sockets": "farebox.instruments.openai_sockets:INSTRUMENT",
    },
)
"""Name → `Instrument` of an SDK. Other distributions add theirs through the entry-point group `farebox.instruments`."""

CARRYING: Final = Registry("carrier", rows={"threads": "farebox.instruments.threads:INSTRUMENT"})
"""What is done to the standard library, so that work started elsewhere keeps its scope."""
