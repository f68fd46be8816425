"""Rates, the book they stand in, and the arithmetic. May import core, config, journal and ledger only."""

from __future__ import annotations
