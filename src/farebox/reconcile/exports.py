"""Rows of a file that somebody exported: CSV or JSON lines, nested or flat. Imports the standard library and reconcile.pages."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from farebox.reconcile.pages import StatementError

Row = Mapping[str, Any]


def files(pattern: str) -> list[Path]:
    """The files that a path or pattern means.

    Raises:
        StatementError: there is none.
    """
    path = Path(pattern).expanduser()
    found = [path] if path.exists() else sorted(path.parent.glob(path.name))
    if not found:
        raise StatementError(f"there is no file at {pattern}: export the bill there, or name another one")
    return found


def rows(path: Path) -> Iterator[Row]:
    """Each row. A file whose first character is { or [ is JSON (lines, or one list), any other is CSV with a heading.

    Raises:
        StatementError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.read(1)
            file.seek(0)
            yield from _json(file.read(), path) if first == "[" else _lines(file) if first == "{" else _csv(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StatementError(f"{path} cannot be read: {error}") from None
    except json.JSONDecodeError as error:
        raise StatementError(f"{path} is damaged ({error}): export it again") from None


def _json(text: str, path: Path) -> Iterator[Row]:
    for row in json.loads(text, parse_float=Decimal):
        if not isinstance(row, dict):
            raise StatementError(f"{path}: a row is no object")
        yield row


def _lines(file: Any) -> Iterator[Row]:
    for line in file:
        if line.strip():
            yield json.loads(line, parse_float=Decimal)


def _csv(file: Any) -> Iterator[Row]:
    yield from csv.DictReader(file)


def field(row: Row, name: str) -> Any:
    """A field by its dotted name: `service.description` is nested, or flat as `service.description` or `service_description`."""
    for flat in (name, name.replace(".", "_")):
        if flat in row:
            return row[flat]
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def many(row: Row, name: str) -> list[Any]:
    """A repeated field: a list, or its JSON text in a CSV."""
    value = field(row, name)
    if isinstance(value, str) and value.strip():
        value = json.loads(value, parse_float=Decimal)
    return value if isinstance(value, list) else []
