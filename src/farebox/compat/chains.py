"""Names of a tracker of chains and their tasks. May import the face's functions and everything below.

Chains are `chain_id`; tasks are the tag `task_id`, so that all retries of one belong to it; platforms are providers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from farebox import runtime, scopes, tracker
from farebox.core.context import Attribution
from farebox.core.event import CallEvent
from farebox.core.usage import Usage

LEDGER: Final = ".memory/cost_tracking.db"
"""Where such trackers keep their file, in the project's own directory."""

_MODELS: Final = ("model", "model_id", "model_name")
_USAGES: Final = ("usage", "tokens", "token_usage")
_NAMES: Final = {
    "input": "input_tokens",
    "output": "output_tokens",
    "prompt": "input_tokens",
    "completion": "output_tokens",
}


class ChainCostTracker(tracker.CostTracker):
    """Costs of tasks and chains, in a file of the project's.

    `get_task_cost`, `get_chain_cost`, `get_platform_totals`, `get_session_summary`, `estimate_cost` and `should_warn_cost` are those of
    `CostTracker`.

    Args:
        db_path: the ledger, for everything that this process meters; None: that of the settings.
    """

    def __init__(self, db_path: str | os.PathLike[str] | None = LEDGER) -> None:
        if db_path is not None:
            runtime.configure(ledger=db_path)
        super().__init__()

    def record(
        self,
        task_id: object,
        result: Mapping[str, Any],
        *,
        chain_id: object = None,
        platform: str | None = None,
        task_type: str | None = None,
    ) -> CallEvent:
        """Write what a task's result says of its call.

        Args:
            task_id: the task; retries have the same.
            result: the result, or its `metadata`: `model`, and `usage` or `tokens` (`{"input": 10, "output": 5}`, or the provider's own
                object), or `input_tokens` and `output_tokens` beside the model. `platform` or `provider` may stand there too.
            chain_id: the chain that the task is a step of.
            platform: who bills it.
            task_type: what it was for.

        Raises:
            ConfigurationError: model or platform are nowhere, or a value cannot be used.
        """
        said = result["metadata"] if isinstance(result.get("metadata"), Mapping) else result
        who = platform or said.get("platform") or said.get("provider")
        model = next((said[name] for name in _MODELS if said.get(name)), None)
        chain = None if chain_id is None else str(chain_id)
        whose = Attribution(chain_id=chain, task_type=task_type, tags={"task_id": str(task_id)})
        with scopes.Tracked(whose, None):
            return self.record_call(
                provider=who,  # type: ignore[arg-type] # what is missing is named by record_call
                model=model,  # type: ignore[arg-type] # likewise
                usage=_usage(said),
            )


def _usage(said: Mapping[str, Any]) -> Usage | Mapping[str, Any]:
    found = next((said[name] for name in _USAGES if isinstance(said.get(name), Mapping)), None)
    given = said if found is None else found
    plain = {_NAMES.get(name, name): count for name, count in given.items()}
    counts = [plain.get("input_tokens"), plain.get("output_tokens")]
    if set(plain) <= {"input_tokens", "output_tokens", "total", "total_tokens"} or found is None:
        units = {unit: count for unit, count in zip(("input", "output"), counts, strict=True) if count is not None}
        return Usage(units=units)
    return given
