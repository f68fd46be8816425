"""Google's statement: the Cloud Billing export of BigQuery, saved as CSV or JSON lines. Imports core, pricing and its neighbours here.

https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables. One row is one SKU in one hour; its text says the model,
the flow, the modality and the tier. Credits stand in the row that they reduce.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from farebox.core import semconv
from farebox.reconcile import exports, items, naming, reading
from farebox.reconcile.exports import Row, field
from farebox.reconcile.reading import SchemaError
from farebox.reconcile.statement import CREDIT, OTHER, TAX, TOOL, Dimensions, Kind, Lines, MoneyLine, UsageLine

DIMENSIONS: Final = Dimensions()
SERVICES: Final = {semconv.GOOGLE: "gemini api", semconv.GOOGLE_VERTEX: "vertex ai"}
"""Whose rows are whose, by the description of the service."""
_KINDS: Final[dict[str, Kind]] = {"tax": TAX, "adjustment": OTHER, "rounding_error": OTHER}


def read(pattern: str, provider: str) -> Iterator[tuple[str, Lines]]:
    """Every day of the files, in no order; a day may come in several pieces.

    Raises:
        StatementError: a file cannot be had or read.
    """
    wanted = SERVICES[provider]
    for path in exports.files(pattern):
        for number, row in enumerate(exports.rows(path), start=1):
            if str(field(row, "service.description") or "").lower() != wanted:
                continue
            day = ""
            try:
                day = _day(field(row, "usage_start_time"))
                yield day, _lines(day, row, provider)
            except (SchemaError, ValueError) as problem:
                yield day, Lines(problems=(f"{path.name}, row {number}: {problem}",))


def _lines(day: str, row: Row, provider: str) -> Lines:
    sku = str(field(row, "sku.description") or "")
    model, rest = naming.model_in(provider, sku, day)
    units = items.units_of(rest)
    tier, batch = items.tier_of(rest)
    cost_type = str(field(row, "cost_type") or "regular")
    kind: Kind = _KINDS.get(
        cost_type, "tokens" if semconv.TOKEN_UNITS.intersection(units) else TOOL if units else OTHER
    )
    amount = _dollars(row, reading.amount(field(row, "cost"), "cost"))
    money = [
        MoneyLine(
            day=day,
            item=sku or cost_type,
            amount=amount,
            kind=CREDIT if kind == OTHER and amount < 0 else kind,
            model=model,
            units=units,
            tier=tier or "",
            batch=batch is True,
            source="billing export",
        )
    ]
    for credit in exports.many(row, "credits"):
        name = credit.get("full_name") or credit.get("name") or credit.get("type") or "credit"
        given = _dollars(row, reading.amount(credit.get("amount"), "credits.amount"))
        money.append(MoneyLine(day=day, item=str(name), amount=given, kind=CREDIT, source="billing export"))
    usage: tuple[UsageLine, ...] = ()
    counted = len(units) == 1 and kind in ("tokens", TOOL) and cost_type == "regular"
    if counted and (number := _whole(row)):
        usage = (
            UsageLine(
                day=day,
                model=model,
                tier=tier,
                batch=batch is True,
                units={units[0]: number},
                source="billing export",
            ),
        )
    return Lines(usage, tuple(money))


def _day(value: object) -> str:
    """The UTC day of a time as BigQuery writes it: "2026-11-20 07:00:00 UTC", or ISO 8601."""
    written = str(value or "").strip().replace(" UTC", "+00:00")
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise SchemaError(f"usage_start_time is {reading.shown(value)}, and should be a time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).date().isoformat()


def _whole(row: Row) -> int:
    value = reading.amount(field(row, "usage.amount") or 0, "usage.amount")
    if value < 0:
        raise SchemaError(f"usage.amount is {value}, and should be a count")
    return int(value.to_integral_value())


def _dollars(row: Row, amount: Decimal) -> Decimal:
    currency = str(field(row, "currency") or "USD")
    if currency.upper() == "USD":
        return amount
    rate = reading.amount(field(row, "currency_conversion_rate"), "currency_conversion_rate")
    if rate <= 0:
        raise SchemaError(f"the currency is {currency}, and currency_conversion_rate is {rate}")
    return amount / rate
