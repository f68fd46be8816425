"""Every port but the meter's (`core.metering`) on one page: what one part may ask of another. Imports core only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from farebox.core.alert import Alert
from farebox.core.answers import Amount, Cursor, Durations, Latency, Moment, Point, Saved, Summary
from farebox.core.event import CallEvent


class Journal(Protocol):
    """The durable queue between calls and ledger. Appends come from any thread; only one process owns it."""

    def append(self, event: CallEvent) -> None:
        """Make the event survive this process; returns when it does (by the configured durability)."""
        ...

    def occupy(self, event: CallEvent) -> int:
        """Note a call in flight in the memory-mapped table, as the event it becomes if the process dies now.

        Returns:
            The slot's number, for `vacate`; -1 when no slot was free (counted).
        """
        ...

    def rename(self, slot: int, before: str, after: str) -> None:
        """Give the call in a slot another id: that of what it turned out to be; -1 is ignored."""
        ...

    def vacate(self, slot: int) -> None:
        """Free the slot of a call that has settled; -1 is ignored."""
        ...


class Alarm(Protocol):
    """Told of what a person should know of. Safe on the call path and in finalisers: nothing is sent here."""

    def tell(self, kind: str, /, **facts: Any) -> None:
        """Note something; it is sent from another thread. What is told too often is counted instead.

        Args:
            kind: one of `core.alert.KINDS`.
            facts: what `alerts.rule` has for that kind.
        """
        ...

    def spent(
        self,
        name: str,
        bucket: str,
        window: int,
        limit: int,
        spent: int,
        *,
        alert_at: tuple[int, ...] | None = None,
        unit: str = "usd",
        tenant_id: str | None = None,
    ) -> None:
        """What is spent of a budget that many processes share: told once per window and share of the limit, by one of them.

        Cheap enough to be called after every booking. Where several shares are reached at once, the highest is told.

        Args:
            name: of the budget.
            bucket: which of its counts, for example a tenant; "" where there is one only.
            window: when the window began, in nanoseconds UTC; 0 for one that never ends.
            limit: nano-dollars, or a count of `unit`.
            spent: likewise.
            alert_at: shares of the limit in millionths, ascending; None: those of the settings.
            unit: "usd", "tokens" or "calls".
            tenant_id: whose it is, where one tenant's it is.
        """
        ...


class Channel(Protocol):
    """A way to tell somebody of an alert."""

    @property
    def address(self) -> str:
        """Where alerts go, for people; shows no secret."""
        ...

    def send(self, alert: Alert, *, timeout: float) -> None:
        """Deliver an alert. Called by one thread at a time, never on the call path.

        Args:
            alert: what to say.
            timeout: seconds that it may take at most.

        Raises:
            UndeliveredError: it did not get there, and whether a later try may help. Any other error is a fault of the channel.
        """
        ...


class Ledger(Protocol):
    """A store of events that answers questions. One contract suite holds for every engine."""

    def ingest(self, events: Sequence[CallEvent], *, journal: str, segment: int, offset: int) -> int:
        """Store events read from `journal` up to `offset` of `segment`, and that mark, in one transaction.

        Events that are there already (by id) are updated if they changed, and rollups move by the difference.

        Returns:
            How many events were new or changed; 0 when the mark was already there.
        """
        ...

    def mark(self, journal: str) -> tuple[int, int]:
        """(segment, offset) up to which `journal` has been ingested; (0, 0) when it never was."""
        ...

    def by(
        self,
        *dimensions: str,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Mapping[str, str | None] | None = None,
        **filters: str | None,
    ) -> list[dict[str, Any]]:
        """Sums grouped by dimensions, dearest first, from rollups where they can answer.

        Args:
            dimensions: of `model`, `provider`, `operation`, `task_type`, `tenant_id`, `workspace_id`, `user_id`, `month`, `week`, `day`, `hour`, `status`, ...
            since: first moment that counts, in nanoseconds UTC.
            until: first moment that no longer counts.
            where: column → value that rows must have (None: rows that have none).
            **filters: the same, as keywords.

        Returns:
            One dict a group: the dimensions, `calls`, `errors`, `unpriced`, `estimated`, `partial`, `input_tokens`, `cache_read_tokens`,
            `cache_write_tokens`, `output_tokens`, `cost_nano`.
        """
        ...

    def calls(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Mapping[str, str | None] | None = None,
        limit: int | None = None,
        cursor: Cursor | str | None = None,
        **filters: str | None,
    ) -> Iterable[CallEvent]:
        """Single events, newest first.

        Args:
            since: first moment that counts.
            until: first moment that no longer counts.
            where: dimension → value that calls must have.
            limit: how many at most.
            cursor: go on behind this call: `Cursor.after(the last one)`, or its text.
            **filters: as `where`, as keywords.
        """
        ...

    def summary(
        self,
        since: Moment | None = None,
        until: Moment | None = None,
        *,
        where: Mapping[str, str | None] | None = None,
        **filters: str | None,
    ) -> Summary:
        """All calls of a time, added up."""
        ...

    def series(
        self,
        bucket: str,
        *dimensions: str,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Mapping[str, str | None] | None = None,
        **filters: str | None,
    ) -> Sequence[Point]:
        """Sums by "hour", "day", "week" or "month" and by dimensions, in order of time; pieces without calls are left out."""
        ...

    def percentiles(
        self,
        *dimensions: str,
        percents: Sequence[int] = (50, 90, 95, 99),
        span: str = "duration",
        since: Moment | None = None,
        until: Moment | None = None,
        where: Mapping[str, str | None] | None = None,
        **filters: str | None,
    ) -> Sequence[Latency]:
        """How long calls took ("duration"), or their first piece ("first_chunk"), by dimensions; to within 12.5 %."""
        ...

    def durations(
        self,
        *dimensions: str,
        span: str = "duration",
        since: Moment | None = None,
        until: Moment | None = None,
        where: Mapping[str, str | None] | None = None,
        **filters: str | None,
    ) -> Sequence[Durations]:
        """How many calls took how long: the histograms that `percentiles` are read from."""
        ...

    def units(
        self,
        *dimensions: str,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Mapping[str, str | None] | None = None,
        **filters: str | None,
    ) -> Sequence[Amount]:
        """What was billed by unit and dimensions, out of the calls that are kept one by one."""
        ...

    def dearest(
        self,
        limit: int,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Mapping[str, str | None] | None = None,
        **filters: str | None,
    ) -> Sequence[CallEvent]:
        """The calls that cost most, out of those that are kept one by one."""
        ...

    def savings(
        self,
        *dimensions: str,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Mapping[str, str | None] | None = None,
        **filters: str | None,
    ) -> Sequence[Saved]:
        """What routes and caches saved, by `method` (`semconv.SAVED_*`), `baseline_model` and other dimensions, most first."""
        ...

    def reach(self, *dimensions: str, timed: bool = False, saved: bool = False) -> int:
        """From when on, in nanoseconds UTC, a question that names these dimensions sees calls; 0 where sums answer it."""
        ...

    def retain(self, before: int) -> bool:
        """One short step of removing single calls that started before a day; what is summed of them stays.

        Args:
            before: nanoseconds UTC, rounded down to a whole day.

        Returns:
            Whether another step has something to do.
        """
        ...

    def rewrite(
        self,
        change: Callable[[CallEvent], CallEvent | None],
        *,
        since: int | None = None,
        model: str | None = None,
        dry_run: bool = False,
    ) -> int:
        """Change stored calls, and the rollups by the difference, in one transaction.

        Args:
            change: what a call should be; None, or the same, leaves it. A call keeps its id and time.
            since: first moment that counts, in nanoseconds UTC.
            model: only calls that asked for this model, or were answered by it.
            dry_run: ask, and change nothing.

        Returns:
            How many calls changed, or would.
        """
        ...

    def check(self) -> list[str]:
        """What is not as it must be, in sentences: damage, and sums that are not those of the calls; none for a sound ledger."""
        ...

    def forget(self, journal: str) -> None:
        """Drop the mark of a journal whose files are gone."""
        ...

    def checkpoint(self) -> bool:
        """Make everything ingested so far survive the death of the system; False when that has to be tried again later."""
        ...

    def close(self) -> None:
        """Release the engine's resources."""
        ...

    def before_fork(self) -> None:
        """The process is about to fork: hold nothing that a child must not inherit, and let nobody in."""
        ...

    def after_fork(self) -> None:
        """The process has forked; called in the parent and in the child."""
        ...
