"""Single calls: the dearest, and the latest page by page. Imports core and reports only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from farebox.core.answers import Cursor, Moment
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.core.ports import Ledger
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import iso, scope

COLUMNS: Final = (
    Column("id", "id", "id", detail=True),
    Column("started", "started (UTC)", "time"),
    Column("provider", "provider", detail=True),
    Column("model", "model"),
    Column("operation", "operation", detail=True),
    Column("status", "status"),
    Column("tenant_id", "tenant"),
    Column("task_type", "task"),
    Column("input_tokens", "tokens in", "count", detail=True),
    Column("cache_read_tokens", "cached", "count", detail=True),
    Column("output_tokens", "tokens out", "count", detail=True),
    Column("duration_ns", "took", "duration", detail=True),
    Column("first_chunk_ns", "first chunk", "duration", detail=True),
    Column("cost", "cost", "money"),
    Column("cost_status", "cost is", detail=True),
)


def dearest(
    ledger: Ledger,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
    limit: int = 20,
) -> Table:
    """The calls that cost most, dearest first. Those of unknown cost cannot be among them.

    Args:
        ledger: where the events are. Single calls are read, so that only those count that are still kept.
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.
        limit: how many at most.

    Raises:
        ConfigurationError: the limit is not positive.
    """
    asked = scope(since, until, where)
    events = ledger.dearest(_positive(limit), **asked.filters)
    unknown = ledger.summary(**asked.filters).unpriced
    return Table(
        title=f"Dearest calls{asked}",
        columns=COLUMNS,
        rows=_rows(events),
        notes=(
            *(
                (f"{unknown:,} calls of unknown cost cannot be ranked: see farebox report unpriced.",)
                if unknown
                else ()
            ),
            *asked.unseen(ledger, "id"),
        ),
    )


def latest(
    ledger: Ledger,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
    limit: int = 50,
    cursor: Cursor | str | None = None,
) -> Table:
    """A page of calls, newest first; `cursor` of the table continues behind it.

    Args:
        ledger: where the events are. Only calls count that are still kept.
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.
        limit: how many at most.
        cursor: go on behind this place: that of the page before.

    Raises:
        ConfigurationError: the limit is not positive, or the cursor is none.
    """
    asked = scope(since, until, where)
    # One more than asked for tells whether there is another page.
    events = list(ledger.calls(limit=_positive(limit) + 1, cursor=cursor, **asked.filters))
    page = events[:limit]
    return Table(
        title=f"Calls, newest first{asked}",
        columns=COLUMNS,
        rows=_rows(page),
        cursor=str(Cursor.after(page[-1])) if len(events) > limit else None,
        notes=asked.unseen(ledger, "id") if len(events) <= limit else (),
    )


def _rows(events: Iterable[CallEvent]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(
        (
            event.id,
            iso(event.started_at),
            event.provider,
            event.request_model or event.response_model,
            event.operation,
            event.status,
            event.tenant_id,
            event.task_type,
            event.input_tokens,
            event.cache_read_tokens,
            event.output_tokens,
            event.duration_ns,
            event.first_chunk_ns,
            event.cost,
            event.cost_status,
        )
        for event in events
    )


def _positive(limit: int) -> int:
    if limit < 1:
        raise ConfigurationError(f"limit={limit!r} cannot be used: give at least 1")
    return limit
