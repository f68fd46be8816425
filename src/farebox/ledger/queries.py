"""Questions to a ledger as SQL: which tables answer them, and with which parameters. Imports core and the ledger's own parts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from farebox.core.errors import ConfigurationError
from farebox.ledger import schema
from farebox.ledger.rows import COLUMNS
from farebox.ledger.schema import DAY_NS, HOUR_NS, STRETCH_NS, Family

MODEL: Final = "coalesce(nullif(request_model, ''), response_model)"
"""SQL for the model of a call: what was asked for, or else what answered."""

PLAIN: Final = (
    *("id", "parent_id", "kind", "provider", "server_address", "operation", "api", "request_model", "response_model"),
    *("response_id", "service", "status", "error_type", "service_tier", "cost_status", "price_book", "tenant_id"),
    *("workspace_id", "user_id", "task_type", "chain_id", "session_id", "budget", "baseline_model", "route_reason"),
    *("trace_id", "span_id", "cost_missing"),
)
"""Dimensions that are a column of `calls`."""

TAG: Final = "tag:"
"""Prefix of the dimensions that are a tag of the user's: `tag:team`."""

TIMES: Final = {"month": "%Y-%m", "week": "%Y-%m-%d", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H:00:00Z"}
"""Dimensions that are a time, in UTC, and how they are written; a week is named by its Monday."""

BUCKETS: Final = {
    "hour": "{0} - {0} % 3600000000000",
    "day": "{0} - {0} % 86400000000000",
    "week": "{0} - ({0} + 259200000000000) % 604800000000000",
    "month": "strftime('%s', {0} / 1000000000, 'unixepoch', 'start of month') * 1000000000",
}
"""What a series is cut into, and SQL for the start of each piece in nanoseconds UTC. Weeks begin on Monday; 1970 did on Thursday."""

DIMENSIONS: Final = ("model", *TIMES, *PLAIN)
"""Every dimension but tags. `model` is what was asked for, or else what answered."""

Where: TypeAlias = Mapping[str, str | None]

_BY_KIND: Final = frozenset(schema.SPEND_FAMILY.table(grain) for grain, _ in schema.GRAINS)
"""Rollups that what a local cache answered is in."""

_START: Final = "start:"
_IDS: Final = (
    "id BETWEEN (SELECT min(first_id) FROM ids_by_stretch WHERE {stretches})"
    " AND (SELECT max(last_id) FROM ids_by_stretch WHERE {stretches})"
)
"""Keeps a question about times to the part of `calls` where calls of those stretches are."""


class Query(NamedTuple):
    """SQL and its parameters."""

    sql: str
    parameters: dict[str, Any]


class Window(NamedTuple):
    """The times that a question is about, in nanoseconds UTC.

    Attributes:
        since: first moment that counts; None: from the first call on.
        until: first moment that no longer counts; None: to the last call.
        retained_since: calls that started before are in the rollups only.
    """

    since: int | None
    until: int | None
    retained_since: int

    def widened(self, step: int = HOUR_NS) -> Window:
        """With whole hours, or days, where only rollups by them are left."""
        since, until = self.since, self.until
        if since is not None and since < self.retained_since:
            since -= since % step
        if until is not None and until < self.retained_since:
            until = -(-until // step) * step
        return self._replace(since=since, until=until)


class Part:
    """One SELECT over `calls`, the view `savings`, or a rollup by hour or day, with the times it covers; `taken` off the others, or added to them."""

    def __init__(self, table: str, time: str, since: int | None, until: int | None, *, taken: bool = False) -> None:
        self.table, self.time, self.since, self.until = table, time, since, until
        self.raw = table in ("calls", "savings")
        self.taken = taken

    def expression(self, dimension: str, parameters: dict[str, Any]) -> str:
        """SQL for a dimension; '' where a row has no value."""
        if dimension in TIMES:
            start = BUCKETS["week" if dimension == "week" else "hour"].format(self.time)
            return f"strftime('{TIMES[dimension]}', ({start}) / 1000000000, 'unixepoch')"
        if dimension.startswith(_START):
            return BUCKETS[dimension.removeprefix(_START)].format(self.time)
        if not self.raw:
            return dimension
        if dimension.startswith(TAG):
            name = f"tag{len(parameters)}"
            parameters[name] = f"$.{json.dumps(dimension.removeprefix(TAG), ensure_ascii=False)}"
            return f"coalesce(json_extract(tags, :{name}), '')"
        return f"coalesce({MODEL if dimension == 'model' else dimension}, '')"

    def conditions(self, where: Where, parameters: dict[str, Any]) -> str:
        """SQL after WHERE; every value is a parameter."""
        tests, stretches = ["1"], []
        for moment, sign in ((self.since, ">="), (self.until, "<")):
            if moment is not None:
                name = f"time{len(parameters)}"
                parameters[name] = moment
                tests.append(f"{self.time} {sign} :{name}")
                stretches.append(f"stretch > :{name} - {STRETCH_NS}" if sign == ">=" else f"stretch < :{name}")
        if self.raw and stretches:
            tests.append(_IDS.format(stretches=" AND ".join(stretches)))
        for dimension, value in where.items():
            plain = self.raw and dimension in PLAIN and value
            # A bare column, so that a key or an index on it can serve.
            expression = dimension if plain else self.expression(dimension, parameters)
            name = f"value{len(parameters)}"
            parameters[name] = value or ""
            tests.append(f"{expression} = :{name}")
        return " AND ".join(tests)

    def paid(self, names: Iterable[str]) -> str:
        """SQL that leaves out what a local cache answered, unless a question with these dimensions asks for it."""
        kinds = self.raw or self.table in _BY_KIND
        return f" AND {schema.PAID}" if kinds and "kind" not in names else ""


def grouped(dimensions: Sequence[str], window: Window, where: Where) -> Query:
    """Sums by dimensions, dearest first."""
    return _grouped(dimensions, window, where, first=())


def _grouped(dimensions: Sequence[str], window: Window, where: Where, *, first: tuple[str, ...]) -> Query:
    """Sums by dimensions, ordered by `first`, then dearest first."""
    parameters: dict[str, Any] = {}
    selects = []
    names = {*dimensions, *where}
    for part in _parts(names, window, schema.FAMILIES, taking=True):
        columns = [f"{part.expression(name, parameters)} AS d{at}" for at, name in enumerate(dimensions)]
        measures = schema.MEASURE_OF_CALL if part.raw else schema.MEASURES
        sign = "-" if part.taken else ""
        columns += [f"{sign}({measure}) AS m{at}" for at, measure in enumerate(measures)]
        test = part.conditions(where, parameters) + part.paid(names)
        selects.append(f"SELECT {', '.join(columns)} FROM {part.table} WHERE {test}")  # noqa: S608 - names of ours; values are parameters
    keys = [f"d{at}" for at in range(len(dimensions))]
    outer = [f"nullif({key}, '')" for key in keys]
    outer += [f"coalesce(sum(m{at}), 0)" for at in range(len(schema.MEASURES))]
    sql = f"SELECT {', '.join(outer)} FROM ({' UNION ALL '.join(selects)})"  # noqa: S608 - names of ours; values are parameters
    if keys:
        sql += f" GROUP BY {', '.join(keys)} HAVING sum(m0) > 0 ORDER BY {', '.join((*first, f'{len(outer)} DESC', *keys))}"
    return Query(sql, parameters)


def series(bucket: str, dimensions: Sequence[str], window: Window, where: Where) -> Query:
    """Sums by the start of each bucket and by dimensions, in order of time; the start is the first column.

    Raises:
        ConfigurationError: there is no such bucket; the message lists those there are.
    """
    if bucket not in BUCKETS:
        raise ConfigurationError(f"{bucket!r} is no bucket of a series: use one of {', '.join(BUCKETS)}")
    return _grouped((_START + bucket, *dimensions), window, where, first=("d0",))


def units(dimensions: Sequence[str], window: Window, where: Where) -> Query:
    """What was billed by unit: the dimensions, the unit, calls that used it, and how much; most used first. Reads single calls."""
    parameters: dict[str, Any] = {}
    part = Part("calls", "started_at", window.since, window.until)
    columns = [f"nullif({part.expression(name, parameters)}, '') AS d{at}" for at, name in enumerate(dimensions)]
    # A query of its own, because json_each has columns of the names of ours.
    chosen = f"SELECT {', '.join((*columns, 'units'))} FROM calls WHERE {part.conditions(where, parameters)} AND units IS NOT NULL{part.paid((*dimensions, *where))}"  # noqa: S608 - names of ours; values are parameters
    keys = ", ".join((*(f"d{at}" for at in range(len(dimensions))), "unit.key"))
    return Query(
        f"SELECT {keys}, count(*), sum(unit.value) AS amount FROM ({chosen}), json_each(units) AS unit "  # noqa: S608 - as above
        f"GROUP BY {keys} ORDER BY amount DESC, {keys}",
        parameters,
    )


def dearest(window: Window, where: Where, limit: int) -> Query:
    """The calls that cost most, whole. Calls of unknown cost are none of them."""
    parameters: dict[str, Any] = {"limit": limit}
    part = Part("calls", "started_at", window.since, window.until)
    order = "ORDER BY cost_nano DESC, started_at DESC, id DESC"
    chosen = f"SELECT id FROM calls WHERE {part.conditions(where, parameters)} AND cost_nano IS NOT NULL {order} LIMIT :limit"  # noqa: S608 - names of ours; values are parameters
    return Query(f"SELECT {', '.join(COLUMNS)} FROM calls WHERE id IN ({chosen}) {order}", parameters)  # noqa: S608 - as above


def retained(retained_since: int) -> Query:
    """The moment before which single calls are gone."""
    return Query("SELECT :retained_since", {"retained_since": retained_since})


def summed_by(names: Iterable[str], *, timed: bool = False) -> bool:
    """Whether rollups answer a question that groups and filters by these dimensions; else it reads single calls.

    Args:
        names: of all its dimensions, those of `where` too.
        timed: whether it is about durations.
    """
    asked = {name for name in names if name not in TIMES}
    return any(asked <= {*family.dimensions} for family in ((schema.LATENCY,) if timed else schema.FAMILIES))


def histograms(span: str, dimensions: Sequence[str], window: Window, where: Where) -> Query:
    """Histograms of durations by dimensions, several for a group; the histogram is the last column."""
    timed = f"{span}_ns"
    parameters: dict[str, Any] = {}
    selects = []
    for part in _parts({*dimensions, *where}, window, (schema.LATENCY,), taking=False):
        columns = [f"nullif({part.expression(name, parameters)}, '')" for name in dimensions]
        if part.raw:
            groups = ", ".join((*columns, f"latency_bucket({timed})"))
            columns.append(f"json_object(CAST(latency_bucket({timed}) AS TEXT), count(*))")
            rest = f"{part.conditions(where, parameters)} AND {timed} IS NOT NULL{part.paid(where)} GROUP BY {groups}"
        else:
            columns.append("histogram")
            rest = part.conditions({**where, "span": span}, parameters)
        selects.append(f"SELECT {', '.join(columns)} FROM {part.table} WHERE {rest}")  # noqa: S608 - names of ours; values are parameters
    return Query(" UNION ALL ".join(selects), parameters)


def _parts(names: set[str], window: Window, families: Iterable[Family], *, taking: bool) -> list[Part]:
    """Days where they can answer, hours for what is left of the ends, and calls for what is left of those.

    Args:
        names: of all dimensions.
        window: the times.
        families: rollups to choose from.
        taking: whether the larger part of a day or hour may be had by taking the smaller part off the whole of it.
    """
    starts = {name for name in names if name in TIMES or name.startswith(_START)}
    able = [family for family in families if names - starts <= {*family.dimensions}]
    hourly = {"hour", f"{_START}hour"} & starts
    steps = []
    for grain, step in reversed(schema.GRAINS):
        family = next((family for family in able if (grain, step) in family.grains), None)
        if family is not None and not (hourly and step == DAY_NS):
            steps.append((family.table(grain), grain, step))
    since, until = (window.since, window.until) if not steps else window.widened()[:2]
    return list(cut(steps, since, until, taking=taking))


def cut(
    steps: Sequence[tuple[str, str, int]],
    since: int | None,
    until: int | None,
    *,
    taking: bool,
    taken: bool = False,
    raw: str = "calls",
) -> Iterable[Part]:
    """The parts of a time: as much of each of `steps` (table, its column of time, its length) as fits, the rest from `raw`."""
    if not steps:
        yield Part(raw, "started_at", since, until, taken=taken)
        return
    table, grain, step = steps[0]
    begin = None if since is None else _edge(since, step, outward=-1, taking=taking)
    end = None if until is None else _edge(until, step, outward=1, taking=taking)
    finer = partial(cut, steps[1:], taking=taking, raw=raw)
    if since is not None and begin is not None and until is not None and end is not None:
        left = abs(since - begin) + abs(until - end)
        if begin >= end or until - since <= left:
            yield from finer(since, until, taken=taken)
            return
    yield Part(table, grain, begin, end, taken=taken)
    if since is not None and begin is not None and begin != since:
        yield from finer(min(begin, since), max(begin, since), taken=taken ^ (begin < since))
    if until is not None and end is not None and end != until:
        yield from finer(min(until, end), max(until, end), taken=taken ^ (until < end))


def _edge(moment: int, step: int, *, outward: int, taking: bool) -> int:
    """Where whole steps begin (`outward` -1) or end (1): inside the window; or outside of it, where less is to be taken off.

    A month that begins at 5 o'clock is its whole days less five hours: no end reads more than half of a day, or of an hour.
    """
    inside = -(-moment // step) * step if outward < 0 else moment // step * step
    return inside + outward * step if taking and abs(moment - inside) > step // 2 else inside


def newest(window: Window, where: Where, limit: int, after: tuple[int, str] | None = None) -> Query:
    """At most `limit` single calls, newest first, older than the call `after` (its `started_at` and `id`)."""
    parameters: dict[str, Any] = {"limit": limit}
    conditions = Part("calls", "started_at", window.since, window.until).conditions(where, parameters)
    if after is not None:
        parameters["after_time"], parameters["after_id"] = after
        conditions += " AND (started_at, id) < (:after_time, :after_id)"
    order = "ORDER BY started_at DESC, id DESC"
    # Only ids are sorted: whole rows are read for the chosen ones.
    chosen = f"SELECT id FROM calls WHERE {conditions} {order} LIMIT :limit"  # noqa: S608 - names of ours; values are parameters
    return Query(f"SELECT {', '.join(COLUMNS)} FROM calls WHERE id IN ({chosen}) {order}", parameters)  # noqa: S608 - as above


def stretches(since: int | None, until: int | None, count: int) -> Query:
    """The latest stretches in which calls started, latest first: `newest` is asked for a few at a time."""
    return Query(
        "SELECT stretch FROM ids_by_stretch WHERE stretch > :since AND stretch < :until ORDER BY stretch DESC LIMIT :count",
        {
            "since": -(2**63) if since is None else since - STRETCH_NS,
            "until": 2**63 - 1 if until is None else until,
            "count": count,
        },
    )


def is_tag(name: str) -> bool:
    """Whether a dimension is a tag of the user's."""
    return name.startswith(TAG) and len(name) > len(TAG) and '"' not in name


def check_dimensions(names: Iterable[str]) -> None:
    """See that all dimensions are known.

    Raises:
        ConfigurationError: one is not; the message lists those that are.
    """
    for name in names:
        if name not in DIMENSIONS and not is_tag(name):
            raise ConfigurationError(f"{name!r} is no dimension: use one of {', '.join(DIMENSIONS)}, or {TAG}NAME")
