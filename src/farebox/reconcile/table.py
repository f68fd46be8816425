"""Any bill as a table: CSV or JSON lines, with a mapping from columns to what they mean. Imports core and its neighbours here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

from farebox.core import semconv
from farebox.reconcile import exports, items, reading
from farebox.reconcile.exports import Row, field
from farebox.reconcile.reading import SchemaError
from farebox.reconcile.statement import CREDIT, Dimensions, Lines, MoneyLine, UsageLine
from farebox.reconcile_settings import Columns

_TRUE: Final = frozenset({"1", "true", "yes", "batch"})


def dimensions(columns: Columns) -> Dimensions:
    """What such a table tells apart."""
    return Dimensions(tier=columns.tier is not None, batch=columns.batch is not None, keys=columns.key is not None)


def read(pattern: str, columns: Columns) -> Iterator[tuple[str, Lines]]:
    """Every day of the files, in no order.

    Raises:
        StatementError: a file cannot be had or read.
    """
    for path in exports.files(pattern):
        for number, row in enumerate(exports.rows(path), start=1):
            day = ""
            try:
                day = _day(field(row, columns.day), columns)
                yield day, _lines(day, row, columns)
            except SchemaError as problem:
                yield day, Lines(problems=(f"{path.name}, row {number}: {problem}",))


def _lines(day: str, row: Row, columns: Columns) -> Lines:
    model = _text(row, columns.model)
    tier, batch = _text(row, columns.tier), (_text(row, columns.batch) or "").lower() in _TRUE
    units = _units(row, columns)
    usage, money = [], []
    if units:
        usage.append(
            UsageLine(
                day=day, model=model, tier=tier, batch=batch, key=_text(row, columns.key), units=units, source="table"
            )
        )
    if columns.amount is not None and field(row, columns.amount) not in (None, ""):
        amount = reading.amount(field(row, columns.amount), columns.amount)
        if columns.unit == "cents":
            amount = amount.scaleb(-2)
        item = _text(row, columns.item) or model or "(no item)"
        paid = items.units_of(item) if columns.item else tuple(units) if len(units) == 1 else ()
        credit = amount < 0 or (not units and items.is_credit(item))
        money.append(
            MoneyLine(
                day=day,
                item=item,
                amount=amount,
                kind=CREDIT if credit else "tokens",
                model=None if credit else model,
                units=() if credit else paid,
                tier=(tier or "") if columns.tier and not credit else None,
                batch=batch if columns.batch and not credit else None,
                source="table",
            )
        )
    return Lines(tuple(usage), tuple(money))


def _units(row: Row, columns: Columns) -> dict[str, int]:
    counts = {
        unit: reading.count({"count": _plain(field(row, name))}, "count")
        for unit, name in columns.units.items()
        if field(row, name) not in (None, "")
    }
    if columns.input_includes_cached and semconv.INPUT in counts:
        inside = sum(
            number for unit, number in counts.items() if unit in semconv.PROMPT_UNITS and unit != semconv.INPUT
        )
        if inside > counts[semconv.INPUT]:
            raise SchemaError(f"{inside} cached tokens are more than all {counts[semconv.INPUT]}")
        counts[semconv.INPUT] -= inside
    return {unit: number for unit, number in counts.items() if number}


def _plain(value: Any) -> Any:
    return value.replace(",", "").strip() if isinstance(value, str) else value


def _text(row: Mapping[str, Any], name: str | None) -> str | None:
    value = None if name is None else field(row, name)
    return None if value in (None, "") else str(value)


def _day(value: Any, columns: Columns) -> str:
    written = str(value or "").strip()
    try:
        if columns.day_format:
            return datetime.strptime(written, columns.day_format).date().isoformat()  # noqa: DTZ007 - a day has no zone
        return date.fromisoformat(written[:10]).isoformat()
    except ValueError:
        raise SchemaError(f"{columns.day} is {reading.shown(value)}, and should be a day") from None
