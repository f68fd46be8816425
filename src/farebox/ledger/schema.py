"""The ledger's tables as SQL: the file is the API, so names here are promises. Imports nothing.

Times are integer nanoseconds UTC, money is integer nano-dollars, lists and objects are JSON text. Rollups hold '' where a call has
no value, because NULLs in a key are never equal.
"""

from __future__ import annotations

from typing import Final

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

IDS_BY_HOUR: Final = """
CREATE TABLE ids_by_hour (
    hour INTEGER NOT NULL PRIMARY KEY,
    first_id TEXT NOT NULL,
    last_id TEXT NOT NULL
)
"""
"""Between which ids the calls that started in an hour lie: `calls` is ordered by id, and ids (UUIDv7) by time.

It stands in for an index on `started_at`, which would cost 57 bytes a call. Calls whose ids were made long after they started, as
in an import, widen their hour: slower to read, never missed.
"""

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

HOURS: Final = ("hour", "kind", "provider", "model", "operation", "status")
"""Key of `spend_by_hour`."""

DAYS: Final = ("day", "tenant_id", "task_type", "status")
"""Key of `spend_by_day`."""


def rollup(name: str, key: tuple[str, ...]) -> str:
    """The table that holds the measures summed by `key`, whose first part is a time."""
    columns = [f"{key[0]} INTEGER NOT NULL"]
    columns += [f"{column} TEXT NOT NULL" for column in key[1:]]
    columns += [f"{column} INTEGER NOT NULL" for column in MEASURES]
    return f"CREATE TABLE {name} ({', '.join(columns)}, PRIMARY KEY ({', '.join(key)})) WITHOUT ROWID"


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
