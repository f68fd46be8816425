"""The ledger in Prometheus' words. Imports core, budgets and the ledger; prometheus_client (extra `prometheus`) when it is used.

Every number is read from the ledger when it is asked for, so that all programs that write to it add up, and from sums that outlive
single calls, so that no counter falls because calls are removed. What is corrected (`farebox reprice`, an estimate made exact) could
make one fall, which Prometheus would take for a restart: a collector holds the higher value until it is passed.

Labels are bounded: the values that had cost most when this month began are named, then new ones while there is room, and the rest is
"other". Which are named stays while the collector lives.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from farebox.budgets.status import BudgetStatus
from farebox.core import semconv
from farebox.core.errors import ConfigurationError
from farebox.core.ports import Ledger

OTHER: Final = "other"
"""The label of values that have none of their own. Calls without a value have the label ""."""

TOP: Final = 100
"""Values of a label that are named, if nothing else is said."""

BOUNDS: Final = tuple(2**power for power in range(23, 39))
"""Where buckets of durations end, in nanoseconds: 8 ms, doubled up to 275 s. They are edges of the ledger's own, so that counts are exact."""

_HOUR: Final = 3600 * 10**9
_NANO: Final = Decimal(10) ** -9

Row = Mapping[str, Any]

_TOKENS: Final[dict[str, Callable[[Row], int]]] = {
    "input": lambda row: int(row["input_tokens"] - row["cache_read_tokens"] - row["cache_write_tokens"]),
    "cache_read": lambda row: int(row["cache_read_tokens"]),
    "cache_write": lambda row: int(row["cache_write_tokens"]),
    "output": lambda row: int(row["output_tokens"]),
}
"""Kinds of tokens, which are disjoint."""

_GROUPS: Final = (
    ("farebox", ("provider", "model")),
    ("farebox_tenant", ("tenant_id",)),
    ("farebox_task", ("task_type",)),
    ("farebox_operation", ("operation",)),
)
"""Beginnings of names, and the dimensions that sums which outlive single calls tell apart."""

_LABELS: Final = {"tenant_id": "tenant", "task_type": "task"}


class LedgerCollector:
    """A collector for a registry of prometheus_client: `REGISTRY.register(LedgerCollector(ledger))`. Keep one: see above.

    Args:
        ledger: what is read, at every `collect`.
        budgets: how standing budgets stand, for example `farebox.budget_status`.
        top: values of a label that are named.

    Raises:
        ConfigurationError: prometheus_client is not installed.
    """

    def __init__(
        self, ledger: Ledger, *, budgets: Callable[[], Sequence[BudgetStatus]] = tuple, top: int = TOP
    ) -> None:
        self._families = _client().core
        self._ledger = ledger
        self._budgets = budgets
        self._top = top
        names = [name for _, dimensions in _GROUPS for name in dimensions]
        self._named = {name: _Named(name, top) for name in names}
        self._highest: dict[tuple[str, ...], int] = {}

    def describe(self) -> Iterable[Any]:
        """Nothing, so that to register is not to read."""
        return ()

    def collect(self) -> Iterator[Any]:
        """Every family, of the ledger as it is now.

        Raises:
            LedgerError: it cannot be read.
        """
        now = time.time_ns()
        for named in self._named.values():
            named.look(self._ledger, now)
        for prefix, dimensions in _GROUPS:
            yield from self._sums(prefix, dimensions)
        yield self._durations("duration", "farebox_call_duration_seconds", "How long calls took.")
        yield self._durations("first_chunk", "farebox_call_first_chunk_seconds", "Until the first chunk of a stream.")
        yield from self._last_hour(now)
        yield from self._standing()

    def _sums(self, prefix: str, dimensions: tuple[str, ...]) -> Iterator[Any]:
        """Counters of all calls that ever were, by dimensions."""
        cost, calls, unpriced, refused, tokens = (Counter[tuple[str, ...]]() for _ in range(5))
        for row in self._ledger.by(*dimensions, "status"):
            labels = tuple(self._named[name].label(row[name]) for name in dimensions)
            if row["status"] == semconv.STATUS_REFUSED:
                refused[labels] += row["calls"]
                continue
            cost[labels] += row["cost_nano"]
            calls[*labels, str(row["status"])] += row["calls"]
            unpriced[labels] += row["unpriced"]
            for kind, count in _TOKENS.items():
                tokens[*labels, kind] += count(row)
        by = [_LABELS.get(name, name) for name in dimensions]
        yield self._counter(f"{prefix}_cost_usd", "Known cost in US dollars.", by, cost, scale=_NANO)
        yield self._counter(f"{prefix}_calls", "Calls that were sent, by how they ended.", [*by, "status"], calls)
        yield self._counter(
            f"{prefix}_unpriced_calls", "Calls whose cost is unknown, and not in the cost.", by, unpriced
        )
        yield self._counter(f"{prefix}_tokens", "Tokens, by disjoint kinds.", [*by, "type"], tokens)
        yield self._counter(f"{prefix}_budget_exceeded", "Calls that a budget refused; not sent.", by, refused)

    def _counter(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        counts: Mapping[tuple[str, ...], int],
        scale: Decimal = _NANO * 10**9,
    ) -> Any:
        family = self._families.CounterMetricFamily(name, text, labels=labels)
        for values, count in sorted(counts.items()):
            family.add_metric(values, float(self._held(name, values, count) * scale))
        return family

    def _held(self, name: str, labels: tuple[str, ...], count: int) -> int:
        """The count, or the highest that was told of it."""
        key = (name, *labels)
        self._highest[key] = max(count, self._highest.get(key, 0))
        return self._highest[key]

    def _durations(self, span: str, name: str, text: str) -> Any:
        """A histogram without a sum, which the ledger does not keep."""
        found: dict[tuple[str, ...], Counter[int]] = {}
        for one in self._ledger.durations("provider", "model", span=span):
            labels = tuple(self._named[name].label(value) for name, value in one.group.items())
            ends = found.setdefault(labels, Counter())
            for (_, end), calls in one.counts.items():
                ends[end] += calls
        family = self._families.HistogramMetricFamily(name, text, labels=["provider", "model"])
        for labels, ends in sorted(found.items()):
            total = self._held(name, (*labels, "+Inf"), ends.total())
            below = [
                # A bucket ends before its bound, and `le` belongs to it: whole nanoseconds, so one less.
                (repr(float((bound - 1) * _NANO)), self._held(name, (*labels, str(bound)), _up_to(ends, bound)))
                for bound in BOUNDS
            ]
            family.add_metric(labels, [*below, ("+Inf", total)], None)
            family.add_sample(f"{name}_count", dict(zip(("provider", "model"), labels, strict=True)), total)
        return family

    def _last_hour(self, now: int) -> Iterator[Any]:
        """By the name of the innermost budget, which is that of its tier: gauges, because no sum that outlives single calls knows it."""
        cost, refused = Counter[str](), Counter[str]()
        for row in self._ledger.by("budget", "status", since=now - _HOUR):
            if row["budget"] is not None:
                cost[row["budget"]] += row["cost_nano"]
                refused[row["budget"]] += row["calls"] if row["status"] == semconv.STATUS_REFUSED else 0
        kept = {name for name, _ in sorted(cost.items(), key=lambda item: (-item[1], item[0]))[: self._top]}
        for name, text, counts, scale in (
            ("farebox_budget_last_hour_cost_usd", "Known cost of the last 60 minutes by budget or tier.", cost, _NANO),
            (
                "farebox_budget_last_hour_exceeded",
                "Calls refused in the last 60 minutes by budget or tier.",
                refused,
                Decimal(1),
            ),
        ):
            sums = Counter[str]()
            for budget, count in counts.items():
                sums[budget if budget in kept else OTHER] += count
            family = self._families.GaugeMetricFamily(name, text, labels=["budget"])
            for budget, count in sorted(sums.items()):
                family.add_metric([budget], float(count * scale))
            yield family

    def _standing(self) -> Iterator[Any]:
        """Standing budgets, the fullest buckets."""
        found = sorted(self._budgets(), key=lambda one: (-one.utilization, one.name, one.bucket or ""))
        labels = ["budget", "bucket", "window", "unit"]
        for name, text in (
            ("limit", "What may be spent in the window."),
            ("spent", "What is spent in the window."),
            ("held", "What calls in flight hold."),
            ("utilization", "Share of the limit that is spent; 1 is all of it."),
        ):
            family = self._families.GaugeMetricFamily(f"farebox_budget_{name}", text, labels=labels)
            for one in found[: self._top]:
                family.add_metric([one.name, one.bucket or "", one.window, one.unit], float(getattr(one, name)))
            yield family
        family = self._families.GaugeMetricFamily(
            "farebox_budget_buckets", "Buckets of standing budgets.", labels=["over"]
        )
        for over in (False, True):
            family.add_metric([str(over).lower()], sum(one.over is over for one in found))
        yield family


def exposition(collector: LedgerCollector) -> tuple[bytes, str]:
    """What `/metrics` answers: the text, and its media type.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    client = _client()
    registry = client.CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return client.generate_latest(registry), client.CONTENT_TYPE_LATEST


class _Named:
    """The values of a dimension that have a label of their own."""

    def __init__(self, dimension: str, top: int) -> None:
        self._dimension = dimension
        self._top = top
        self._names: set[str] = set()
        self._looked = False

    def look(self, ledger: Ledger, now: int) -> None:
        """Name the dearest of the past months first, so that a collector that starts anew names the same; then whoever is new."""
        day = datetime.fromtimestamp(now // 10**9, UTC)
        month = int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()) * 10**9
        if not self._looked:
            self._add(row[self._dimension] for row in ledger.by(self._dimension, until=month))
            self._looked = True
        if len(self._names) < self._top:
            self._add(point.group[self._dimension] for point in ledger.series("day", self._dimension, since=month))

    def label(self, value: str | None) -> str:
        """The label of a value."""
        return "" if value is None else value if value in self._names else OTHER

    def _add(self, values: Iterable[str | None]) -> None:
        for value in values:
            if value is not None and len(self._names) < self._top:
                self._names.add(value)


def _up_to(ends: Mapping[int, int], bound: int) -> int:
    return sum(calls for end, calls in ends.items() if end <= bound)


def _client() -> Any:
    try:
        import prometheus_client
        import prometheus_client.core
    except ImportError:
        raise ConfigurationError("metrics need prometheus_client: pip install 'farebox[prometheus]'") from None
    return prometheus_client
