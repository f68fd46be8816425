"""The durable queue between calls and ledger: one append-only file a process. May import core only."""

from __future__ import annotations

from farebox.journal.journal import Journal, JournalHealth

__all__ = ["Journal", "JournalHealth"]
