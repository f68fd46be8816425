"""Tables as the page reads them. Imports core and reports only."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from farebox.core.money import Money
from farebox.reports.report import Cell, Table


def payload(table: Table) -> bytes:
    """The table as JSON, columns with what they hold. Money is a string, exact to the nano-dollar; unknown is null."""
    return msgspec.json.encode(
        {
            "title": table.title,
            "columns": table.columns,
            "rows": [[_plain(cell) for cell in row] for row in table.rows],
            "totals": None if table.totals is None else [_plain(cell) for cell in table.totals],
            "notes": table.notes,
            "empty": table.empty,
            "cursor": table.cursor,
        }
    )


def _plain(cell: Cell) -> Any:
    if isinstance(cell, Money):
        return f"{cell:f}"
    return float(cell) if isinstance(cell, Decimal) else cell
