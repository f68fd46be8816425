"""Paid operations that are no call of a model: vector searches, reranks, pages that were fetched. May import the runtime and everything below it."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar

from farebox import runtime, scopes
from farebox.core import semconv
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent, CallRequest
from farebox.core.guard import attempt, report
from farebox.core.money import Amount, parse_amount
from farebox.core.usage import Count, Usage
from farebox.recording import check_ending, check_names, nanoseconds

F = TypeVar("F", bound=Callable[..., Any])

Units: TypeAlias = Mapping[str, Count | float]
"""How much of what, by unit."""

_LARGEST: Final = 2**62
"""More of a unit than this is a mistake, and no database holds it."""
_ONE: Final[Units] = {"operations": 1}
"""What an operation used that says nothing else."""


def record_operation(
    kind: str,
    *,
    provider: str,
    units: Units | None = None,
    cost: Amount | None = None,
    duration: float | None = None,
    status: str = semconv.STATUS_OK,
    tags: Mapping[str, object] | None = None,
) -> CallEvent:
    """Write a paid operation that is no call of a model: a vector search, a rerank, a page that was fetched. Budgets around it are charged.

    Args:
        kind: what was done, for example "vector.search".
        provider: who bills it.
        units: how much of what, for example `{"read_units": 5}`; priced by `set_price(operation=kind, ...)` or the settings under
            `prices.operations`. None: one of the unit "operations".
        cost: dollars, where they are known; None: priced by the units, and unknown where those have no price.
        duration: seconds.
        status: "ok", "error", "cancelled" or "abandoned".
        tags: more names to group by.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    check_names(kind=kind, provider=provider)
    check_ending(status, duration)
    nano = None if cost is None else parse_amount(cost, what="cost")
    return _record(
        kind,
        provider,
        Usage(units=_counts(_ONE if units is None else units)),
        nano,
        duration=duration,
        status=status,
        tags=tags,
    )


def _record(
    kind: str,
    provider: str,
    used: Usage | None,
    nano: int | None,
    *,
    duration: float | None,
    status: str,
    tags: Mapping[str, object] | None,
) -> CallEvent:
    with scopes.tagged(tags):
        return runtime.current().meter.record(
            CallRequest(provider=provider, operation=kind, api="", model=None),
            used,
            quote=None if nano is None else (nano, semconv.COST_PROVIDER, ()),
            duration_ns=nanoseconds(duration),
            status=status,
            kind=semconv.KIND_OPERATION,
            priced_as=kind,
        )


def tracked_operation(
    kind: str,
    *,
    provider: str,
    units: Units | Callable[[Any], Units] | None = None,
    cost: Amount | Callable[[Any], Amount | None] | None = None,
    tags: Mapping[str, object] | None = None,
) -> Callable[[F], F]:
    """Record a paid operation whenever the decorated function, or coroutine, has run; see `record_operation`.

    One that raised is written with the status "error" and an unknown cost: the provider may have billed it. A fault in `units` or
    `cost` makes the cost unknown, and never reaches the caller.

    Args:
        kind: what it does, for example "vector.search".
        provider: who bills it.
        units: how much of what each run takes, or a function of its result that says it.
        cost: dollars that each run takes, or a function of its result.
        tags: more names to group by.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    check_names(kind=kind, provider=provider)
    if units is not None and not callable(units):
        _counts(units)
    if cost is not None and not callable(cost):
        parse_amount(cost, what="cost")
    return lambda function: _decorated(function, lambda: _Run(kind, provider, units, cost, tags))


class _Run(AbstractContextManager["_Run"]):
    """One run of a decorated function; what it returned is given to `done`."""

    def __init__(self, kind: str, provider: str, units: Any, cost: Any, tags: Mapping[str, object] | None) -> None:
        self._kind, self._provider, self._units, self._cost, self._tags = kind, provider, units, cost, tags
        self._used: Usage | None = None
        self._nano: int | None = None

    def __enter__(self) -> Self:
        self._began = time.perf_counter_ns()
        return self

    def done(self, result: Any) -> Any:
        """Take what the result says that was used; returns it."""
        attempt(self._read, result, on_error=lambda fault: report("tracked_operation", fault))
        return result

    def _read(self, result: Any) -> None:
        units = self._units(result) if callable(self._units) else self._units
        used = Usage(units=_counts(_ONE if units is None else units))
        cost = self._cost(result) if callable(self._cost) else self._cost
        self._nano = None if cost is None else parse_amount(cost, what="cost")
        self._used = used

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        took = (time.perf_counter_ns() - self._began) / 1e9
        status = semconv.STATUS_OK
        if error is not None:
            status = semconv.STATUS_ERROR if isinstance(error, Exception) else semconv.STATUS_CANCELLED
        attempt(
            _record,
            *(self._kind, self._provider, self._used, self._nano),
            duration=took,
            status=status,
            tags=self._tags,
            on_error=lambda fault: report("tracked_operation", fault),
        )


def _decorated(function: F, opening: Callable[[], _Run]) -> F:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with opening() as run:
                return run.done(await function(*args, **kwargs))

        return coroutine  # type: ignore[return-value] # the kind of function is kept

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        with opening() as run:
            return run.done(function(*args, **kwargs))

    return plain  # type: ignore[return-value] # as above


def _counts(units: Any) -> dict[str, Count]:
    """Units as they are counted; a float by its shortest representation."""
    if not isinstance(units, Mapping):
        raise ConfigurationError(
            f'units={units!r} cannot be used: give counts by unit, for example {{"read_units": 5}}'
        )
    found: dict[str, Count] = {}
    for unit, given in units.items():
        count = Decimal(repr(given)) if isinstance(given, float) else given
        number = isinstance(count, int | Decimal) and not isinstance(count, bool) and Decimal(count).is_finite()
        if not number or not 0 <= count < _LARGEST:
            raise ConfigurationError(f"units[{unit!r}]={given!r} cannot be used: give a number of at least 0")
        found[str(unit)] = count
    return found
