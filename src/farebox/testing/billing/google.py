"""Google's billing export as BigQuery saves it: JSON lines, or CSV with flat names. Imports core.semconv and testing."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from farebox.core import semconv
from farebox.testing.billing.account import Account, Line

Json = dict[str, Any]

_WORDS: Final = {
    semconv.INPUT: ("input", "text"),
    semconv.INPUT_AUDIO: ("input", "audio"),
    semconv.CACHE_READ: ("cached input", "text"),
    semconv.OUTPUT: ("output", "text"),
}
_FLAT: Final = (
    "service.description",
    "sku.description",
    "usage_start_time",
    "usage.amount",
    "cost",
    "currency",
    "cost_type",
    "credits",
)


def export(account: Account, path: Path, days: Iterable[str], *, form: str = "jsonl") -> None:
    """Write some days' rows.

    Args:
        account: whose.
        path: the file.
        days: ISO days.
        form: "jsonl" or "csv".
    """
    rows = [row for day in days for row in _rows(account, day)]
    if form == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_FLAT)
            writer.writerows([_flat(row, name) for name in _FLAT] for row in rows)
        return
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _rows(account: Account, day: str) -> Iterator[Json]:
    """One row a SKU; a credit stands in a row of its own, as a promotion does."""
    for line in account.money("google", day):
        yield _row(day, _sku(line), f"{line.amount:f}", line.quantity)
    for credit in account.credits:
        if (credit.provider, credit.day) == ("google", day):
            yield _row(day, "Promotion", "0", 0, [{"name": credit.item, "amount": f"{credit.amount:f}"}])


def _row(day: str, sku: str, cost: str, quantity: int, given: list[Json] | None = None) -> Json:
    return {
        "service": {"id": "AEFD-7695-64FA", "description": "Gemini API"},
        "sku": {"description": sku},
        "usage_start_time": f"{day} 07:00:00 UTC",
        "usage_end_time": f"{day} 08:00:00 UTC",
        "cost": cost,
        "currency": "USD",
        "usage": {"amount": quantity, "unit": "count"},
        "credits": given or [],
        "cost_type": "regular",
    }


def _sku(line: Line) -> str:
    charge = line.charge
    flow, modality = _WORDS.get(charge.unit, (charge.unit, ""))
    model = charge.model.replace("-", " ")
    tier = "batch" if charge.batch else charge.tier or ""
    return " ".join(f"Generate content {flow} token count {model} {modality} {tier}".split())


def _flat(row: Json, name: str) -> str:
    value: Any = row
    for part in name.split("."):
        value = value[part]
    return json.dumps(value) if isinstance(value, list) else str(value)
