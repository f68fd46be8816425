"""Hosted tools of responses: the calls that stand in the output, and how they are counted. Imports testing only."""

from __future__ import annotations

from typing import Any, Final

from farebox.testing.bill import Line
from farebox.testing.openai import images
from farebox.testing.wire import Habits, Json, identifier

QUERY: Final = "fares today"
IMAGE_MODEL: Final = "gpt-image-1"

_NOTHING: Final = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "total_tokens": 0,
}


class Calls:
    """The calls of one answer.

    Attributes:
        items: of the output, before the message.
        counts: calls by the names of the price list, for the bill.
        usage: the response's `tool_usage`.
        lines: of the bill: pictures are billed by their own model.
    """

    def __init__(self, tools: Any, habits: Habits) -> None:
        self.items: list[Json] = []
        self.counts: dict[str, int] = {}
        self.lines: tuple[Line, ...] = ()
        searches, drawn = 0, _NOTHING
        for tool in tools if isinstance(tools, list) else []:
            kind = str(tool.get("type"))
            if kind == "image_generation":
                drawn = self._draw(tool)
            elif (item := _item(kind)) is not None:
                self._call(kind, item, habits.hosted_calls)
                searches += habits.hosted_calls if item["type"] == "web_search_call" else 0
        self.usage: Json = {"image_gen": drawn, "web_search": {"num_requests": searches}}

    def _call(self, kind: str, item: Json, number: int) -> None:
        prefix = {"web_search_call": "ws_", "file_search_call": "fs_", "code_interpreter_call": "ci_"}[item["type"]]
        self.items += [{"id": identifier(prefix), "status": "completed", **item} for _ in range(number)]
        name = "web_search_preview_call" if kind.startswith("web_search_preview") else item["type"]
        if number:
            self.counts[name] = self.counts.get(name, 0) + number

    def _draw(self, tool: Json) -> Json:
        look = images.appearance(tool)
        usage = images.usage_object({"prompt": QUERY}, look)
        self.items.append(
            {
                "id": identifier("ig_"),
                "type": "image_generation_call",
                "status": "completed",
                "result": images.PICTURE,
                **look,
            }
        )
        self.lines = (*self.lines, Line(tool.get("model") or IMAGE_MODEL, "images", usage))
        return usage


def _item(kind: str) -> Json | None:
    """The call that a tool of this kind makes; None when it is not the provider who runs it."""
    if kind.startswith("web_search"):
        return {"type": "web_search_call", "action": {"type": "search", "query": QUERY, "queries": [QUERY]}}
    if kind == "file_search":
        return {"type": "file_search_call", "queries": [QUERY], "results": None}
    if kind == "code_interpreter":
        return {"type": "code_interpreter_call", "code": "1 + 1", "container_id": identifier("cntr_"), "outputs": None}
    return None
