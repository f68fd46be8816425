"""OpenAI's smaller endpoints: decisions, moderations, searches, fine-tuning, containers. Imports testing only."""

from __future__ import annotations

from typing import Any, Final

from farebox.testing import prompt, tokens
from farebox.testing.bill import Line
from farebox.testing.store import Job, Kept
from farebox.testing.wire import Answer, Habits, Json, Received, free, identifier, required

CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
TRAINED: Final = 3
"""Epochs of a fine-tuning job that sets no number."""


def decide(request: Received, habits: Habits) -> Answer:
    """POST /decisions: an answer to each question, a token each."""
    body = request.body
    model = required(body, "model")
    given = required(body, "input")
    questions = required(body, "questions")
    prompt_tokens = prompt.messages(given if isinstance(given, list) else [{"content": given}])
    prompt_tokens += sum(tokens.count(question) for question in questions)
    cached = prompt.cached_prefix(model, given, prompt_tokens, habits)
    usage = habits.laid(
        {
            "input_tokens": prompt_tokens,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens": len(questions),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt_tokens + len(questions),
        }
    )
    whole = {"model": model, "answers": [_decision(question) for question in questions], "usage": usage}
    return Answer(model, "decisions", body=whole, usage=lambda _: usage)


def _decision(question: Json) -> Json:
    """The first of what is offered, for sure."""
    kind = question.get("type")
    head = {"type": kind, "name": question.get("name")}
    if kind == "choice":
        values = [choice["value"] for choice in question["choices"]]
        shares = [{"value": value, "probability": float(value == values[0])} for value in values]
        return {**head, "choice": values[0], "confidence": 1.0, "probabilities": shares}
    if kind == "score":
        levels = [level["label"] for level in question["levels"]]
        shares = [{"label": label, "value": at, "probability": float(at == 0)} for at, label in enumerate(levels)]
        return {**head, "score": 0.0, "confidence": 1.0, "probabilities": shares}
    return {**head, "type": "predicate", "probability": 1.0}


def moderate(request: Received, habits: Habits) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """POST /moderations; free."""
    given = required(request.body, "input")
    result = {
        "flagged": False,
        "categories": dict.fromkeys(CATEGORIES, False),
        "category_scores": dict.fromkeys(CATEGORIES, 0.0),
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }
    model = request.body.get("model") or "omni-moderation-latest"
    results = [result] * (len(given) if isinstance(given, list) else 1)
    return Answer(model, "moderations", body={"id": identifier("modr-"), "model": model, "results": results})


def search(request: Received, habits: Habits, name: str) -> Answer:
    """POST /vector_stores/{id}/search: billed by the call."""
    query = required(request.body, "query")
    found = {
        "file_id": identifier("file-"),
        "filename": "fares.txt",
        "score": 0.5,
        "attributes": {},
        "content": [{"type": "text", "text": habits.speech(None).text}],
    }
    queries: list[Any] = query if isinstance(query, list) else [query]
    body = {
        "object": "vector_store.search_results.page",
        "search_query": queries,
        "data": [found],
        "has_more": False,
        "next_page": None,
    }
    usage = habits.laid({"file_search": 1})
    return Answer(name, "vector_stores.search", body=body, usage=lambda _: usage, states_usage=False)


def tune(request: Received, habits: Habits) -> Answer:
    """POST /fine_tuning/jobs: billed by the tokens of the file and the epochs, when it is done."""
    body, at = request.body, request.at_ns // 10**9
    model, file = required(body, "model"), required(body, "training_file")
    content = habits.store.get(file, Kept).content
    epochs = (body.get("hyperparameters") or {}).get("n_epochs")
    epochs = epochs if isinstance(epochs, int) else TRAINED
    trained = tokens.count(content.decode(errors="replace")) * epochs
    job = {
        "id": identifier("ftjob-"),
        "object": "fine_tuning.job",
        "created_at": at,
        "error": None,
        "fine_tuned_model": None,
        "finished_at": None,
        "hyperparameters": {"n_epochs": epochs},
        "model": model,
        "organization_id": "org-loopback",
        "result_files": [],
        "seed": 1,
        "status": "queued",
        "trained_tokens": None,
        "training_file": file,
        "validation_file": None,
    }
    done = {
        **job,
        "status": "succeeded",
        "finished_at": at,
        "trained_tokens": trained,
        "fine_tuned_model": f"ft:{model}",
    }
    line = Line(model, "fine_tuning", habits.laid({"trained_tokens": trained}))
    kept = Job(job["id"], "openai", job, done, {**job, "status": "cancelled"}, (line,), habits.job_polls)
    if habits.job_fails:
        kept.done, kept.lines = {**job, "status": "failed"}, ()
    habits.store.add(kept)
    return free(job)


def tuning(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /fine_tuning/jobs/{id}."""
    body, lines = habits.store.look(name)
    return Answer("", "fine_tuning", body=body, lines=lines)


def contain(request: Received, habits: Habits) -> Answer:
    """POST /containers: billed by the session and its memory."""
    memory = request.body.get("memory_limit") or "1g"
    about = {
        "id": identifier("cntr_"),
        "object": "container",
        "created_at": request.at_ns // 10**9,
        "name": required(request.body, "name"),
        "status": "running",
        "expires_after": {"anchor": "last_active_at", "minutes": 20},
        "last_active_at": request.at_ns // 10**9,
        "memory_limit": memory,
    }
    habits.store.add(Kept(about["id"], about))
    usage = habits.laid({"containers": 1, "memory_limit": memory})
    return Answer("", "containers", body=about, usage=lambda _: usage, states_usage=False)


def container(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /containers/{id}; free."""
    return free(habits.store.get(name, Kept).about)
