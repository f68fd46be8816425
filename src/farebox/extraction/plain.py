"""Usage objects of hosts with a few plain counts in words of their own: Cohere, Ollama. May import core and its neighbours here."""

from __future__ import annotations

from typing import Any, Final

from farebox.core import semconv
from farebox.core.usage import Count
from farebox.extraction.counting import count, part

COHERE: Final = {"input_tokens": semconv.INPUT, "output_tokens": semconv.OUTPUT}
"""What Cohere bills, of `billed_units`; its `tokens` also count the hidden prompt. Others (`search_units`) keep their names, and
have no price until one is set. https://docs.cohere.com/reference/chat"""

OLLAMA: Final = {"prompt_eval_count": semconv.INPUT, "eval_count": semconv.OUTPUT}
"""https://github.com/ollama/ollama/blob/main/docs/api.md"""


def read_cohere(raw: dict[str, Any], units: dict[str, Count], notes: list[str], provider: str | None) -> dict[str, Any]:  # noqa: ARG001 - the readers' common signature
    """Fill `units` from `billed_units`."""
    for name, value in part(raw.get("billed_units"), "billed_units", notes).items():
        if counted := count(value, str(name), notes):
            units[COHERE.get(name, str(name))] = counted
    return {}


def read_ollama(raw: dict[str, Any], units: dict[str, Count], notes: list[str], provider: str | None) -> dict[str, Any]:  # noqa: ARG001 - same
    """Fill `units` from the two counts; the durations beside them are not billed."""
    for name, unit in OLLAMA.items():
        if counted := count(raw.get(name), name, notes):
            units[unit] = counted
    return {}
