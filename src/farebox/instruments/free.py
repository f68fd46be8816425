"""Requests that cost nothing and tell of nothing that does: rows, by SDK. Imports the standard library only.

Reviewed on 2026-11-25 against the resources of openai 3.57, anthropic 2.14 and google-genai 3.6 and the providers' price pages. No row
is a request that begins paid work (a batch, a run, training, a key for a session outside of this process), nor one whose answer tells
what paid work used: those an instrument has to know. "{}" is one part of a path; "..." is any number of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Final

_OPENAI: Final = """
DELETE ...
GET models
GET models/{}
POST moderations
POST responses/input_tokens
GET responses/{}/input_items
GET chat/completions
GET chat/completions/{}
POST chat/completions/{}
GET chat/completions/{}/messages
GET files
POST files
GET files/{}
POST uploads
POST uploads/{}/parts
POST uploads/{}/complete
POST uploads/{}/cancel
POST conversations
GET conversations/{}
POST conversations/{}
GET conversations/{}/items
POST conversations/{}/items
GET conversations/{}/items/{}
GET vector_stores
POST vector_stores
GET vector_stores/{}
POST vector_stores/{}
POST vector_stores/{}/files
GET vector_stores/{}/files/...
POST vector_stores/{}/files/{}
POST vector_stores/{}/file_batches
GET vector_stores/{}/file_batches/...
POST vector_stores/{}/file_batches/{}/cancel
GET assistants
POST assistants
GET assistants/{}
POST assistants/{}
POST threads
GET threads/{}
GET threads/{}/messages
POST threads/{}/messages
GET threads/{}/messages/{}
POST threads/{}/messages/{}
GET fine_tuning/jobs/{}/events
GET fine_tuning/jobs/{}/checkpoints
POST fine_tuning/jobs/{}/pause
POST fine_tuning/jobs/{}/resume
POST fine_tuning/jobs/{}/cancel
GET evals
POST evals
GET evals/{}
POST evals/{}
GET evals/{}/runs
GET evals/{}/runs/{}/output_items
GET evals/{}/runs/{}/output_items/{}
POST evals/{}/runs/{}
GET containers
GET containers/{}
POST containers/{}/files
GET containers/{}/files/...
GET videos/{}/content
GET skills
GET skills/...
POST skills
POST skills/{}
POST skills/{}/versions
POST content_provenance_checks
GET organization/...
POST organization/...
"""

_ANTHROPIC: Final = """
DELETE ...
GET v1/models
GET v1/models/{}
POST v1/messages/count_tokens
POST models/count-tokens:rawPredict
GET v1/messages/batches
GET v1/messages/batches/{}
POST v1/messages/batches/{}/cancel
GET v1/files
POST v1/files
GET v1/files/{}
GET v1/files/{}/content
GET v1/skills
POST v1/skills
GET v1/skills/...
POST v1/skills/{}/versions
GET v1/agents
POST v1/agents
GET v1/agents/...
POST v1/agents/{}
GET v1/environments
POST v1/environments
GET v1/environments/...
GET v1/memory_stores
POST v1/memory_stores
GET v1/memory_stores/...
POST v1/memory_stores/...
GET v1/sessions
GET v1/sessions/{}/events
GET v1/organizations/...
POST v1/organizations/...
"""

_GOOGLE: Final = """
DELETE ...
GET models
GET models/{}
PATCH models/{}
GET tunedModels
GET tunedModels/{}
PATCH tunedModels/{}
GET tuningJobs
GET tuningJobs/{}
POST tuningJobs/{}:cancel
POST models/{}:countTokens
POST models/{}:computeTokens
POST tunedModels/{}:countTokens
POST endpoints/{}:countTokens
POST endpoints/{}:computeTokens
GET files
GET files/{}
GET files/{}:download
POST files:register
POST upload/{}/files
PUT upload/{}/files
GET cachedContents
GET batches
POST batches/{}:cancel
GET batchPredictionJobs
GET batchPredictionJobs/{}
POST batchPredictionJobs/{}:cancel
GET fileSearchStores
POST fileSearchStores
GET fileSearchStores/{}
GET fileSearchStores/{}/documents
GET fileSearchStores/{}/documents/{}
GET fileSearchStores/{}/operations/{}
GET fileSearchStores/{}/upload/operations/{}
GET webhooks
GET webhooks/{}
POST webhooks
PATCH webhooks/{}
GET agents
GET agents/{}
GET triggers
GET triggers/{}
GET voices
GET environments
GET environments/{}
"""


def _pattern(paths: Sequence[str]) -> re.Pattern[str]:
    """Paths as one expression, to be found at the end of a request's: hosts, clouds and versions set prefixes before them."""
    written = [re.escape(path).replace(re.escape("{}"), "[^/]+").replace(re.escape("..."), ".+") for path in paths]
    return re.compile(f"(?:^|/)(?:{'|'.join(written)})/?$")


@functools.cache
def _rows(sdk: str) -> Mapping[str, re.Pattern[str]]:
    """Method → what the path of a free request ends with; made when first asked for, as it takes some 20 ms."""
    paths: dict[str, list[str]] = {}
    for line in FREE[sdk].split("\n"):
        if line:
            method, _, path = line.partition(" ")
            paths.setdefault(method, []).append(path)
    return {method: _pattern(found) for method, found in paths.items()}


FREE: Final = {"openai": _OPENAI, "anthropic": _ANTHROPIC, "google_genai": _GOOGLE}
"""The rows by instrument."""


def is_free(sdk: str, method: str, path: str) -> bool:
    """Whether a request is known to cost nothing, and to tell of nothing that does.

    Args:
        sdk: name of the instrument.
        method: in capitals.
        path: of the URL as it is sent, without its query.
    """
    pattern = _rows(sdk).get(method)
    return pattern is not None and pattern.search(path) is not None
