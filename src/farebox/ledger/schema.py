"""The ledger's tables as SQL: the file is the API, so names here are promises. Imports nothing.

Times are integer nanoseconds UTC, money is integer nano-dollars, lists and objects are JSON text. Rollups hold '' where a call has
no value, because NULLs in a key are never equal.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MIGRATIONS: Final = """
CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL
)
"""

CALLS: Final = """
CREATE TABLE calls (
    id TEXT NOT NULL PRIMARY KEY,
    parent_id TEXT,
    started_at INTEGER NOT NULL,
    duration_ns INTEGER,
    first_chunk_ns INTEGER,
    kind TEXT NOT NULL,
    provider TEXT NOT NULL,
    server_address TEXT,
    operation TEXT NOT NULL,
    api TEXT,
    request_model TEXT,
    response_model TEXT,
    response_id TEXT,
    service TEXT,
    stream INTEGER NOT NULL,
    status TEXT NOT NULL,
    error_type TEXT,
    attempts INTEGER NOT NULL,
    input_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    output_tokens INTEGER,
    reasoning_tokens INTEGER,
    units TEXT,
    raw_usage TEXT,
    usage_notes TEXT,
    service_tier TEXT,
    batch INTEGER NOT NULL,
    cost_nano INTEGER,
    cost_low_nano INTEGER,
    cost_high_nano INTEGER,
    cost_status TEXT NOT NULL,
    cost_missing TEXT,
    price_book TEXT,
    tenant_id TEXT,
    workspace_id TEXT,
    user_id TEXT,
    task_type TEXT,
    chain_id TEXT,
    session_id TEXT,
    budget TEXT,
    tags TEXT,
    baseline_model TEXT,
    baseline_cost_nano INTEGER,
    route_reason TEXT,
    trace_id TEXT,
    span_id TEXT
) WITHOUT ROWID
"""

PARTS: Final = "CREATE INDEX calls_by_parent ON calls (parent_id) WHERE parent_id IS NOT NULL"
"""Few calls are parts of something: of a batch, or of a loop that runs tools."""

IDS_BY_STRETCH: Final = """
CREATE TABLE ids_by_stretch (
    stretch INTEGER NOT NULL PRIMARY KEY,
    first_id TEXT NOT NULL,
    last_id TEXT NOT NULL
)
"""
"""Between which ids the calls that started in five minutes lie: `calls` is ordered by id, and ids (UUIDv7) by time.

It stands in for an index on `started_at`, which would cost 57 bytes a call. Calls whose ids were made long after they started, as
in an import, widen their stretch: slower to read, never missed.
"""

FACTS: Final = """
CREATE TABLE facts (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID
"""
"""What is true of the whole file: `ledger` (its id, which copies share), `retained_since` (calls that started before are in the
rollups only; nanoseconds UTC)."""

MERGES: Final = """
CREATE TABLE merges (
    ledger TEXT NOT NULL PRIMARY KEY,
    retained_since INTEGER NOT NULL,
    merged_at INTEGER NOT NULL
) WITHOUT ROWID
"""
"""Which other ledgers were merged into this one, and what they had only rollups of at that time."""

MEASURES: Final = (
    "calls",
    "errors",
    "unpriced",
    "estimated",
    "partial",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "cost_nano",
)
"""What is summed, in rollups and answers. Unknown tokens and costs add nothing; `unpriced` says how many costs are unknown."""

MEASURE_OF_CALL: Final = (
    "1",
    "status = 'error'",
    "cost_status = 'unpriced'",
    "cost_status = 'estimated'",
    "cost_status = 'partial'",
    "coalesce(input_tokens, 0)",
    "coalesce(cache_read_tokens, 0)",
    "coalesce(cache_write_tokens, 0)",
    "coalesce(output_tokens, 0)",
    "coalesce(cost_nano, 0)",
)
"""The measures of one row of `calls`, in the order of `MEASURES`."""

SAVED: Final = ("calls", "unknown", "cost_nano", "baseline_nano")
"""What is summed of savings. Calls whose cost or baseline is unknown add nothing to the money; `unknown` says how many they are."""

_SURE: Final = "cost_nano IS NOT NULL AND baseline_cost_nano IS NOT NULL"
SAVED_BY_CALL: Final = (
    "1",
    f"NOT ({_SURE})",
    f"CASE WHEN {_SURE} THEN cost_nano ELSE 0 END",
    f"CASE WHEN {_SURE} THEN baseline_cost_nano ELSE 0 END",
)
"""The measures of one row of the view `savings`, in the order of `SAVED`."""

STRETCH_NS: Final = 300_000_000_000
HOUR_NS: Final = 3_600_000_000_000
DAY_NS: Final = 24 * HOUR_NS

GRAINS: Final = (("hour", HOUR_NS), ("day", DAY_NS))
"""Families of rollups have a table by day (UTC), most have one by hour: the day's answers a month, the hour's the ends of the month."""


class Family(NamedTuple):
    """Rollups over the same dimensions.

    Attributes:
        name: how its tables' names begin.
        dimensions: what is told apart, beside the time.
        measures: what is summed.
        hourly: whether there is a table by hour; else a finer family's answers.
    """

    name: str
    dimensions: tuple[str, ...]
    measures: tuple[str, ...] = MEASURES
    hourly: bool = True

    @property
    def grains(self) -> tuple[tuple[str, int], ...]:
        """Its tables' names of time, and nanoseconds of each."""
        return GRAINS if self.hourly else GRAINS[1:]

    def table(self, grain: str) -> str:
        """Name of its table by "hour" or "day"."""
        return f"{self.name}_by_{grain}"

    def create(self, grain: str) -> str:
        """SQL that makes the table."""
        columns = [f"{grain} INTEGER NOT NULL"]
        columns += [f"{name} TEXT NOT NULL" for name in self.dimensions]
        columns += [f"{name} {'TEXT' if name == 'histogram' else 'INTEGER'} NOT NULL" for name in self.measures]
        key = ", ".join((grain, *self.dimensions))
        return f"CREATE TABLE {self.table(grain)} ({', '.join(columns)}, PRIMARY KEY ({key})) WITHOUT ROWID"


SPEND_FAMILY: Final = Family("spend", ("kind", "provider", "model", "operation", "status"))
TENANTS: Final = Family("tenants", ("tenant_id", "status"), hourly=False)
TASKS: Final = Family("tasks", ("task_type", "status"), hourly=False)
TENANT_TASKS: Final = Family("tenant_tasks", ("tenant_id", "task_type", "status"))
FAMILIES: Final = (SPEND_FAMILY, TENANTS, TASKS, TENANT_TASKS)
"""Sums of money and tokens; a question is answered by the first that knows all of its dimensions."""

SAVINGS: Final = Family("savings", ("method", "provider", "model", "baseline_model"), SAVED, hourly=False)
TENANT_SAVINGS: Final = Family("tenant_savings", ("method", "baseline_model", "tenant_id"), SAVED, hourly=False)
TASK_SAVINGS: Final = Family("task_savings", ("method", "baseline_model", "task_type"), SAVED, hourly=False)
SAVING_FAMILIES: Final = (SAVINGS, TENANT_SAVINGS, TASK_SAVINGS)
"""Sums over the view `savings`: only calls that have a baseline are in them, so that they stay small."""

LATENCY: Final = Family("latency", ("provider", "model", "operation", "status", "span"), ("histogram",))
"""Durations: `span` is "duration" or "first_chunk", `histogram` is JSON of bucket → calls, see `latency.bucket_of`.

One row holds a whole histogram: a row for each bucket took 2.6 times the CPU at ingest, and 110 bytes a call where calls are few.
"""

JOURNALS: Final = """
CREATE TABLE journals (
    journal TEXT NOT NULL PRIMARY KEY,
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL
) WITHOUT ROWID
"""
"""How far each journal has been ingested."""

SPEND: Final = """
CREATE VIEW spend AS
SELECT
    id,
    strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1e9, 'unixepoch') AS started,
    duration_ns / 1e9 AS seconds,
    kind, provider, operation,
    coalesce(nullif(request_model, ''), response_model) AS model,
    response_model, status, error_type,
    input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
    cost_nano / 1e9 AS cost_usd,
    cost_status,
    tenant_id, workspace_id, user_id, task_type, chain_id, session_id, budget, service, tags
FROM calls
"""
"""For people: dollars and ISO times. Dollars are floating-point here; `calls.cost_nano` is exact."""

PAID: Final = "kind <> 'cache_hit'"
"""Of `calls`, those that went to a provider. Sums are over these, unless `kind` is asked for."""

UNCACHED: Final = "ALTER TABLE calls ADD COLUMN uncached_cost_nano INTEGER"

_WHOSE: Final = """id, parent_id, started_at, kind, provider, server_address, operation, api, request_model, response_model, response_id,
    service, status, error_type, service_tier, cost_nano, cost_status, cost_missing, price_book, tenant_id, workspace_id, user_id,
    task_type, chain_id, session_id, budget, tags, route_reason, trace_id, span_id"""


def savings_of_calls(chosen: str = "1") -> str:
    """SQL for what each call saved; `chosen` is SQL for which calls, inside each part, where a key can serve it."""
    return f"""
SELECT 'routing' AS method, {_WHOSE}, baseline_model, baseline_cost_nano
FROM calls
WHERE {PAID} AND baseline_model IS NOT NULL AND (units IS NOT NULL OR coalesce(cost_nano, 1) <> 0) AND {chosen}
UNION ALL
SELECT 'prompt_cache' AS method, {_WHOSE}, NULL AS baseline_model, uncached_cost_nano AS baseline_cost_nano
FROM calls
WHERE {PAID} AND (uncached_cost_nano IS NOT NULL OR cache_read_tokens > 0 OR cache_write_tokens > 0) AND {chosen}
UNION ALL
SELECT 'local_cache' AS method, {_WHOSE}, baseline_model, baseline_cost_nano
FROM calls
WHERE kind = 'cache_hit' AND {chosen}
"""  # noqa: S608 - names of ours


SAVINGS_VIEW: Final = f"CREATE VIEW savings AS {savings_of_calls()}"
"""What each call saved against what: `baseline_cost_nano - cost_nano`. A call may stand here twice, by two methods.

Calls that used nothing and cost nothing (refused, failed) are no savings.
"""
