"""What routes and caches saved: the savings of one call, and questions to their sums. Imports core and the ledger's own parts.

The view `savings` and `of` say the same, one in SQL and one in Python; `check` holds them to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from farebox.core import semconv
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.ledger import queries, schema
from farebox.ledger.queries import MODEL, TIMES, Part, Query, Where, Window
from farebox.ledger.schema import DAY_NS, Family

DIMENSIONS: Final = ("method", *queries.DIMENSIONS)
"""Every dimension of savings but tags."""

Saving: TypeAlias = tuple[str, str, tuple[int, int, int, int]]
"""Method, baseline model ('' for none), and the measures `schema.SAVED`."""


def of(event: CallEvent, sign: int = 1) -> Sequence[Saving]:
    """What a call adds to the sums of savings."""
    cost = event.cost_nano
    if event.kind == semconv.KIND_CACHE_HIT:
        measures = _measures(cost, event.baseline_cost_nano, sign)
        return ((semconv.SAVED_LOCAL_CACHE, event.baseline_model or "", measures),)
    found: list[Saving] = []
    if event.baseline_model is not None and (event.units is not None or cost != 0):
        found.append((semconv.SAVED_ROUTING, event.baseline_model, _measures(cost, event.baseline_cost_nano, sign)))
    if event.uncached_cost_nano is not None or event.cache_read_tokens or event.cache_write_tokens:
        found.append((semconv.SAVED_PROMPT_CACHE, "", _measures(cost, event.uncached_cost_nano, sign)))
    return found


def _measures(cost: int | None, baseline: int | None, sign: int) -> tuple[int, int, int, int]:
    if cost is None or baseline is None:
        return sign, sign, 0, 0
    return sign, 0, sign * cost, sign * baseline


def filling(family: Family) -> str:
    """SQL that makes a family's sums of the calls there are."""
    columns = ", ".join(("day", *family.dimensions, *family.measures))
    return f"INSERT INTO {family.table('day')} ({columns}) {sums(family)} GROUP BY {keys(family)}"


def sums(family: Family) -> str:
    """SQL for the sums over the view `savings`, ungrouped; their keys are the first columns."""
    names = [f"coalesce({MODEL if name == 'model' else name}, '')" for name in family.dimensions]
    measures = [f"sum({measure})" for measure in schema.SAVED_BY_CALL]
    return f"SELECT started_at - started_at % {DAY_NS}, {', '.join(names + measures)} FROM savings WHERE 1"  # noqa: S608 - names of ours


def keys(family: Family) -> str:
    """SQL to group `sums` by."""
    return ", ".join(map(str, range(1, len(family.dimensions) + 2)))


def grouped(dimensions: Sequence[str], window: Window, where: Where) -> Query:
    """Sums of savings by dimensions, the largest saving first."""
    parameters: dict[str, Any] = {}
    selects = []
    for part in _parts({*dimensions, *where}, window):
        columns = [f"{part.expression(name, parameters)} AS d{at}" for at, name in enumerate(dimensions)]
        measures = schema.SAVED_BY_CALL if part.raw else schema.SAVED
        sign = "-" if part.taken else ""
        columns += [f"{sign}({measure}) AS m{at}" for at, measure in enumerate(measures)]
        table, rest = part.table, part
        if part.raw:
            # Times are looked for inside the view: SQLite does not bring them there by itself, and would read every call.
            table = f"({schema.savings_of_calls(part.conditions({}, parameters))})"
            rest = Part(part.table, part.time, None, None)
        test = rest.conditions(where, parameters)
        selects.append(f"SELECT {', '.join(columns)} FROM {table} WHERE {test}")  # noqa: S608 - names of ours; values are parameters
    keys = [f"d{at}" for at in range(len(dimensions))]
    outer = [f"nullif({key}, '')" for key in keys]
    outer += [f"coalesce(sum(m{at}), 0)" for at in range(len(schema.SAVED))]
    sql = f"SELECT {', '.join(outer)} FROM ({' UNION ALL '.join(selects)})"  # noqa: S608 - as above
    if keys:
        sql += f" GROUP BY {', '.join(keys)} HAVING sum(m0) > 0 ORDER BY sum(m3) - sum(m2) DESC, {', '.join(keys)}"
    return Query(sql, parameters)


def family_of(names: Iterable[str]) -> Family | None:
    """The sums that answer a question with these dimensions; None: it reads single calls."""
    asked = set(names) - (TIMES.keys() - {"hour"})
    return next((family for family in schema.SAVING_FAMILIES if asked <= {*family.dimensions}), None)


def _parts(names: set[str], window: Window) -> Iterable[Part]:
    family = family_of(names)
    if family is None:
        return queries.cut([], window.since, window.until, taking=False, raw="savings")
    window = window.widened(DAY_NS)
    return queries.cut([(family.table("day"), "day", DAY_NS)], window.since, window.until, taking=True, raw="savings")


def check_dimensions(names: Iterable[str]) -> None:
    """See that all dimensions are known.

    Raises:
        ConfigurationError: one is not; the message lists those that are.
    """
    for name in names:
        if name not in DIMENSIONS and not queries.is_tag(name):
            raise ConfigurationError(
                f"{name!r} is no dimension of savings: use one of {', '.join(DIMENSIONS)}, or {queries.TAG}NAME"
            )
