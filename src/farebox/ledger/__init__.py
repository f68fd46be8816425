"""The store of events behind one port. May import core only."""

from __future__ import annotations

from farebox.ledger.locate import Location, journal_directory, ledger_path
from farebox.ledger.registry import open_ledger

__all__ = ["Location", "journal_directory", "ledger_path", "open_ledger"]
