"""Single calls, newest first, and the arithmetic of one. Imports core, pricing, reports and the dashboard's parts."""

from __future__ import annotations

import json
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from farebox.core.answers import Cursor
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.core.money import Money
from farebox.dashboard.period import NANO, iso
from farebox.dashboard.question import Question
from farebox.dashboard.sources import Sources
from farebox.pricing import installed
from farebox.reports.explanation import explanation
from farebox.reports.report import Cell, Column, Table

_COLUMNS: Final = (
    Column("id", "id"),
    Column("started", "started", "time"),
    Column("provider", "provider"),
    Column("model", "model"),
    Column("tenant_id", "tenant"),
    Column("task_type", "task"),
    Column("kind", "kind"),
    Column("status", "status"),
    Column("input_tokens", "tokens in", "count"),
    Column("cache_read_tokens", "of them cached", "count"),
    Column("output_tokens", "tokens out", "count"),
    Column("duration_ns", "took", "duration"),
    Column("cost", "cost", "money"),
    Column("cost_status", "cost status"),
    Column("cursor", "cursor"),
)


def calls(sources: Sources, asked: Question) -> Table:
    """Calls of the view, newest first; the cursor of the last one leads on."""
    ledger, zone = sources.ledger, ZoneInfo(asked.zone)
    times = asked.period(ledger, sources.clock())
    found = ledger.calls(
        since=times.since, until=times.until, where=asked.filters, limit=asked.limit, cursor=asked.cursor or None
    )
    return Table(title="Calls", columns=_COLUMNS, rows=tuple(_row(event, zone) for event in found))


def _row(event: CallEvent, zone: ZoneInfo) -> tuple[Cell, ...]:
    return (
        event.id,
        iso(event.started_at, zone),
        event.provider,
        event.request_model or event.response_model,
        event.tenant_id,
        event.task_type,
        event.kind,
        event.status,
        event.input_tokens,
        event.cache_read_tokens,
        event.output_tokens,
        event.duration_ns,
        event.cost,
        event.cost_status,
        str(Cursor.after(event)),
    )


def _seconds(nanoseconds: int | None) -> str | None:
    return None if nanoseconds is None else f"{nanoseconds / NANO:.3f}"


def explain(sources: Sources, asked: Question) -> Table:
    """The arithmetic of the call `name`, as `farebox prices explain` prints it."""
    return explanation(_event(sources, asked), installed.current())


def call(sources: Sources, asked: Question) -> Table:
    """Everything that is stored of the call `name`, field by field; what is unknown is left out."""
    event = _event(sources, asked)
    fields = {
        name: value for name, value in msgspec.structs.asdict(event).items() if value not in (None, (), False, "")
    }
    fields |= {
        "started_at": iso(event.started_at, ZoneInfo(asked.zone)),
        "duration_ns": _seconds(event.duration_ns),
        "first_chunk_ns": _seconds(event.first_chunk_ns),
        **{name: f"{Money.from_nano(value)}" for name, value in fields.items() if name.endswith("_nano")},
    }
    return Table(
        title=f"Call {event.id}",
        columns=(Column("field", "field"), Column("value", "value")),
        rows=tuple((_plain(name), _text(value)) for name, value in fields.items() if value is not None),
    )


def _plain(name: str) -> str:
    return name.removesuffix("_at").replace("_ns", ", seconds").replace("_nano", ", USD").replace("_", " ")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _event(sources: Sources, asked: Question) -> CallEvent:
    event: CallEvent | None = next(iter(sources.ledger.calls(where={"id": asked.name}, limit=1)), None)
    if event is None:
        raise ConfigurationError(
            f"the ledger has no call with the id {asked.name!r}: it may be older than what is kept"
        )
    return event
