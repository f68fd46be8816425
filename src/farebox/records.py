"""Records of calls as other trackers keep them, brought into the ledger. May import the face's functions and everything below."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from farebox import recording, runtime, scopes, verbs
from farebox.core import semconv
from farebox.core.context import Attribution
from farebox.core.event import CallEvent, CallRequest
from farebox.core.guard import logger
from farebox.core.usage import Usage


def write(record: Mapping[str, Any] | Any, session_id: str | None) -> CallEvent:
    """Write a record; see `CostTracker.record_usage`."""

    def said(name: str) -> Any:
        return record.get(name) if isinstance(record, Mapping) else getattr(record, name, None)

    request_id, task_type = said("request_id"), said("task_type")
    provider, model = said("provider"), said("model_id") or said("model")
    counts = {semconv.INPUT: said("input_tokens"), semconv.OUTPUT: said("output_tokens")}
    whose = Attribution(
        session_id=session_id,
        task_type=None if task_type is None else str(task_type),
        tags=None if request_id is None else {"request_id": str(request_id)},
    )
    units = {unit: count for unit, count in counts.items() if count is not None}
    with scopes.Tracked(whose, None):
        if not units and said("cost") is None:
            recording.check_names(provider=provider, model=model)
            return _uncounted(provider, model, said("prompt"), said("completion"), said("timestamp"))
        return recording.record_call(
            provider=provider,
            model=model,
            usage=Usage(units=units),
            cost=said("cost"),
            started_at=said("timestamp"),
            response_id=request_id,
        )


def _uncounted(provider: str, model: str, prompt: Any, completion: Any, started_at: datetime | None) -> CallEvent:
    """A call that the provider returned no counts of: estimated where its texts are known."""
    nano = None if prompt is None else _estimate(provider, model, prompt, completion)
    logger.warning(
        "%s returned no token counts for model %r: its cost is %s.",
        provider,
        model,
        "unknown" if nano is None else "estimated",
    )
    if nano is None:
        return recording.record_call(provider=provider, model=model, usage=Usage(units={}), started_at=started_at)
    return runtime.current().meter.record(
        CallRequest(provider=provider, operation=semconv.CHAT, api="", model=model),
        None,
        quote=(nano, semconv.COST_ESTIMATED, ()),
        started_at=recording.moment(started_at),
    )


def _estimate(provider: str, model: str, prompt: Any, completion: Any) -> int | None:
    """Nano-dollars of two texts; None where the model has no price."""
    written = 0 if completion is None else verbs.estimate(completion, model=model, provider=provider).input_tokens
    found = verbs.estimate(prompt, model=model, provider=provider, max_output_tokens=written or None)
    return None if found.expected is None else found.expected.to_nano()
