"""Limits, and the gate that holds them. May import core, config, journal and ledger only."""

from __future__ import annotations
