"""Reconciles: fetches statements, compares each day with the ledger, and keeps what came out. Imports core, ledger and its neighbours here."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from farebox.core.ports import Ledger
from farebox.reconcile import days, shifts
from farebox.reconcile.compare import compare
from farebox.reconcile.fetch import Horizon, fetch
from farebox.reconcile.metered import DayOfCalls
from farebox.reconcile.outcome import MISSING, OPEN, DayResult
from farebox.reconcile.pages import Clock, StatementError
from farebox.reconcile.readers import READERS, Reader
from farebox.reconcile.statement import Coverage, Dimensions, Statement
from farebox.reconcile.store import StatementStore, statements_path
from farebox.reconcile.tail import last_calls
from farebox.reconcile.working import Facts
from farebox.reconcile_settings import BillSource, ReconcileSettings

DEFAULT_DAYS: Final = 7
"""Days that are looked at where nobody says how many."""
FURTHEST_DAYS: Final = 62
"""Days back that one is looked for which was open, or could not be had."""


class Reconciliation(msgspec.Struct, frozen=True):
    """What a run found.

    Attributes:
        results: each provider's days, in order.
        gaps: what could not be had, in sentences.
    """

    results: tuple[DayResult, ...]
    gaps: tuple[str, ...]


def reconcile(
    ledger: Ledger,
    path: Path,
    *,
    settings: ReconcileSettings | None = None,
    providers: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
    again: bool = False,
    clock: Clock | None = None,
) -> Reconciliation:
    """Compare bills with a ledger, day by day. What cannot be had is said, and computed costs stay.

    Args:
        ledger: what was metered.
        path: the ledger's file; what is fetched and found lies beside it.
        settings: where bills are from.
        providers: whose; none: those that the ledger has calls of and that can be read.
        since: first ISO day, UTC; None: six days ago, or the first that an earlier run left open.
        until: last ISO day; None: today.
        again: fetch days anew that are final.
        clock: the time; for tests.

    Raises:
        ConfigurationError: a provider's bill is not known, or a setting cannot be used.
        LedgerError: the file cannot be used.
    """
    settings = settings or ReconcileSettings()
    clock = clock or Clock()
    today = days.day_of(int(clock.now() * days.NANO))
    results: list[DayResult] = []
    gaps: list[str] = []
    with StatementStore(statements_path(path)) as store:
        wanted = days.span(since or _first(store, today), min(until or today, today))
        chosen = providers or _metered_providers(ledger, settings, wanted)
        if not chosen:
            gaps.append(
                "nothing to reconcile: the ledger has no calls of these days at a provider whose bill can be read"
            )
        for provider in chosen:
            own = Clock(clock.now, clock.sleep)
            one = _Provider(ledger, provider, settings, store, own)
            found, missing = one.days(wanted, again=again)
            store.write(found, int(clock.now() * days.NANO))
            store.note(provider, missing, int(clock.now() * days.NANO))
            results += found
            gaps += missing
    return Reconciliation(tuple(results), tuple(gaps))


def _first(store: StatementStore, today: str) -> str:
    """A week ago, or the first day before that of which an earlier run said that it was not final."""
    week = days.after(today, 1 - DEFAULT_DAYS)
    earlier = store.results(since=days.after(today, -FURTHEST_DAYS), until=week)
    return min([week, *(result.day for result in earlier if result.status in (OPEN, MISSING))])


def _metered_providers(ledger: Ledger, settings: ReconcileSettings, wanted: Sequence[str]) -> list[str]:
    if not wanted:
        return []
    since, until = days.start_ns(wanted[0]), days.start_ns(days.after(wanted[-1]))
    metered_here = {row["provider"] for row in ledger.by("provider", since=since, until=until)}
    readable = {name for name in READERS if name != "table"} & metered_here
    return sorted(readable | set(settings.sources))


class _Provider:
    """One provider's days."""

    def __init__(
        self, ledger: Ledger, provider: str, settings: ReconcileSettings, store: StatementStore, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._provider = provider
        self._source = settings.sources.get(provider, BillSource())
        self._store = store
        self._horizon = Horizon(settings.grace_hours * 3600.0, clock)

    def days(self, wanted: Sequence[str], *, again: bool) -> tuple[list[DayResult], list[str]]:
        """The results, and what is missing."""
        if not wanted:
            return [], []
        try:
            reader = self._reader()
        except StatementError as error:
            return self._without(wanted), [f"{self._provider}: {error}"]
        with contextlib.closing(reader):
            statement = fetch(self._provider, reader, wanted, store=self._store, horizon=self._horizon, again=again)
        return shifts.told([self._day(day, statement) for day in wanted]), statement.gaps

    def _without(self, wanted: Sequence[str]) -> list[DayResult]:
        """The days where no statement can be asked for: as they were found before, else with the computed costs alone."""
        known = {
            result.day: result
            for result in self._store.results(provider=self._provider, since=wanted[0], until=wanted[-1])
            if result.complete
        }
        nothing = Statement(provider=self._provider, source="", dimensions=Dimensions())
        return [known[day] if day in known else self._day(day, nothing) for day in wanted]

    def _reader(self) -> Reader:
        name = "table" if self._source.columns is not None else self._provider
        reader: Reader = READERS[name](self._provider, self._source, self._horizon.clock)
        return reader

    def _day(self, day: str, statement: Statement) -> DayResult:
        dimensions = statement.dimensions
        calls = DayOfCalls(self._ledger, self._provider, day, dimensions)
        found = calls.metered()
        if found.sums_only and (finer := self._finer(day)) is not None:
            return finer
        facts = Facts(
            provider=self._provider,
            day=day,
            usage=tuple(line for line in statement.usage if line.day == day),
            money=tuple(line for line in statement.money if line.day == day),
            coverage=statement.days.get(day, Coverage(usage=False, money=False, fetched_at=0)),
            dimensions=dimensions,
            metered=found,
            is_open=self._horizon.is_open(day),
            places=statement.places(),
            our_keys=frozenset(self._source.our_keys),
            came=lambda: DayOfCalls(self._ledger, self._provider, days.after(day, -1), dimensions).over_midnight(),
            went=calls.over_midnight,
            tail=lambda lacking: last_calls(calls.newest_first(), lacking),
        )
        return compare(facts, source=statement.source, notes=tuple(statement.remarks))

    def _finer(self, day: str) -> DayResult | None:
        """What an earlier run found while the single calls of a day were there; it is better than what their sums tell now."""
        known = self._store.results(provider=self._provider, since=day, until=day)
        return known[0] if known and known[0].complete and known[0].tokens and known[0].status != OPEN else None
