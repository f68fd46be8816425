"""What a ledger in SQL can be asked: sums, series, percentiles, single calls, all with the same filters. Imports core and the ledger's own parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from farebox.core.answers import Amount, Cursor, Durations, Latency, Moment, Point, Saved, Summary, nanoseconds
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.ledger import latency, queries, savings, schema
from farebox.ledger.histograms import Histogram, decode, summed
from farebox.ledger.queries import Query, Window
from farebox.ledger.rows import event_of

_AT_ONCE: Final = 1000
"""Calls that are read in one question."""
_LONGEST: Final = 576
"""Stretches that are read in one question at most: two days."""

Where = Mapping[str, str | None]


class Questions(ABC):
    """The reading half of the `Ledger` port.

    Every question takes the same filters: `since` and `until` (nanoseconds UTC, or a `datetime` with its zone), `where`
    (dimension → value, None for calls that have none; `tag:NAME` is a tag of the user's), and dimensions as keywords
    (`tenant_id="acme"`). Where retention has removed single calls, sums answer by whole hours.
    """

    @abstractmethod
    def _ask(self, build: Callable[[int], Query]) -> list[tuple[Any, ...]]:
        """The rows that answer the question which `build` makes of `retained_since`, both of one state of the file."""

    def summary(
        self,
        since: Moment | None = None,
        until: Moment | None = None,
        *,
        where: Where | None = None,
        **filters: str | None,
    ) -> Summary:
        """All calls of a time, added up.

        Raises:
            ConfigurationError: a filter names no dimension.
        """
        start, end = nanoseconds(since), nanoseconds(until)
        known, retained = _filters(where, filters), [0]

        def build(retained_since: int) -> Query:
            retained[0] = retained_since
            return queries.grouped((), Window(start, end, retained_since), known)

        (row,) = self._ask(build)
        return Summary(
            **dict(zip(schema.MEASURES, row, strict=True)), since=start, until=end, retained_since=retained[0]
        )

    def by(
        self,
        *dimensions: str,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Where | None = None,
        **filters: str | None,
    ) -> list[dict[str, Any]]:
        """See `ports.Ledger`. `month`, `day` and `hour` are ISO texts in UTC; `tag:NAME` is a tag of the user's."""
        known = _filters(where, filters, dimensions)
        start, end = nanoseconds(since), nanoseconds(until)
        names = (*dimensions, *schema.MEASURES)
        rows = self._ask(lambda retained: queries.grouped(dimensions, Window(start, end, retained), known))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def totals(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Where | None = None,
        **filters: str | None,
    ) -> dict[str, Any]:
        """The sums over all calls, as `by` gives them for a group."""
        return self.by(since=since, until=until, where=where, **filters)[0]

    def series(
        self,
        bucket: str,
        *dimensions: str,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Where | None = None,
        **filters: str | None,
    ) -> list[Point]:
        """Sums piece by piece of time, in order; within a piece dearest first. A piece without calls has no point.

        Args:
            bucket: "hour", "day", "week" (from Monday) or "month", in UTC.
            *dimensions: what to tell apart within a piece.
            since: first moment that counts.
            until: first moment that no longer counts.
            where: dimension → value that calls must have.
            **filters: the same, as keywords.

        Raises:
            ConfigurationError: no such bucket or dimension; the message lists those there are.
        """
        known = _filters(where, filters, dimensions)
        start, end = nanoseconds(since), nanoseconds(until)
        rows = self._ask(lambda retained: queries.series(bucket, dimensions, Window(start, end, retained), known))
        first = 1 + len(dimensions)
        return [
            Point(
                start=row[0],
                group=dict(zip(dimensions, row[1:first], strict=True)),
                **dict(zip(schema.MEASURES, row[first:], strict=True)),
            )
            for row in rows
        ]

    def percentiles(
        self,
        *dimensions: str,
        percents: Sequence[int] = (50, 90, 95, 99),
        span: str = "duration",
        since: Moment | None = None,
        until: Moment | None = None,
        where: Where | None = None,
        **filters: str | None,
    ) -> list[Latency]:
        """How long calls took, by dimensions, the most frequent group first.

        Args:
            *dimensions: what to tell apart. Of provider, model, operation, status and times it is answered from histograms, of
                anything else by reading every call.
            percents: whole numbers from 0 to 100.
            span: "duration" of the whole call, or "first_chunk", the time until a stream's first piece.
            since: first moment that counts.
            until: first moment that no longer counts.
            where: dimension → value that calls must have.
            **filters: the same, as keywords.

        Raises:
            ConfigurationError: no such dimension, span or percent; the message lists those there are.
        """
        wrong = [percent for percent in percents if not 0 <= percent <= 100]
        if wrong:
            raise ConfigurationError(f"{wrong[0]!r} is no percent: give whole numbers from 0 to 100")
        window = nanoseconds(since), nanoseconds(until)
        found = [
            Latency(group=group, calls=sum(whole.values()), percentiles=latency.percentiles(whole, percents))
            for group, whole in self._histograms(dimensions, span, window, _filters(where, filters, dimensions))
        ]
        return sorted(found, key=lambda one: -one.calls)

    def durations(
        self,
        *dimensions: str,
        span: str = "duration",
        since: Moment | None = None,
        until: Moment | None = None,
        where: Where | None = None,
        **filters: str | None,
    ) -> list[Durations]:
        """How many calls took how long: what `percentiles` are read from, by the same arguments.

        Raises:
            ConfigurationError: no such dimension or span; the message lists those there are.
        """
        window = nanoseconds(since), nanoseconds(until)
        return [
            Durations(group=group, counts={latency.bounds_of(bucket): calls for bucket, calls in whole.items()})
            for group, whole in self._histograms(dimensions, span, window, _filters(where, filters, dimensions))
        ]

    def _histograms(
        self, dimensions: Sequence[str], span: str, window: tuple[int | None, int | None], where: Where
    ) -> Iterator[tuple[dict[str, str | None], Histogram]]:
        if span not in latency.SPANS:
            raise ConfigurationError(f"{span!r} is no span of time: use one of {', '.join(latency.SPANS)}")
        rows = self._ask(lambda retained: queries.histograms(span, dimensions, Window(*window, retained), where))
        parts: dict[tuple[Any, ...], list[Histogram]] = {}
        for row in rows:
            parts.setdefault(row[:-1], []).append(decode(row[-1]))
        for values, histograms in parts.items():
            yield dict(zip(dimensions, values, strict=True)), summed(histograms)

    def units(
        self,
        *dimensions: str,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Where | None = None,
        **filters: str | None,
    ) -> list[Amount]:
        """What was billed by kind (`semconv`: "input", "cache_read", "web_search", ...), by dimensions, most used first.

        No rollup knows units: this reads single calls, and finds nothing where retention has removed them (`reach`).
        """
        known = _filters(where, filters, dimensions)
        start, end = nanoseconds(since), nanoseconds(until)
        rows = self._ask(lambda retained: queries.units(dimensions, Window(start, end, retained), known))
        return [
            Amount(group=dict(zip(dimensions, values, strict=True)), unit=unit, calls=calls, amount=amount)
            for *values, unit, calls, amount in rows
        ]

    def dearest(
        self,
        limit: int,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Where | None = None,
        **filters: str | None,
    ) -> list[CallEvent]:
        """The calls that cost most, dearest first. Those of unknown cost are none of them. Reads single calls."""
        known = _filters(where, filters)
        start, end = nanoseconds(since), nanoseconds(until)
        return list(map(event_of, self._ask(lambda kept: queries.dearest(Window(start, end, kept), known, limit))))

    def savings(
        self,
        *dimensions: str,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Where | None = None,
        **filters: str | None,
    ) -> list[Saved]:
        """What routes and caches saved, by dimensions, the largest saving first; see `ports.Ledger.savings`.

        Of method, provider, model and baseline, of tenants and of tasks it is answered from sums by day, which count whole days (UTC)
        where single calls are gone; of anything else by reading the calls themselves.

        Raises:
            ConfigurationError: no such dimension; the message lists those there are.
        """
        known = {**(where or {}), **filters}
        savings.check_dimensions((*dimensions, *known))
        start, end = nanoseconds(since), nanoseconds(until)
        rows = self._ask(lambda retained: savings.grouped(dimensions, Window(start, end, retained), known))
        size = len(dimensions)
        return [Saved(dict(zip(dimensions, row[:size], strict=True)), *row[size:]) for row in rows]

    def reach(self, *dimensions: str, timed: bool = False, saved: bool = False) -> int:
        """From when on a question sees calls, if it groups or filters by these dimensions.

        Args:
            *dimensions: all that it names, those of `where` too.
            timed: whether it asks for durations.
            saved: whether it asks for savings.

        Returns:
            Nanoseconds UTC; 0 where rollups answer it, which are kept for ever.
        """
        (savings if saved else queries).check_dimensions(dimensions)
        if savings.family_of(dimensions) if saved else queries.summed_by(dimensions, timed=timed):
            return 0
        retained: int = self._ask(queries.retained)[0][0]
        return retained

    def calls(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        where: Where | None = None,
        limit: int | None = None,
        cursor: Cursor | str | None = None,
        **filters: str | None,
    ) -> Iterator[CallEvent]:
        """See `ports.Ledger`. A bounded number is fetched at a time, and no lock is held in between.

        Raises:
            ConfigurationError: a filter names no dimension, or the cursor is none.
        """
        after = Cursor.parse(cursor) if isinstance(cursor, str) else cursor
        end = nanoseconds(until)
        if after is not None:
            end = after.started_at + 1 if end is None else min(end, after.started_at + 1)
        return self._newest(nanoseconds(since), end, _filters(where, filters), limit, after)

    def _newest(
        self, since: int | None, until: int | None, where: Where, left: int | None, after: Cursor | None
    ) -> Iterator[CallEvent]:
        """Newest first, from stretch to stretch; more stretches at once where they hold few calls."""
        if where.get("id"):
            yield from self._page(Window(since, until, 0), where, 1 if left is None else min(left, 1), after)
            return
        count = 1
        while left is None or left > 0:
            chosen = self._stretches(since, until, count)
            if not chosen or (since is not None and until is not None and until <= since):
                return
            first = chosen[-1] if since is None else max(chosen[-1], since)
            size = _AT_ONCE if left is None else min(left, _AT_ONCE)
            events = self._page(Window(first, until, 0), where, size, after)
            yield from events
            left = None if left is None else left - len(events)
            if len(events) == size:
                after = Cursor.after(events[-1])
                until, count = after.started_at + 1, 1
            else:
                until, count = first, min(2 * count, _LONGEST)

    def _stretches(self, since: int | None, until: int | None, count: int) -> list[int]:
        return [row[0] for row in self._ask(lambda _: queries.stretches(since, until, count))]

    def _page(self, window: Window, where: Where, size: int, after: Cursor | None) -> list[CallEvent]:
        place = None if after is None else (after.started_at, after.id)
        return list(map(event_of, self._ask(lambda _: queries.newest(window, where, size, place))))


def _filters(where: Where | None, filters: Where, dimensions: Sequence[str] = ()) -> Where:
    known = {**(where or {}), **filters}
    queries.check_dimensions((*dimensions, *known))
    return known
