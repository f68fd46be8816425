"""Questions to a ledger as SQL: which table answers them, and with which parameters. Imports core and the ledger's own parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from farebox.core.errors import ConfigurationError
from farebox.ledger import schema
from farebox.ledger.rollups import DAY_NS, HOUR_NS
from farebox.ledger.rows import COLUMNS

_MODEL: Final = "coalesce(nullif(request_model, ''), response_model)"

PLAIN: Final = (
    *("id", "parent_id", "kind", "provider", "server_address", "operation", "api", "request_model", "response_model"),
    *("response_id", "service", "status", "error_type", "service_tier", "cost_status", "price_book", "tenant_id"),
    *("workspace_id", "user_id", "task_type", "chain_id", "session_id", "budget", "baseline_model", "route_reason"),
    *("trace_id", "span_id"),
)
"""Dimensions that are a column of `calls`."""

TAG: Final = "tag:"
"""Prefix of the dimensions that are a tag of the user's: `tag:team`."""

DIMENSIONS: Final = ("model", "day", "hour", *PLAIN)
"""Every dimension but tags. `model` is what was asked for, or else what answered; times are UTC."""

_TIMES: Final = {"day": (DAY_NS, "%Y-%m-%d"), "hour": (HOUR_NS, "%Y-%m-%dT%H:00:00Z")}

_BOUNDS: Final = (">=", "<")
_BOUNDS_OF_HOURS: Final = (f"hour > :{{}} - {HOUR_NS}", "hour < :{}")
_IDS: Final = (
    "id BETWEEN (SELECT min(first_id) FROM ids_by_hour WHERE {hours})"
    " AND (SELECT max(last_id) FROM ids_by_hour WHERE {hours})"
)
"""Keeps a question about times to the stretch of `calls` where calls of those hours are."""


class Rollup(NamedTuple):
    """A table of sums, the time that its rows cover in nanoseconds, and the dimensions it can answer."""

    table: str
    time: str
    step: int
    dimensions: frozenset[str]


ROLLUPS: Final = (
    Rollup("spend_by_hour", "hour", HOUR_NS, frozenset({*schema.HOURS, "day"})),
    Rollup("spend_by_day", "day", DAY_NS, frozenset(schema.DAYS)),
)


class Query(NamedTuple):
    """SQL and its parameters."""

    sql: str
    parameters: dict[str, Any]


class _Part:
    """One SELECT over `calls` or over a rollup, with the times it covers."""

    def __init__(self, rollup: Rollup | None, since: int | None, until: int | None) -> None:
        self.rollup, self.since, self.until = rollup, since, until

    def expression(self, dimension: str, parameters: dict[str, Any]) -> str:
        """SQL for a dimension; '' where a row has no value."""
        if dimension in _TIMES:
            step, pattern = _TIMES[dimension]
            column = "started_at" if self.rollup is None else self.rollup.time
            return f"strftime('{pattern}', ({column} - {column} % {step}) / 1000000000, 'unixepoch')"
        if self.rollup is not None:
            return dimension
        if dimension.startswith(TAG):
            name = f"tag{len(parameters)}"
            parameters[name] = f'$."{dimension.removeprefix(TAG)}"'
            return f"coalesce(json_extract(tags, :{name}), '')"
        return f"coalesce({_MODEL if dimension == 'model' else dimension}, '')"

    def conditions(self, where: Mapping[str, str | None], parameters: dict[str, Any]) -> str:
        """SQL after WHERE; every value is a parameter."""
        column = "started_at" if self.rollup is None else self.rollup.time
        tests, hours = ["1"], []
        for moment, test, test_of_hour in zip((self.since, self.until), _BOUNDS, _BOUNDS_OF_HOURS, strict=True):
            if moment is not None:
                name = f"time{len(parameters)}"
                parameters[name] = moment
                tests.append(f"{column} {test} :{name}")
                hours.append(test_of_hour.format(name))
        if self.rollup is None and hours:
            tests.append(_IDS.format(hours=" AND ".join(hours)))
        for dimension, value in where.items():
            plain = self.rollup is None and dimension in PLAIN and value
            # A bare column, so that a key or an index on it can serve.
            expression = dimension if plain else self.expression(dimension, parameters)
            name = f"value{len(parameters)}"
            parameters[name] = value or ""
            tests.append(f"{expression} = :{name}")
        return " AND ".join(tests)


def grouped(
    dimensions: tuple[str, ...], since: int | None, until: int | None, where: Mapping[str, str | None]
) -> Query:
    """Sums by dimensions: from a rollup for the whole hours or days that it covers, and from `calls` for what is left of the ends."""
    parameters: dict[str, Any] = {}
    selects = []
    for part in _parts({*dimensions, *where}, since, until):
        columns = [f"{part.expression(name, parameters)} AS d{at}" for at, name in enumerate(dimensions)]
        measures = schema.MEASURE_OF_CALL if part.rollup is None else schema.MEASURES
        columns += [f"{measure} AS m{at}" for at, measure in enumerate(measures)]
        table = "calls" if part.rollup is None else part.rollup.table
        selects.append(f"SELECT {', '.join(columns)} FROM {table} WHERE {part.conditions(where, parameters)}")  # noqa: S608 - names of ours; values are parameters
    keys = [f"d{at}" for at in range(len(dimensions))]
    outer = [f"nullif({key}, '')" for key in keys]
    outer += [f"coalesce(sum(m{at}), 0)" for at in range(len(schema.MEASURES))]
    sql = f"SELECT {', '.join(outer)} FROM ({' UNION ALL '.join(selects)})"  # noqa: S608 - as above
    if keys:
        sql += f" GROUP BY {', '.join(keys)} ORDER BY {len(outer)} DESC, {', '.join(keys)}"
    return Query(sql, parameters)


def _parts(dimensions: set[str], since: int | None, until: int | None) -> list[_Part]:
    for rollup in ROLLUPS:
        if not dimensions <= rollup.dimensions:
            continue
        first = None if since is None else -(-since // rollup.step) * rollup.step
        last = None if until is None else until // rollup.step * rollup.step
        if first is not None and last is not None and first >= last:
            continue
        parts = [_Part(rollup, first, last)]
        if first != since:
            parts.append(_Part(None, since, first))
        if last != until:
            parts.append(_Part(None, last, until))
        return parts
    return [_Part(None, since, until)]


def newest(since: int | None, until: int | None, where: Mapping[str, str | None], limit: int | None) -> Query:
    """Single calls between two times, newest first."""
    parameters: dict[str, Any] = {"limit": -1 if limit is None else limit}
    conditions = _Part(None, since, until).conditions(where, parameters)
    return Query(
        f"SELECT {', '.join(COLUMNS)} FROM calls WHERE {conditions} ORDER BY started_at DESC, id DESC LIMIT :limit",  # noqa: S608 - names of ours; values are parameters
        parameters,
    )


def spans(since: int | None, until: int | None) -> Query:
    """How many calls each hour has, latest first: `newest` is asked for a few hours at a time."""
    return Query(
        "SELECT hour, sum(calls) FROM spend_by_hour WHERE hour > :since AND hour < :until GROUP BY hour ORDER BY hour DESC",
        {"since": -(2**63) if since is None else since - HOUR_NS, "until": 2**63 - 1 if until is None else until},
    )


def check_dimensions(names: Iterable[str]) -> None:
    """See that all dimensions are known.

    Raises:
        ConfigurationError: one is not; the message lists those that are.
    """
    for name in names:
        tag = name.startswith(TAG) and len(name) > len(TAG) and '"' not in name
        if not tag and name not in DIMENSIONS:
            raise ConfigurationError(f"{name!r} is no dimension: use one of {', '.join(DIMENSIONS)}, or {TAG}NAME")


def rollup_differences(rollup: Rollup) -> Query:
    """Rows of a rollup that differ from the sums over `calls`: none, if the ledger is sound."""
    key = schema.HOURS if rollup.table == "spend_by_hour" else schema.DAYS
    sources = [f"started_at - started_at % {rollup.step}"]
    sources += [f"coalesce({_MODEL if name == 'model' else name}, '')" for name in key[1:]]
    sums = [f"sum({measure})" for measure in schema.MEASURE_OF_CALL]
    raw = f"SELECT {', '.join(sources + sums)} FROM calls GROUP BY {', '.join(sources)}"  # noqa: S608 - names of ours
    kept = f"SELECT {', '.join((*key, *schema.MEASURES))} FROM {rollup.table}"  # noqa: S608 - names of ours
    return Query(f"SELECT * FROM ({raw} EXCEPT {kept}) UNION ALL SELECT * FROM ({kept} EXCEPT {raw})", {})  # noqa: S608 - names of ours


def ids_outside_their_hour() -> Query:
    """Calls that `ids_by_hour` does not know of: none, if the ledger is sound."""
    return Query(
        f"SELECT id FROM calls LEFT JOIN ids_by_hour ON hour = started_at - started_at % {HOUR_NS}"  # noqa: S608 - names of ours
        " WHERE hour IS NULL OR id NOT BETWEEN first_id AND last_id",
        {},
    )
