"""Anthropic's statement: usage of messages, and costs by description. Imports core and its neighbours here.

https://platform.claude.com/docs/en/build-with-claude/usage-cost-api. Costs are decimal texts in cents. Priority tokens are in the
usage, and not in the costs: they are paid for by commitment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from farebox.core import semconv
from farebox.reconcile import days, items, reading
from farebox.reconcile.pages import Pages, StatementError
from farebox.reconcile.reading import SchemaError, count, text
from farebox.reconcile.statement import (
    CREDIT,
    MONEY,
    OTHER,
    TOKENS,
    TOOL,
    USAGE,
    Dimensions,
    Kind,
    Lines,
    MoneyLine,
    UsageLine,
)
from farebox.reconcile.transport import Parameters

BASE: Final = "https://api.anthropic.com"
VERSION: Final = "2023-06-01"
HINT: Final = (
    "usage and costs need an admin key (sk-ant-admin...), which organizations have and individual accounts do not; "
    "ordinary keys (sk-ant-api...) cannot read them"
)
DIMENSIONS: Final = Dimensions(geo=True, keys=True, commitments=frozenset({"priority"}))
_MESSAGES: Final = "messages"
_COSTS: Final = "cost_report"
_CENTS: Final = -2
_PATHS: Final = {
    _MESSAGES: "/v1/organizations/usage_report/messages",
    _COSTS: "/v1/organizations/cost_report",
}
_GROUPS: Final = {
    _MESSAGES: ("model", "service_tier", "inference_geo", "api_key_id"),
    _COSTS: ("description",),
}
_TOKEN_TYPES: Final = {
    "uncached_input_tokens": semconv.INPUT,
    "output_tokens": semconv.OUTPUT,
    "cache_read_input_tokens": semconv.CACHE_READ,
    "cache_creation.ephemeral_1h_input_tokens": semconv.CACHE_WRITE_1H,
    "cache_creation.ephemeral_5m_input_tokens": semconv.CACHE_WRITE_5M,
}
_KINDS: Final[dict[str, Kind]] = {"tokens": TOKENS, "web_search": TOOL}
NOWHERE: Final = frozenset({None, "", "global", "not_available"})
"""Places that mean none in particular."""

PARTS: Final[Mapping[str, str]] = {_MESSAGES: USAGE, _COSTS: MONEY}


def read(pages: Pages, part: str, first: str, last: str) -> Iterator[tuple[str, Lines]]:
    """The days from `first` to `last` of one part, each when its page is there.

    Raises:
        StatementError: the rest cannot be had.
    """
    parameters: Parameters = (
        ("starting_at", days.rfc3339(first)),
        ("ending_at", days.rfc3339(days.after(last))),
        ("bucket_width", "1d"),
        ("limit", "31"),
        *(("group_by[]", name) for name in _GROUPS[part]),
    )
    for page in pages.each(_PATHS[part], parameters):
        for bucket in page["data"]:
            start = bucket.get("starting_at") if isinstance(bucket, Mapping) else None
            if not isinstance(start, str) or len(start) < 10:
                raise StatementError(
                    f"{_PATHS[part]}: a bucket has no starting_at: the interface has changed; upgrade farebox"
                )
            yield start[:10], _lines(part, start[:10], bucket.get("results"))


def _lines(part: str, day: str, results: Any) -> Lines:
    usage, money, problems = [], [], []
    if not isinstance(results, list):
        return Lines(problems=(f"{part} of {day}: results is {reading.shown(results)}, and should be a list",))
    for row in results:
        try:
            if part == _COSTS:
                money.append(_cost(day, reading.table(row)))
            else:
                usage.append(_usage(day, reading.table(row)))
        except SchemaError as problem:
            problems.append(f"{part} of {day}: {problem}")
    return Lines(tuple(usage), tuple(money), tuple(dict.fromkeys(problems)))


def _usage(day: str, row: Mapping[str, Any]) -> UsageLine:
    written, tools = row.get("cache_creation") or {}, row.get("server_tool_use") or {}
    if not isinstance(written, Mapping) or not isinstance(tools, Mapping):
        raise SchemaError("cache_creation and server_tool_use should be objects")
    units = {
        semconv.INPUT: count(row, "uncached_input_tokens", required=True),
        semconv.CACHE_READ: count(row, "cache_read_input_tokens"),
        semconv.CACHE_WRITE_5M: count(written, "ephemeral_5m_input_tokens"),
        semconv.CACHE_WRITE_1H: count(written, "ephemeral_1h_input_tokens"),
        semconv.OUTPUT: count(row, "output_tokens", required=True),
        semconv.WEB_SEARCH: count(tools, "web_search_requests"),
    }
    tier, geo = text(row, "service_tier"), text(row, "inference_geo")
    return UsageLine(
        day=day,
        model=text(row, "model"),
        tier=None if tier == "batch" else tier,
        batch=tier == "batch",
        geo=None if geo in NOWHERE else geo,
        key=text(row, "api_key_id"),
        units={unit: number for unit, number in units.items() if number},
        source="usage_report/messages",
    )


def _cost(day: str, row: Mapping[str, Any]) -> MoneyLine:
    reading.dollars(row.get("currency"))
    amount: Decimal = reading.amount(row.get("amount"), "amount").scaleb(_CENTS)
    item = text(row, "description") or text(row, "cost_type") or "(no description)"
    kind, token_type, geo = text(row, "cost_type"), text(row, "token_type"), text(row, "inference_geo")
    units = (_TOKEN_TYPES[token_type],) if token_type in _TOKEN_TYPES else items.units_of(token_type or item)
    if kind == "web_search":
        units = (semconv.WEB_SEARCH,)
    about: Kind = _KINDS.get(kind or "", OTHER)
    tier = text(row, "service_tier")
    tokens = about == TOKENS and tier is not None
    return MoneyLine(
        day=day,
        item=item,
        amount=amount,
        kind=CREDIT if amount < 0 or (about == OTHER and items.is_credit(item)) else about,
        model=text(row, "model"),
        units=units if about != OTHER else (),
        tier=("" if tier in ("standard", "batch") else tier) if tokens else None,
        batch=(tier == "batch") if tokens else None,
        geo=("" if geo in NOWHERE else geo) if tokens and geo is not None else None,
        source=_COSTS,
    )
