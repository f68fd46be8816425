"""Names of an orchestrator's tracker: a record for each call, a session, reports by model and provider. May import the face's functions and everything below.

Its other names (`get_session_cost`, `get_cost_by_model`, `get_cost_by_provider`, `get_cost_report`, `export_csv`) are methods of `farebox.CostTracker`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from farebox import tracker
from farebox.core.event import CallEvent
from farebox.core.money import Amount


@dataclass(frozen=True, kw_only=True)
class UsageRecord:
    """One call as such a tracker writes it.

    Attributes:
        timestamp: when it was made, with its zone; None: now.
        model_id: the model.
        provider: who bills it.
        input_tokens: None where the provider returned no counts.
        output_tokens: likewise.
        cost: dollars, where they are known; None: priced by the book, and unknown where it has no price.
        request_id: the provider's or the program's id of the call.
        task_type: what it was for.
        prompt: its text, from which a call without counts is estimated; it is counted, and not stored.
        completion: the answer's text, likewise.
    """

    model_id: str
    provider: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Amount | None = None
    request_id: str | None = None
    task_type: str | None = None
    timestamp: datetime | None = None
    prompt: str | None = None
    completion: str | None = None


def record_usage(record: UsageRecord | Mapping[str, Any] | Any) -> CallEvent:
    """Write a record, of any class with these attributes or keys; `CostTracker.record_usage` does it within its session.

    Raises:
        ConfigurationError: a value cannot be used.
    """
    return tracker.CostTracker().record_usage(record)
