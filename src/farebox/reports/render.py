"""Tables as text for a terminal, JSON, CSV and Markdown. Imports core and reports; rich when a terminal table is drawn."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from typing import Any, Final

from farebox.core.money import Money
from farebox.reports.report import Cell, Column, Table

UNKNOWN: Final = "unknown"
"""How people read a cost that nobody knows."""

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_FORMULA: Final = ("=", "+", "-", "@")
_PLACES: Final = 9


def to_json(table: Table) -> str:
    """The table as one JSON object. Money is a string, so that no reader makes a binary float of it."""
    names = [column.name for column in table.columns]
    return json.dumps(
        {
            "title": table.title,
            "rows": [dict(zip(names, map(_plain, row), strict=True)) for row in table.rows],
            "totals": None if table.totals is None else dict(zip(names, map(_plain, table.totals), strict=True)),
            "notes": list(table.notes),
        },
        ensure_ascii=False,
        indent=2,
    )


def to_csv(table: Table) -> str:
    """The rows as CSV with a heading; unknown is empty. Totals and notes are left out: a spreadsheet adds up by itself.

    Text that a spreadsheet would run as a formula gets an apostrophe in front, and control characters are replaced:
    https://owasp.org/www-community/attacks/CSV_Injection
    """
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    for row in table.rows:
        writer.writerow(
            _harmless(cell) if isinstance(cell, str) else "" if cell is None else _plain(cell) for cell in row
        )
    return target.getvalue()


def to_markdown(table: Table) -> str:
    """The table in GitHub's Markdown, with its title and notes."""
    places = _places(table)
    lines = [
        f"## {_escape(table.title)}",
        "",
        "| " + " | ".join(_escape(column.title) for column in table.columns) + " |",
        "|" + "|".join(" --- " if column.kind in ("text", "time") else " ---: " for column in table.columns) + "|",
    ]
    for row in [*table.rows, *([table.totals] if table.totals else [])]:
        cells = [_escape(_shown(cell, column, places)) for cell, column in zip(row, table.columns, strict=True)]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [""] + [f"- {_escape(note)}" for note in table.notes] if table.notes else []
    return "\n".join(lines) + "\n"


def to_terminal(table: Table) -> Any:
    """The table as an object that `rich.console.Console.print` draws."""
    from rich import box
    from rich.console import Group
    from rich.table import Table as Drawing
    from rich.text import Text

    places = _places(table)
    drawing = Drawing(
        title=Text(_visible(table.title), style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_footer=table.totals is not None,
        pad_edge=False,
    )
    for index, column in enumerate(table.columns):
        footer = "" if table.totals is None else _shown(table.totals[index], column, places)
        drawing.add_column(
            Text(_visible(column.title)),
            footer=Text(footer, style="bold"),
            justify="left" if column.kind in ("text", "time") else "right",
            overflow="fold",
            no_wrap=column.kind not in ("text", "time"),
        )
    for row in table.rows:
        drawing.add_row(
            *(
                Text(_shown(cell, column, places), style="yellow" if cell is None and column.kind == "money" else "")
                for cell, column in zip(row, table.columns, strict=True)
            )
        )
    nothing = [] if table.rows else [Text(table.empty, style="dim")]
    return Group(drawing, *nothing, *(Text(f"! {_visible(note)}", style="yellow") for note in table.notes))


def _plain(cell: Cell) -> str | int | float | None:
    """A cell as JSON has it: money exact as text, ratios as numbers."""
    if isinstance(cell, Money):
        return f"{cell:f}"
    return float(cell) if isinstance(cell, Decimal) else cell


def _harmless(text: str) -> str:
    text = _visible(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _escape(text: str) -> str:
    return _visible(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _visible(text: str) -> str:
    """Control characters shown as such: a tenant's name must not move the cursor or turn the line around."""
    return _CONTROLS.sub("\ufffd", text)


def _shown(cell: Cell, column: Column, places: int) -> str:
    """A cell for people."""
    if cell is None:
        return UNKNOWN if column.kind == "money" else ""
    if isinstance(cell, Money):
        return f"${cell:,.{places}f}"
    if isinstance(cell, Decimal):
        return f"{cell:.1%}"
    return f"{cell:,}" if isinstance(cell, int) else _visible(cell)


def _places(table: Table) -> int:
    """Decimal places of the money: two, or as many as the smallest amount needs to show two digits that count."""
    amounts = [cell for row in table.rows for cell in row if isinstance(cell, Money) and cell]
    smallest = min(map(abs, amounts), default=Decimal(1))
    return max(2, min(_PLACES, 1 - smallest.adjusted()))
