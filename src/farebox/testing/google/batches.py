"""Google's wire format of batches: inlined requests or a file of them, answered at batch rates. Imports testing only."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from farebox.testing.bill import Line
from farebox.testing.google import content, embeddings, files
from farebox.testing.google.prompts import named
from farebox.testing.store import BadRequestError, Job, Kept
from farebox.testing.wire import Answer, Habits, Json, Received, free, identifier, required

KINDS: Final = {"generate": "GenerateContentBatch", "embed": "EmbedContentBatch"}


def generate(request: Received, habits: Habits, model: str) -> Answer:
    """POST {model}:batchGenerateContent."""
    return _begin(request, habits, model, "generate", content.generate)


def embed(request: Received, habits: Habits, model: str) -> Answer:
    """POST {model}:asyncBatchEmbedContent."""
    return _begin(request, habits, model, "embed", embeddings.embed)


def _begin(request: Received, habits: Habits, model: str, kind: str, endpoint: Callable[..., Answer]) -> Answer:
    batch = required(request.body, "batch")
    source = required(batch, "inputConfig")
    fresh = replace(habits, job_fails=False)
    lines: list[Line] = []
    rows: list[Json] = []
    for item in _asked(source, habits):
        answered, line = _answered(replace(request, body=item.get("request") or {}), fresh, model, endpoint)
        rows.append(answered | {name: item[name] for name in ("metadata", "key") if name in item})
        lines += line
    pending = _object(request, batch, model, kind, len(rows))
    job = Job(pending["name"], "google", _state(pending, "RUNNING"), pending, _state(pending, "CANCELLED"))
    job.polls = habits.job_polls
    if habits.job_fails:
        error = {"code": 13, "message": "The provider was told to fail."}
        job.done = {**_state(pending, "FAILED"), "done": True, "error": error}
    else:
        output = _output(source, rows, habits)
        ended = _state(pending, "SUCCEEDED", output=output, endTime=pending["metadata"]["createTime"])
        job.done = {**ended, "done": True, "response": output}
        job.lines = tuple(lines)
    habits.store.add(job)
    return free(pending)


def _asked(source: Json, habits: Habits) -> list[Json]:
    """The requests, inlined or of a file, one JSON object a line."""
    name = named(source, "fileName")
    if name:
        return [json.loads(line) for line in habits.store.get(name, Kept).content.splitlines() if line.strip()]
    asked: list[Json] = (source.get("requests") or {}).get("requests") or []
    return asked


def _answered(
    request: Received, habits: Habits, model: str, endpoint: Callable[..., Answer]
) -> tuple[Json, list[Line]]:
    """One request, answered; one that cannot be answered gets an error in its place and costs nothing."""
    try:
        answer = endpoint(request, habits, model)
    except BadRequestError as error:
        return {"error": {"code": 3, "message": error.message}}, []
    assert answer.usage is not None
    line = Line(model, answer.api, answer.usage(answer.length), batch=True, tool_calls=answer.tool_calls)
    return {"response": answer.body}, [line]


def _object(request: Received, batch: Json, model: str, kind: str, number: int) -> Json:
    name, now = f"batches/{identifier('')}", datetime.fromtimestamp(request.at_ns / 10**9, UTC).isoformat()
    metadata = {
        "@type": f"type.googleapis.com/google.ai.generativelanguage.v1main.{KINDS[kind]}",
        "model": f"models/{model}",
        "displayName": batch.get("displayName") or "",
        "createTime": now,
        "updateTime": now,
        "batchStats": {"requestCount": str(number), "pendingRequestCount": str(number)},
        "state": "BATCH_STATE_PENDING",
        "name": name,
    }
    return {"name": name, "metadata": metadata}


def _state(batch: Json, state: str, **more: Any) -> Json:
    return {**batch, "metadata": {**batch["metadata"], "state": f"BATCH_STATE_{state}", **more}}


def _output(source: Json, rows: list[Json], habits: Habits) -> Json:
    """Where the answers are: in the batch itself, or in a file where the requests were in one."""
    if not named(source, "fileName"):
        return {"inlinedResponses": {"inlinedResponses": rows}}
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return {"responsesFile": files.keep(habits.store, text.encode())["name"]}


def retrieve(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET batches/{id}: its requests are billed with the look that finds it done."""
    body, lines = habits.store.look(name)
    return Answer("", "batches", body=body, lines=lines)


def all_of_them(request: Received, habits: Habits) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET batches, as they are: a list is no look."""
    return free({"operations": [job.now for job in habits.store.all(Job, "batches/")]})


def cancel(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """POST batches/{id}:cancel; nothing is billed."""
    habits.store.cancel(name)
    return free({})


def delete(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """DELETE batches/{id}."""
    habits.store.get(name, Job)
    habits.store.remove(name)
    return free({})
