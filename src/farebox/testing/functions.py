"""Calls of functions that a request declares: which one, and with what arguments. Imports testing only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from farebox.testing import tokens
from farebox.testing.store import Job, Store
from farebox.testing.wire import Habits, Json, Speech

_SAMPLES: Final[Json] = {"string": "all", "integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}


@dataclass(frozen=True, slots=True)
class Call:
    """A call: the function's name, and arguments that its schema allows."""

    name: str
    arguments: Json

    @property
    def text(self) -> str:
        """The arguments as JSON."""
        return json.dumps(self.arguments)

    def speech(self, hidden: int) -> Speech:
        """What the model says to make the call, after so many tokens of reasoning; a cap does not cut it."""
        return Speech(tokens.pieces(f"{self.name}({self.text})"), hidden, "stop")


def next_call(declared: list[tuple[str, Any]], answered: int, habits: Habits) -> Call | None:
    """The call of the first declared function, unless the conversation has had its share of them.

    Args:
        declared: names and JSON schemas of the functions' parameters.
        answered: calls that the conversation has answered so far.
        habits: how the provider answers.
    """
    if not declared or answered >= habits.function_calls:
        return None
    name, schema = declared[0]
    return Call(name, _sample(schema) if isinstance(schema, dict) else {})


def made_before(store: Store, name: str | None, link: str, made: str) -> int:
    """Function calls along a chain of kept answers.

    Args:
        store: where they are.
        name: id of the last one; None when there is no chain.
        link: member that names the one before.
        made: member that lists what was made.
    """
    calls = 0
    while name is not None:
        answer = store.get(name, Job).done
        calls += sum(item.get("type") == "function_call" for item in answer.get(made) or [])
        name = answer.get(link)
    return calls


def _sample(schema: Json) -> Any:
    """The smallest value that a schema allows, as far as it is an everyday one."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = str(schema.get("type") or "object").lower()
    if kind != "object":
        return _SAMPLES.get(kind)
    properties = schema.get("properties") or {}
    return {name: _sample(properties.get(name) or {}) for name in schema.get("required") or []}
