"""Engines by the scheme of a ledger's URL, and the one way to open a ledger. Imports core and the ledger's own parts."""

from __future__ import annotations

import os
from typing import Any, Final

from farebox.core.ports import Ledger
from farebox.core.registry import Registry
from farebox.ledger.locate import Location, ledger_path

ENGINES: Final[Registry] = Registry("ledger scheme", rows={"sqlite": "farebox.ledger.sqlite:SQLiteLedger"})
"""Each engine takes a `Location` and `read_only`; a plain path is "sqlite"."""


def open_ledger(ledger: str | os.PathLike[str] | Location | None = None, *, read_only: bool = False) -> Ledger:
    """Open a ledger, creating it unless `read_only`. Does not adopt journals.

    Args:
        ledger: a path, a URL, a `Location`, or None for the one in the user's data directory.
        read_only: never write, and fail where there is no ledger.

    Raises:
        LedgerError: the file cannot be a ledger; the message names it and the remedy.
        ConfigurationError: no engine has the URL's scheme.
    """
    location = ledger_path(ledger)
    engine: Any = ENGINES[location.scheme]
    opened: Ledger = engine(location, read_only=read_only)
    return opened
