"""The arithmetic of one call's cost, line by line, by a book of today. Imports core, pricing and reports only."""

from __future__ import annotations

from typing import Final

from farebox.core.event import CallEvent
from farebox.pricing.again import price_again
from farebox.pricing.book import Book
from farebox.pricing.calculate import Cost
from farebox.reports.report import Column, Table

_COLUMNS: Final = tuple(
    Column(name, title)
    for name, title in (
        ("unit", "unit"),
        ("count", "count"),
        ("rate", "USD"),
        ("per", "per"),
        ("amount", "amount"),
        ("model", "model"),
        ("conditions", "conditions"),
        ("source", "source"),
    )
)


def explanation(event: CallEvent, book: Book) -> Table:
    """Units, rates, conditions and sources of a call's cost; notes say what the rates do not explain.

    Args:
        event: the call.
        book: the prices; rates are those that held when the call was made.
    """
    cost = price_again(event, book)
    rows = tuple(
        (
            line.unit,
            f"{line.count:,}",
            f"{line.rate:f}",
            f"{line.per:,}",
            f"{line.amount:f}",
            line.model,
            line.conditions,
            line.source,
        )
        for line in (cost.lines if cost else ())
    )
    return Table(title=_headline(event), columns=_COLUMNS, rows=rows, notes=tuple(_remarks(event, book, cost)))


def _headline(event: CallEvent) -> str:
    model = event.response_model or event.request_model
    cost = "unknown" if event.cost is None else f"${event.cost:f}"
    return f"Call {event.id}: {event.provider} {model}, {event.cost_status}, {cost}, booked by {event.price_book}"


def _remarks(event: CallEvent, book: Book, cost: Cost | None) -> list[str]:
    remarks = [f"no price at the time: {what}" for what in event.cost_missing]
    if cost is None:
        remarks.append(
            f"its cost is not computed from rates: it is {event.cost_status}, and there is no usage to price"
        )
        return remarks
    remarks += [f"no price now: {what}" for what in cost.missing]
    now = "unknown" if cost.amount is None else f"${cost.amount:f}"
    if cost.nano != event.cost_nano:
        remarks.append(
            f"by the book in force ({book.hash} of {book.as_of}) it costs {now}: farebox reprice corrects the ledger"
        )
    return remarks
