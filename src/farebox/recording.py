"""What a program tells of calls that no instrument sees, of its own caches and routes. May import the runtime and everything below it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from farebox import runtime, scopes
from farebox.core import context, semconv
from farebox.core.context import Attribution
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent, CallRequest
from farebox.core.money import Amount, parse_amount
from farebox.core.usage import Usage
from farebox.extraction.read import read

_LONGEST: Final = 10**9
"""Seconds; a call that took thirty years is a mistake."""
_STATUSES: Final = frozenset(
    {semconv.STATUS_OK, semconv.STATUS_ERROR, semconv.STATUS_CANCELLED, semconv.STATUS_ABANDONED}
)


def record_call(
    *,
    provider: str,
    model: str,
    usage: Usage | Mapping[str, Any],
    operation: str = semconv.CHAT,
    cost: Amount | None = None,
    duration: float | None = None,
    status: str = semconv.STATUS_OK,
    response_id: str | None = None,
    started_at: datetime | None = None,
    tags: Mapping[str, object] | None = None,
) -> CallEvent:
    """Write a call that no instrument saw, for example one of another client library. Budgets around it are charged.

    Args:
        provider: who bills it.
        model: the model that answered.
        usage: the provider's usage object, as plain data or as the SDK gives it; or a `Usage`. Empty where the provider told only
            money or time: the cost is then `cost`, else unknown.
        operation: OpenTelemetry's operation name.
        cost: dollars, when the provider stated them; None: priced by the book.
        duration: seconds.
        status: "ok", "error", "cancelled" or "abandoned".
        response_id: the provider's id of the answer.
        started_at: when it was sent; default: now. Must have a time zone.
        tags: more names to group by.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    _check_record(operation, status, started_at, duration, provider, model)
    found = _usage(usage, provider)
    request = CallRequest(provider=provider, operation=operation, api="", model=model)
    nano = None if cost is None else parse_amount(cost, what="cost")
    with scopes.tagged(tags):
        return runtime.current().meter.record(
            request,
            found,
            quote=None if nano is None else (nano, semconv.COST_PROVIDER, ()),
            duration_ns=nanoseconds(duration),
            started_at=moment(started_at),
            status=status,
            response_id=None if response_id is None else str(response_id),
        )


def record_cache_hit(*, provider: str, model: str, usage: Usage | Mapping[str, Any], cache: str = "local") -> CallEvent:
    """Write that a cache of the program's answered, so that nobody was called: the event costs 0, and its baseline is that call.

    It is none of the calls, tokens and latencies of reports, and charges no budget; `farebox savings` shows it.

    Args:
        provider: who would have billed the call.
        model: what would have answered it.
        usage: the usage of the answer when it was made.
        cache: which cache it was, for example "semantic".

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    check_names(provider=provider, model=model, cache=cache)
    used = _usage(usage, provider)
    return runtime.current().meter.record_hit(
        CallRequest(provider=provider, operation=semconv.CHAT, api="", model=model), used, cache=cache
    )


def record_route(*, baseline_model: str | None, reason: str | None = None) -> None:
    """Say that the calls which follow were routed: what they save against `baseline_model` is then known.

    It holds for calls opened in the current `tracked` or budget (outside of any: in this thread or task) until that is left, or until
    the next `record_route`: a router says it for each of its decisions.

    Args:
        baseline_model: what would have been called otherwise: a model of the same provider, "provider/model", or a model of openai,
            anthropic or google. The same usage is priced on it. None: the calls which follow are not routed.
        reason: why, for reports; a few words, and no part of a prompt.

    Raises:
        ConfigurationError: not a name.
    """
    if baseline_model is None:
        context.route(None)
        return
    check_names(baseline_model=baseline_model)
    context.route(Attribution(baseline_model=baseline_model, route_reason=None if reason is None else str(reason)))


def moment(started_at: datetime | None) -> int | None:
    """Nanoseconds UTC of a moment with a time zone."""
    return None if started_at is None else int(started_at.timestamp() * 1_000_000) * 1000


def nanoseconds(seconds: float | None) -> int | None:
    """Seconds as an event has them."""
    return None if seconds is None else int(Decimal(repr(seconds)).scaleb(9))


def _check_record(*given: Any) -> None:
    """Refuse what `record_call` cannot use, whatever its type is."""
    operation, status, started_at, duration, provider, model = given
    if operation not in semconv.OPERATIONS:
        raise ConfigurationError(
            f"operation={operation!r} is not known: use one of {', '.join(sorted(semconv.OPERATIONS))}"
        )
    if started_at is not None and (not isinstance(started_at, datetime) or started_at.tzinfo is None):
        raise ConfigurationError(
            f"started_at={started_at!r} is no moment with a time zone: give datetime.now(UTC), for example"
        )
    check_ending(status, duration)
    check_names(provider=provider, model=model)


def check_ending(status: Any, duration: Any) -> None:
    """Refuse a status or a duration that no call has."""
    if status not in _STATUSES:
        raise ConfigurationError(f"status={status!r} is not known: use one of {', '.join(sorted(_STATUSES))}")
    if duration is not None and (
        isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 <= duration < _LONGEST
    ):
        raise ConfigurationError(f"duration={duration!r} cannot be used: give seconds of at least 0")


def check_names(**names: Any) -> None:
    """Refuse what is no name."""
    for what, name in names.items():
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"{what}={name!r} cannot be used: give a name")


def _usage(usage: Any, provider: str) -> Usage:
    """What the provider's usage object says."""
    if not isinstance(usage, Usage | Mapping) and not hasattr(usage, "model_dump"):
        raise ConfigurationError(f"usage={usage!r} cannot be used: give the provider's usage object")
    if (less := _negative(usage.units if isinstance(usage, Usage) else usage)) is not None:
        raise ConfigurationError(f"usage has {less!r}, which is less than nothing: give counts of at least 0")
    return usage if isinstance(usage, Usage) else read(usage, api=None, provider=provider)


def _negative(value: Any) -> Any:
    """The first number below 0 in a usage object, or None."""
    if isinstance(value, Mapping):
        return next((less for item in value.values() if (less := _negative(item)) is not None), None)
    return value if isinstance(value, int | float | Decimal) and value < 0 else None
