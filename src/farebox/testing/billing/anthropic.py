"""Anthropic's usage and cost reports as its interface sends them. Imports core.semconv and testing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from farebox.core import semconv
from farebox.testing.billing.account import GROUPED, Account, Line
from farebox.testing.billing.traffic import Used

Json = dict[str, Any]

_DIMENSIONS: Final = (
    "account_id",
    "api_key_id",
    "workspace_id",
    "service_account_id",
    "model",
    "service_tier",
    "context_window",
    "inference_geo",
)
_TOKEN_TYPES: Final = {
    semconv.INPUT: ("uncached_input_tokens", "Input Tokens"),
    semconv.OUTPUT: ("output_tokens", "Output Tokens"),
    semconv.CACHE_READ: ("cache_read_input_tokens", "Input Tokens, Cache Read"),
    semconv.CACHE_WRITE_1H: ("cache_creation.ephemeral_1h_input_tokens", "Input Tokens, Cache Write 1h"),
    semconv.CACHE_WRITE_5M: ("cache_creation.ephemeral_5m_input_tokens", "Input Tokens, Cache Write 5m"),
}


def usage(account: Account, day: str, groups: Sequence[str]) -> list[Json]:
    """The results of one day of `/v1/organizations/usage_report/messages`."""
    grouped: dict[tuple[Any, ...], list[Used]] = defaultdict(list)
    for used in account.calls("anthropic", day):
        facts = {
            "api_key_id": used.key,
            "model": used.model,
            "service_tier": "batch" if used.batch else used.tier or "standard",
            "context_window": "0-200k",
            "inference_geo": used.geo or "global",
        }
        grouped[tuple(facts.get(name) if name in groups else None for name in _DIMENSIONS)].append(used)
    return [{**dict(zip(_DIMENSIONS, key, strict=True)), **_measures(calls)} for key, calls in grouped.items()]


def costs(account: Account, day: str, groups: Sequence[str]) -> list[Json]:
    """The results of one day of `/v1/organizations/cost_report`: decimal texts in cents."""
    rows = [_cost(line) for line in account.money("anthropic", day, by=GROUPED["anthropic"])]
    rows += [
        {"amount": _cents(credit.amount), "currency": "USD", "cost_type": "credit", "description": credit.item}
        for credit in account.credits
        if (credit.provider, credit.day) == ("anthropic", day)
    ]
    if "description" in groups:
        return rows
    return [{"amount": row["amount"], "currency": "USD", "description": None, "cost_type": None} for row in rows]


def _measures(calls: list[Used]) -> Json:
    units: dict[str, int] = defaultdict(int)
    for used in calls:
        for unit, number in used.units.items():
            units[unit] += number
    return {
        "uncached_input_tokens": units[semconv.INPUT],
        "cache_read_input_tokens": units[semconv.CACHE_READ],
        "cache_creation": {
            "ephemeral_1h_input_tokens": units[semconv.CACHE_WRITE_1H],
            "ephemeral_5m_input_tokens": units[semconv.CACHE_WRITE_5M],
        },
        "output_tokens": units[semconv.OUTPUT],
        "server_tool_use": {"web_search_requests": units[semconv.WEB_SEARCH]},
    }


def _cost(line: Line) -> Json:
    charge = line.charge
    tokens = charge.unit in _TOKEN_TYPES
    kind, words = _TOKEN_TYPES.get(charge.unit, (None, "Usage"))
    return {
        "amount": _cents(line.amount),
        "currency": "USD",
        "cost_type": "tokens" if tokens else charge.unit,
        "description": f"{charge.model} Usage - {words}" if tokens else "Web Search Usage",
        "model": charge.model if tokens else None,
        "service_tier": ("batch" if charge.batch else "standard") if tokens else None,
        "token_type": kind,
        "context_window": "0-200k" if tokens else None,
        "inference_geo": (charge.geo or "global") if tokens else None,
        "workspace_id": None,
    }


def _cents(amount: Any) -> str:
    return f"{amount.scaleb(2):f}"
