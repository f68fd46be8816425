"""The values that cross the walls beside Usage: a call about to be made, a call done, a thing told of later. Imports core only.

`CallEvent` has the columns of the ledger's `calls` table, name by name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from farebox.core import semconv
from farebox.core.money import Money
from farebox.core.usage import Count, Usage


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
        extra: facts from the client that price the call: `location`, `data_residency`, and a `header` that decides what is billed.
        units: what the request alone says will be billed, for answers that do not count it: images by size, characters.
        begun: whether the provider began it by itself: budgets are charged, and can no longer refuse.
        waits: whether whoever opens it can wait in line for a budget.
        adjusts: whether whoever opens it can send it with `Limits`.
        counts_attempts: whether `attempts_allowed` is a number that the SDK keeps to: one that retries by time keeps to none.
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
    units: dict[str, Count] | None = None
    begun: bool = False
    waits: bool = False
    adjusts: bool = False
    counts_attempts: bool = True


class Limits(msgspec.Struct, frozen=True):
    """How a request is sent so that it cannot cost more than is held for it.

    Attributes:
        attempts: how often the SDK may send it at most; None: as it is.
        output: the most tokens of output that it may ask for; None: as it is.
        place: where the body says that, from the outermost name to the innermost.
    """

    attempts: int | None = None
    output: int | None = None
    place: tuple[str, ...] = ()


class Told(msgspec.Struct, gc=False):
    """Something that was paid for earlier and whose usage an answer states now: a background response, a line of a batch.

    The same thing may be told of any number of times, in any process: `key` makes it one event.

    Attributes:
        key: the provider's own id of the thing.
        request: what it was, as far as the answer says; `request.body` is empty.
        usage: what it used; None when the answer does not say (yet).
        model: the model that answered.
        response_id: the provider's id of the answer.
        created: when the provider made it, in seconds since the epoch; None when it does not say. Part of the identity.
        group: key of the batch whose lines are billed one by one; shared by the batch and its lines.
        pending: it goes on, and its usage comes later.
        void: it failed and is not billed.
        status: how it ended (`semconv.STATUS_*`).
    """

    key: str
    request: CallRequest
    usage: Usage | None = None
    model: str | None = None
    response_id: str | None = None
    created: int | None = None
    group: str | None = None
    pending: bool = False
    void: bool = False
    status: str = semconv.STATUS_OK


class CallEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One paid call, done: numbers, names and ids, no content.

    Times are integer nanoseconds (UTC epoch for `started_at`), money is integer nano-dollars.
    `input_tokens` and the other totals are inclusive; `units` are disjoint, and `usage_notes` say where they do not
    add up to what the provider states. None means unknown, never zero.

    `baseline_cost_nano` is the same usage on `baseline_model`, `uncached_cost_nano` the same tokens without the provider's cache.
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
    uncached_cost_nano: int | None = None

    @property
    def cost(self) -> Money | None:
        """Dollars, or None when the call could not be priced."""
        return None if self.cost_nano is None else Money.from_nano(self.cost_nano)

    @property
    def certainty(self) -> int:
        """How sure the event is, where the same thing is told of twice: 0 lost in flight, 1 cost not known, 2 known."""
        if self.status == semconv.STATUS_LOST:
            return 0
        return 1 if self.cost_status in _UNSURE else 2


_UNSURE = frozenset({semconv.COST_ESTIMATED, semconv.COST_UNPRICED})


def emptied(event: CallEvent) -> CallEvent:
    """The event of a batch whose lines are billed in its place: it stays, and counts nothing."""
    return msgspec.structs.replace(
        event,
        input_tokens=None,
        cache_read_tokens=None,
        cache_write_tokens=None,
        output_tokens=None,
        reasoning_tokens=None,
        units=None,
        usage_notes=(LINE_BY_LINE,),
        cost_nano=0,
        cost_low_nano=None,
        cost_high_nano=None,
        cost_status=semconv.COST_PRICED,
        cost_missing=(),
        baseline_model=None,
        baseline_cost_nano=None,
        uncached_cost_nano=None,
    )


LINE_BY_LINE = "billed line by line"
"""Note on the event of a batch that counts nothing itself."""
