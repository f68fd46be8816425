"""Google's endpoints for what is kept and what is made later: context caches, batches. Rows. Imports core and msgspec only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.extraction.counting import count
from farebox.instruments.google_content import CONTENT, Generated, model_name
from farebox.instruments.hook import Answer, Endpoint, Reading
from farebox.instruments.reading import member, moment, read


class Cache(msgspec.Struct, rename={"usage": "usageMetadata", "created": "createTime", "expires": "expireTime"}):
    """What matters of a context cache."""

    usage: Any = None
    model: Any = None
    name: Any = None
    created: Any = None
    expires: Any = None


class _Line(msgspec.Struct):
    response: Generated | None = None


class _Lines(msgspec.Struct, rename="camel"):
    inlined_responses: list[_Line] | None = None


class _Output(msgspec.Struct, rename="camel"):
    inlined_responses: _Lines | None = None
    inlined_embed_content_responses: _Lines | None = None


class _Metadata(msgspec.Struct, rename="camel"):
    model: Any = None
    create_time: Any = None
    output: _Output | None = None


class Batch(msgspec.Struct, rename="camel"):
    """What matters of a batch: its lines, where they stand in it."""

    name: Any = None
    model: Any = None
    create_time: Any = None
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    response: _Output | None = None
    usage: None = None


def stored(answer: Any, reading: Reading) -> None:
    """A cache is billed by the time that it is kept for, which a later update may change."""
    name = member(answer, "name")
    if not isinstance(name, str):
        return
    reading.id = reading.key = name
    reading.model = None if reading.model is None else model_name(reading.model)
    reading.created, until = moment(member(answer, "created")), moment(member(answer, "expires"))
    tokens = count(member(reading.usage, "totalTokenCount"), "totalTokenCount", [])
    if tokens and reading.created is not None and until is not None:
        kept = tokens * max(0, until - reading.created)
        reading.units = {semconv.CACHE_STORAGE: 0, semconv.CACHE_TOKEN_SECONDS: kept}


def told_caches(answer: Any, _names: tuple[str, ...]) -> Iterator[Reading]:
    """A cache that is looked at, or kept for another time."""
    reading = read(answer, CACHE)
    if reading.usage is not None:
        yield reading


def batched(answer: Any, reading: Reading) -> None:
    """A batch is billed line by line, when its lines are read."""
    name = member(answer, "name")
    if isinstance(name, str):
        metadata = member(answer, "metadata")
        reading.id = reading.key = reading.group = name
        reading.created = moment(member(metadata, "create_time") or member(answer, "create_time"))
        reading.pending = True


def told_lines(answer: Any, _names: tuple[str, ...]) -> Iterator[Reading]:
    """The lines that stand in the batch itself; those in a file are not seen here."""
    batch = Reading()
    batched(answer, batch)
    output = answer.response or answer.metadata.output
    if batch.key is None or output is None:
        return
    for lines, api in (
        (output.inlined_responses, semconv.API_GENERATE_CONTENT),
        (output.inlined_embed_content_responses, semconv.API_EMBED_CONTENT),
    ):
        for place, line in enumerate((lines.inlined_responses if lines is not None else None) or ()):
            reading = Reading() if line.response is None else read(line.response, CONTENT)
            if reading.usage is not None:
                model = reading.model or answer.metadata.model
                reading.model = model_name(model) if isinstance(model, str) else None
                reading.key, reading.group, reading.created = f"{batch.key}/{place}", batch.key, batch.created
                reading.api = semconv.API_BATCHED + api
                yield reading


CACHE: Final = Answer(Cache, id=None, identify=stored)
BATCH: Final = Answer(Batch, model=None, id=None, identify=batched)

_CACHES: Final = (semconv.CONTEXT_CACHE, semconv.API_CACHED_CONTENTS, CACHE)
_BATCHES: Final = (semconv.BATCH, semconv.API_BATCHES, BATCH)

ENDPOINTS: Final = (
    Endpoint("cachedContents", *_CACHES),
    Endpoint("cachedContents/{}", *_CACHES, method="get", told=told_caches),
    Endpoint("cachedContents/{}", *_CACHES, method="patch", told=told_caches),
    Endpoint("batchGenerateContent", *_BATCHES),
    Endpoint("asyncBatchEmbedContent", *_BATCHES),
    Endpoint("batchPredictionJobs", *_BATCHES),
    Endpoint("batches/{}", *_BATCHES, method="get", told=told_lines),
)
