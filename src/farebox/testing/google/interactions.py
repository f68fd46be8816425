"""Google's wire format of interactions: created, streamed, in the background, looked at again; and of decisions. Imports testing only."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

from farebox.testing import functions, prompt, tokens
from farebox.testing.bill import Line
from farebox.testing.google.parts import PIECES_PER_CHUNK
from farebox.testing.store import Job
from farebox.testing.wire import (
    Answer,
    Chunk,
    Habits,
    Json,
    Received,
    Speech,
    free,
    grouped,
    identifier,
    required,
    server_sent,
)

SEARCHES: Final = frozenset({"google_search", "google_maps"})
"""Types of tools whose calls the usage object counts."""


MEDIA: Final = frozenset({"image", "audio", "video", "document"})
"""Types of parts that are counted as a modality of their own."""


def create(request: Received, habits: Habits) -> Answer:
    """POST interactions."""
    body = request.body
    model = body.get("model") or required(body, "agent")
    asked = _asked(body, habits)
    speech = habits.speech((body.get("generation_config") or {}).get("max_output_tokens"))
    call = functions.next_call(_declared(body), _answered(body, habits), habits)
    if call is not None:
        speech = call.speech(speech.hidden)

    def usage(output: int) -> Json:
        return habits.laid(_usage(asked, speech.hidden, output, _searches(body, habits)))

    pending = _object(request, body)
    done = {
        **pending,
        "status": _status(speech, call),
        "service_tier": body.get("service_tier") or "standard",
        "usage": usage(speech.length),
        "steps": _steps(speech, call),
    }
    events = partial(_events, pending, done, speech)
    job = Job(pending["id"], "google", pending, done, {**pending, "status": "cancelled"}, events=events)
    job.polls = habits.job_polls
    habits.store.add(job)
    if body.get("background"):
        return _background(job, model, habits)
    job.state = "done"
    answer = Answer(model, "interactions", usage=usage, length=speech.length)
    return replace(answer, chunks=events()) if body.get("stream") else replace(answer, body=done)


def _background(job: Job, model: str, habits: Habits) -> Answer:
    if habits.job_fails:
        fault = {"code": 13, "message": "The provider was told to fail."}
        job.done = {**job.pending, "status": "failed", "errors": [fault]}
    else:
        job.lines = (Line(model, "interactions", job.done["usage"]),)
    return free(job.pending)


def _object(request: Received, body: Json) -> Json:
    now = datetime.fromtimestamp(request.at_ns / 10**9, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    name = "model" if body.get("model") else "agent"
    head = {"id": identifier("v1_"), "object": "interaction", "status": "in_progress", name: body[name]}
    before = body.get("previous_interaction_id")
    return {**head, "created": now, "updated": now, **({"previous_interaction_id": before} if before else {})}


def _asked(body: Json, habits: Habits) -> Counter[str]:
    """Tokens of the prompt by modality, and of the interaction that came before."""
    given = required(body, "input")
    counted: Counter[str] = Counter(text=tokens.count(body.get("system_instruction")) + prompt.tools(body.get("tools")))
    counted += _parts(given)
    if body.get("previous_interaction_id"):
        before = habits.store.get(body["previous_interaction_id"], Job).done.get("usage") or {}
        counted["text"] += before.get("total_tokens") or 0
    return counted


def _parts(given: Any) -> Counter[str]:
    """Tokens of a text, of a part, of a step with its parts, or of a list of them."""
    if isinstance(given, list):
        return sum((_parts(item) for item in given), Counter())
    if isinstance(given, dict) and isinstance(given.get("content"), list):
        return _parts(given["content"])
    kind = given.get("type") if isinstance(given, dict) else "text"
    return Counter({kind if kind in MEDIA else "text": prompt.part(given)})


def _usage(asked: Counter[str], hidden: int, output: int, searches: list[Json]) -> Json:
    thoughts = min(hidden, output)
    return {
        "total_tokens": asked.total() + output,
        "total_input_tokens": asked.total(),
        "input_tokens_by_modality": [{"modality": name, "tokens": count} for name, count in asked.items() if count],
        "total_cached_tokens": 0,
        "total_output_tokens": output - thoughts,
        "total_tool_use_tokens": 0,
        "total_thought_tokens": thoughts,
        **({"grounding_tool_count": searches} if searches else {}),
    }


def _searches(body: Json, habits: Habits) -> list[Json]:
    kinds = [tool.get("type") for tool in body.get("tools") or []]
    return [{"type": kind, "count": habits.hosted_calls} for kind in kinds if kind in SEARCHES and habits.hosted_calls]


def _declared(body: Json) -> list[tuple[str, Any]]:
    tools = [tool for tool in body.get("tools") or [] if tool.get("type") == "function"]
    return [(tool["name"], tool.get("parameters")) for tool in tools]


def _answered(body: Json, habits: Habits) -> int:
    """Calls that were answered: those of the interactions before, or what the request tells in whole."""
    if body.get("previous_interaction_id"):
        return functions.made_before(habits.store, body["previous_interaction_id"], "previous_interaction_id", "steps")
    given = body.get("input")
    items = given if isinstance(given, list) else []
    return sum(isinstance(item, dict) and item.get("type") == "function_result" for item in items)


def _status(speech: Speech, call: functions.Call | None) -> str:
    if call is not None:
        return "requires_action"
    return "completed" if speech.finish == "stop" else "incomplete"


def _steps(speech: Speech, call: functions.Call | None) -> list[Json]:
    thought = [{"type": "thought", "signature": ""}] if speech.hidden else []
    if call is None:
        return [*thought, {"type": "model_output", "content": [{"type": "text", "text": speech.text}]}]
    return [
        *thought,
        {"type": "function_call", "id": identifier("call"), "name": call.name, "arguments": call.arguments},
    ]


def _events(pending: Json, done: Json, speech: Speech) -> Iterator[Chunk]:
    """The stream; only its end states the usage."""

    def event(kind: str, produced: int, *, last: bool = False, **members: Any) -> Chunk:
        return Chunk(server_sent({**members, "event_type": kind}, event=kind), produced, states_usage=last)

    yield event("interaction.created", 0, interaction=pending)
    yield event("interaction.status_update", 0, interaction_id=pending["id"], status="in_progress")
    for index, step in enumerate(done["steps"]):
        begun = {**step, "arguments": {}} if step["type"] == "function_call" else {"type": step["type"]}
        yield event("step.start", speech.hidden, index=index, step=begun)
        for delta, end in _deltas(step, speech):
            yield event("step.delta", speech.hidden + end, index=index, delta=delta)
        yield event("step.stop", speech.hidden, index=index)
    ended = {name: value for name, value in done.items() if name != "steps"}
    yield event("interaction.completed", speech.length, last=True, interaction=ended)
    yield Chunk(server_sent("[DONE]", event="done"), speech.length)


def _deltas(step: Json, speech: Speech) -> Iterator[tuple[Json, int]]:
    if step["type"] == "function_call":
        yield {"type": "arguments_delta", "arguments": json.dumps(step["arguments"])}, len(speech.parts)
    elif step["type"] == "model_output":
        for text, end in grouped(speech.parts, PIECES_PER_CHUNK):
            yield {"type": "text", "text": text}, end


def retrieve(request: Received, habits: Habits, name: str) -> Answer:
    """GET interactions/{id}, as it is or as its stream."""
    job = habits.store.get(name, Job)
    if parse_qs(request.query).get("stream") != ["true"] or job.events is None:
        body, lines = habits.store.look(name)
        return Answer("", "interactions", body=body, lines=lines)
    _, lines = habits.store.finish(name)
    return Answer("", "interactions", chunks=job.events(), lines=lines)


def cancel(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """POST interactions/{id}/cancel; nothing is billed."""
    return free(habits.store.cancel(name))


def delete(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """DELETE interactions/{id}."""
    habits.store.get(name, Job)
    habits.store.remove(name)
    return free({})


def decide(request: Received, habits: Habits) -> Answer:
    """POST decisions: an answer to each question, a token each."""
    body = request.body
    model = required(body, "model")
    questions = required(body, "questions")
    asked = _asked({"input": body.get("input")}, habits)
    asked["text"] += sum(tokens.count(question) for question in questions.values())
    usage = habits.laid(_usage(asked, 0, len(questions), []))
    answers = {name: _decision(question) for name, question in questions.items()}
    return Answer(model, "decisions", body={"answers": answers, "usage": usage}, usage=lambda _: usage)


def _decision(question: Json) -> Json:
    """The first of what is offered, for sure."""
    kind, criteria = question.get("type"), question.get("criteria")
    if kind == "choice":
        shares = {name: float(at == 0) for at, name in enumerate(criteria or {})}
        return {"type": kind, "choice": next(iter(shares), ""), "confidence": 1.0, "probabilities": shares}
    if kind == "score":
        legend = {str(at): text for at, text in enumerate(criteria or [])}
        shares = {at: float(at == "0") for at in legend}
        return {"type": kind, "score": 0.0, "confidence": 1.0, "probabilities": shares, "legend": legend}
    return {"type": "noul", "noul": 1.0, "confidence": 1.0}
