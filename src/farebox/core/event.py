"""The two values that cross the walls beside Usage: a call about to be made, and a call done. Imports core only.

`CallEvent` has the columns of the ledger's `calls` table, name by name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from farebox.core import semconv
from farebox.core.money import Money
from farebox.core.usage import Count


class CallRequest(msgspec.Struct, gc=False):
    """A paid call about to be sent, in no SDK's words. Its body is read for estimates and never kept.

    Attributes:
        provider: who bills it (`semconv`), decided by the host.
        operation: OpenTelemetry operation name.
        api: the interface, which decides the field names of body and usage.
        model: as asked for, or None.
        body: the request body as the SDK will serialise it (may hold one-shot iterators: never iterate anything but dict, list, tuple).
        server_address: host name of the server.
        stream: whether the answer is asked for as a stream.
        attempts_allowed: how often the SDK may send it (retries + 1).
        extra: facts from the client that price the call: `location`, `data_residency`.
    """

    provider: str
    operation: str
    api: str
    model: str | None
    body: Any = None
    server_address: str | None = None
    stream: bool = False
    attempts_allowed: int = 1
    extra: dict[str, str] | None = None


class CallEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One paid call, done: numbers, names and ids, no content.

    Times are integer nanoseconds (UTC epoch for `started_at`), money is integer nano-dollars.
    `input_tokens` and the other totals are inclusive; `units` are disjoint, and `usage_notes` say where they do not
    add up to what the provider states. None means unknown, never zero.
    """

    id: str
    started_at: int
    provider: str
    operation: str
    parent_id: str | None = None
    duration_ns: int | None = None
    first_chunk_ns: int | None = None
    kind: str = semconv.KIND_LLM
    server_address: str | None = None
    api: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    service: str | None = None
    stream: bool = False
    status: str = semconv.STATUS_OK
    error_type: str | None = None
    attempts: int = 1
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    units: dict[str, Count] | None = None
    raw_usage: dict[str, Any] | None = None
    usage_notes: tuple[str, ...] = ()
    service_tier: str | None = None
    batch: bool = False
    cost_nano: int | None = None
    cost_low_nano: int | None = None
    cost_high_nano: int | None = None
    cost_status: str = semconv.COST_UNPRICED
    cost_missing: tuple[str, ...] = ()
    price_book: str | None = None
    tenant_id: str | None = None
    workspace_id: str | None = None
    user_id: str | None = None
    task_type: str | None = None
    chain_id: str | None = None
    session_id: str | None = None
    budget: str | None = None
    tags: dict[str, str] | None = None
    baseline_model: str | None = None
    baseline_cost_nano: int | None = None
    route_reason: str | None = None
    trace_id: str | None = None
    span_id: str | None = None

    @property
    def cost(self) -> Money | None:
        """Dollars, or None when the call could not be priced."""
        return None if self.cost_nano is None else Money.from_nano(self.cost_nano)
