"""Hosted tools to billable units: a table from the providers' names to ours. May import core and its neighbours here."""

from __future__ import annotations

from typing import Any, Final

from farebox.core import semconv
from farebox.core.usage import Count
from farebox.extraction.counting import count

UNITS: Final = {
    "web_search_call": semconv.WEB_SEARCH,
    "web_search": semconv.WEB_SEARCH,
    "web_search_requests": semconv.WEB_SEARCH,
    "web_search_preview_call": semconv.WEB_SEARCH_PREVIEW,
    "web_search_preview": semconv.WEB_SEARCH_PREVIEW,
    "file_search_call": semconv.FILE_SEARCH,
    "file_search": semconv.FILE_SEARCH,
    "google_search_queries": semconv.GROUNDED_QUERIES,
    "web_search_queries": semconv.GROUNDED_QUERIES,
    "google_maps_queries": semconv.MAPS_QUERIES,
    "google_maps": semconv.MAPS_QUERIES,
}
"""Calls that cost a fee. A name that stands in neither table becomes a unit of its own, and the cost partial until it has a price."""

FREE: Final = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "image_generation_call",  # billed by the tokens of `tool_usage.image_gen`
        "local_shell_call",
        "mcp_call",
        "mcp_list_tools",
        "message",
        "reasoning",
        "tool_search_call",
        "web_fetch",
        "web_fetch_requests",
    }
)
"""Items that cost nothing beside their tokens."""


def read(tool_calls: Any, units: dict[str, Count], notes: list[str]) -> tuple[str, ...]:
    """Add the counts of `tool_calls` to `units`; return the names under `tools_used`.

    Where the usage object counted the same tool already, the larger count stands.
    """
    if not isinstance(tool_calls, dict):
        notes.append("tool_calls is not an object")
        return ()
    used: tuple[str, ...] = ()
    for name, value in tool_calls.items():
        if name == "tools_used":
            used = tuple(tool for tool in value if isinstance(tool, str)) if isinstance(value, list | tuple) else ()
        elif name not in FREE and (calls := count(value, str(name), notes)):
            unit = UNITS.get(name, str(name))
            units[unit] = max(units.get(unit, 0), calls)
    return used
