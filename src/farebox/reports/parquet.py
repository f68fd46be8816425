"""Single calls as Parquet, a row group at a time. Imports core, ledger and reports; pyarrow (extra `parquet`) when it is used."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import IO, Any, Final, get_type_hints

from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.reports.export import COLUMNS, batches, values_of

ROWS: Final = 5000
"""Rows of a group: what is in memory at once."""

_DIGITS: Final = (38, 9)
"""Digits of an amount in all, and behind the point: nano-dollars."""


def write_parquet(events: Iterable[CallEvent], target: IO[bytes]) -> None:
    """Columns with types: money as decimals, the start as a time as well, lists and objects as JSON text.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: ICN001 - names are not shortened here
        from pyarrow import parquet
    except ImportError:
        raise ConfigurationError(
            "Parquet needs pyarrow: pip install 'farebox[parquet]', or take csv or jsonl"
        ) from None
    schema = pyarrow.schema([(name, _type(name, pyarrow)) for name in COLUMNS])
    at, quantum = COLUMNS.index("cost_usd"), Decimal(1).scaleb(-_DIGITS[1])
    started, nanoseconds = COLUMNS.index("started"), COLUMNS.index("started_at")
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        for batch in batches(events, ROWS):
            rows = []
            for event in batch:
                row = list(values_of(event))
                row[started] = row[nanoseconds] // 1000
                row[at] = None if row[at] is None else row[at].quantize(quantum)
                rows.append(row)
            columns = [
                pyarrow.array(values, type=field.type)
                for values, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema), row_group_size=ROWS)


_HINTS: Final[dict[str, Any]] = get_type_hints(CallEvent)


def _type(name: str, pyarrow: Any) -> Any:
    """The Arrow type of a column."""
    if name == "started":
        return pyarrow.timestamp("us", tz="UTC")  # many readers have nothing finer; `started_at` is exact
    if name == "cost_usd":
        return pyarrow.decimal128(*_DIGITS)
    hint = _HINTS[name]
    if hint is bool:
        return pyarrow.bool_()
    return pyarrow.int64() if hint in (int, int | None) else pyarrow.string()
