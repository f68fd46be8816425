"""The durable queue between calls and ledger. May import core only."""

from __future__ import annotations
