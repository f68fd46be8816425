"""Tables as text for a terminal, JSON, CSV, Markdown and HTML. Imports core and reports; rich when a terminal table is drawn."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from html import escape
from typing import Any, Final, NamedTuple

from farebox.core.money import Money
from farebox.reports.report import Cell, Column, Table

UNKNOWN: Final = "unknown"
"""How people read a cost that nobody knows."""

WORDS: Final = ("text", "id", "time")
"""Kinds of columns that are read from the left."""

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - spreadsheets take wide signs too
_PLACES: Final = 9
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)[.\d]*(?:Z|\+00:00)")


def to_json(table: Table) -> str:
    """The table as one JSON object. Money is a string, so that no reader makes a binary float of it."""
    names = [column.name for column in table.columns]
    return json.dumps(
        {
            "title": table.title,
            "rows": [dict(zip(names, map(_plain, row), strict=True)) for row in table.rows],
            "totals": None if table.totals is None else dict(zip(names, map(_plain, table.totals), strict=True)),
            "notes": list(table.notes),
            **({} if table.cursor is None else {"cursor": table.cursor}),
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
            harmless(cell) if isinstance(cell, str) else "" if cell is None else _plain(cell) for cell in row
        )
    return target.getvalue()


def to_markdown(table: Table) -> str:
    """The table in GitHub's Markdown, with its title and notes."""
    lines = [
        f"## {_escape(table.title)}",
        "",
        "| " + " | ".join(_escape(column.title) for column in table.columns) + " |",
        "|" + "|".join(" --- " if column.kind in WORDS else " ---: " for column in table.columns) + "|",
        *(f"| {' | '.join(map(_escape, row))} |" for row in _texts(table)),
    ]
    lines += [""] + [f"- {_escape(note)}" for note in table.notes] if table.notes else []
    return "\n".join(lines) + "\n"


def to_html(table: Table) -> str:
    """The table as a page of its own: no script, nothing loaded, every text escaped."""
    align = ["" if column.kind in WORDS else ' class="n"' for column in table.columns]

    def row(cells: Iterable[str], tag: str = "td") -> str:
        end = tag.partition(" ")[0]
        marked = (f"<{tag}{at}>{escape(it)}</{end}>" for it, at in zip(cells, align, strict=True))
        return f"<tr>{''.join(marked)}</tr>"

    title = escape(visible(table.title))
    rows = [row(cells) for cells in _texts(table)]
    lines = [
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>',
        f"<table><caption>{title}</caption>",
        f"<thead>{row((visible(column.title) for column in table.columns), _HEADING)}</thead>",
        *("<tbody>", *rows[: len(table.rows)], "</tbody>"),
        *(f"<tfoot>{total}</tfoot>" for total in rows[len(table.rows) :]),
        "</table>",
        *([] if table.rows else [f"<p>{escape(table.empty)}</p>"]),
        *(f"<p>{escape(visible(note))}</p>" for note in table.notes),
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


_HEADING: Final = 'th scope="col"'
_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:14px system-ui,sans-serif;margin:2em}table{border-collapse:collapse}"
    "caption{text-align:left;font-weight:bold;padding-bottom:.5em}th,td{text-align:left;padding:.25em .75em;border-bottom:1px solid #8884}"
    ".n{text-align:right;font-variant-numeric:tabular-nums}tfoot{font-weight:bold}"
)


def to_terminal(table: Table, width: int | None = None) -> Any:
    """The table as an object that `rich.console.Console.print` draws. No number is ever cut.

    Args:
        table: what to draw.
        width: characters that there is room for. Columns of details go until the rest fits; where that is not enough, each row is told in
            lines of its own. None: all columns stay.
    """
    from rich.console import Group
    from rich.text import Text

    cells = _texts(table)
    chosen = _fitting(table.columns, cells, width)
    body = _drawing(table, cells, chosen) if chosen else _told(table, cells)
    left_out = [column.title for at, column in enumerate(table.columns) if chosen and at not in chosen]
    more = [f"No room here for: {', '.join(left_out)}. JSON and CSV have all columns."] if left_out else []
    return Group(
        body,
        *(Text(text, style="dim") for text in (*([] if table.rows else [table.empty]), *more)),
        *(Text(f"! {visible(note)}", style="yellow") for note in table.notes),
    )


def _drawing(table: Table, cells: Sequence[Sequence[str]], chosen: Sequence[int]) -> Any:
    from rich import box
    from rich.table import Table as Drawing
    from rich.text import Text

    drawing = Drawing(
        title=Text(visible(table.title), style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_footer=table.totals is not None,
        pad_edge=False,
    )
    for at in chosen:
        column = table.columns[at]
        drawing.add_column(
            Text(visible(column.title)),
            footer=Text("" if table.totals is None else cells[-1][at], style="bold"),
            justify="left" if column.kind in WORDS else "right",
            overflow="fold",
            no_wrap=column.kind != "text",
        )
    for row, texts in zip(table.rows, cells, strict=False):
        drawing.add_row(
            *(
                Text(texts[at], style="yellow" if row[at] is None and table.columns[at].kind == "money" else "")
                for at in chosen
            )
        )
    return drawing


def _told(table: Table, cells: Sequence[Sequence[str]]) -> Any:
    """Row by row in lines: what a row is about, then its other values with their names."""
    from rich.console import Group
    from rich.text import Text

    lines = [Text(visible(table.title), style="bold")]
    for row in cells:
        about = [cell for cell, column in zip(row, table.columns, strict=True) if column.kind in WORDS and cell]
        pairs = [
            f"{visible(column.title)} {cell}"
            for cell, column in zip(row, table.columns, strict=True)
            if column.kind not in WORDS and cell
        ]
        lines += [Text(", ".join(about), style="bold"), Text("  " + ", ".join(pairs))]
    return Group(*lines)


def _texts(table: Table) -> list[list[str]]:
    """Every cell for people, row by row; the totals, if there are any, last."""
    places = _places(table)
    rows = [*table.rows, *([] if table.totals is None else [table.totals])]
    return [[_shown(cell, column, places) for cell, column in zip(row, table.columns, strict=True)] for row in rows]


_GAP: Final = 3
"""Characters between two columns in a terminal."""
_FOLDED: Final = 12
"""Characters of text that stay on one line, at least."""


def _fitting(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """Which columns to draw: all, or without as many of the details, from the right, as there is no room for; none where that is too few."""
    from rich.cells import cell_len

    chosen = list(range(len(columns)))
    if width is None:
        return chosen
    widths = [max(map(cell_len, (column.title, *(row[at] for row in cells)))) for at, column in enumerate(columns)]
    for column, at in zip(columns, chosen, strict=True):
        if column.kind == "text":
            widths[at] = min(widths[at], _FOLDED)
    room = width + 1  # the gap behind the last column is one short of the two edges
    for at in reversed([at for at in chosen if columns[at].detail]):
        if sum(widths[one] + _GAP for one in chosen) <= room:
            break
        chosen.remove(at)
    return chosen if sum(widths[one] + _GAP for one in chosen) <= room else []


def _plain(cell: Cell) -> str | int | float | None:
    """A cell as JSON has it: money exact as text, ratios as numbers."""
    if isinstance(cell, Money):
        return f"{cell:f}"
    return float(cell) if isinstance(cell, Decimal) else cell


def harmless(text: str) -> str:
    """Text that no spreadsheet runs and no terminal obeys."""
    return f"'{visible(text)}" if text.startswith(_FORMULA) else visible(text)


def _escape(text: str) -> str:
    return re.sub(r"([\\|\[`])", r"\\\1", visible(text)).replace("<", "&lt;")


def visible(text: str) -> str:
    """Control characters shown as such: a tenant's name must not move the cursor or turn the line around."""
    return _CONTROLS.sub("\ufffd", text)


def _shown(cell: Cell, column: Column, places: int) -> str:
    """A cell for people."""
    if cell is None:
        return UNKNOWN if column.kind == "money" else ""
    if isinstance(cell, Money):
        return f"{'-' if cell < 0 else ''}${abs(cell):,.{places}f}"
    if isinstance(cell, Decimal):
        return f"{cell:.1%}" if column.kind == "percent" else f"{cell:,}"
    if isinstance(cell, int):
        return _duration(cell) if column.kind == "duration" else f"{cell:,}"
    return _MOMENT.sub(r"\1 \2", cell) if column.kind == "time" else visible(cell)


def _duration(nanoseconds: int) -> str:
    """A duration for people, to three digits or the whole second."""
    milliseconds = nanoseconds / 1e6
    if milliseconds < 999.5:
        return f"{milliseconds:.3g} ms"
    seconds = milliseconds / 1e3
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join([f"{number} {unit}" for number, unit in parts if number][:2])


def _places(table: Table) -> int:
    """Decimal places of the money: two, or as many as the smallest amount needs to show two digits that count."""
    amounts = [cell for row in table.rows for cell in row if isinstance(cell, Money) and cell]
    smallest = min(map(abs, amounts), default=Decimal(1))
    return max(2, min(_PLACES, 1 - smallest.adjusted()))


class Format(NamedTuple):
    """How a table is written.

    Attributes:
        render: makes the text.
        media_type: what a web server calls it.
        suffix: how such a file's name ends.
    """

    render: Callable[[Table], str]
    media_type: str
    suffix: str


FORMATS: Final[dict[str, Format]] = {
    "json": Format(to_json, "application/json", ".json"),
    "csv": Format(to_csv, "text/csv; charset=utf-8", ".csv"),
    "markdown": Format(to_markdown, "text/markdown; charset=utf-8", ".md"),
    "html": Format(to_html, "text/html; charset=utf-8", ".html"),
}
"""Every way to write a table down; people at a terminal are drawn one by `to_terminal`."""
