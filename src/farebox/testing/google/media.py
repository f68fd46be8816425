"""Google's wire format of pictures, videos and Vertex's embeddings: predictions at once and operations. Imports testing only."""

from __future__ import annotations

import base64
from typing import Final

from farebox.testing import media, tokens
from farebox.testing.bill import Line
from farebox.testing.google.embeddings import EMBEDDING_SIZE
from farebox.testing.openai.chat import vector
from farebox.testing.store import BadRequestError, Job
from farebox.testing.wire import Answer, Habits, Json, Received, free, identifier, required

PICTURE: Final = base64.b64encode(media.PICTURE).decode()
FILM: Final = base64.b64encode(media.FILM).decode()

SECONDS: Final = 8
"""Length of a video where the request names none."""


def predict(request: Received, habits: Habits, model: str) -> Answer:
    """POST {model}:predict: embeddings of texts; for everything else pictures, billed by number and size."""
    instances = required(request.body, "instances")
    asked = request.body.get("parameters") or {}
    if any("content" in instance for instance in instances):
        return _embed(instances, asked, habits, model)
    number = asked.get("sampleCount") or 1
    usage = habits.laid(
        {"images": number, **{name: asked[name] for name in ("sampleImageSize", "mode") if name in asked}}
    )
    body = {"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": PICTURE}] * number}
    return Answer(model, "images", body=body, usage=lambda _: usage, states_usage=False)


def _embed(instances: list[Json], asked: Json, habits: Habits, model: str) -> Answer:
    size = asked.get("outputDimensionality") or EMBEDDING_SIZE
    statistics = [{"truncated": False, "token_count": tokens.count(item.get("content"))} for item in instances]
    metadata = {"billableCharacterCount": sum(len(str(item.get("content"))) for item in instances)}
    predictions = [
        {"embeddings": {"statistics": counted, "values": vector(item.get("content"), size)}}
        for item, counted in zip(instances, statistics, strict=True)
    ]
    usage = habits.laid({"predictions_statistics": statistics, "metadata": metadata})
    body = {"predictions": predictions, "metadata": metadata}
    return Answer(model, "embedContent", body=body, usage=lambda _: usage)


def film(request: Received, habits: Habits, model: str) -> Answer:
    """POST {model}:predictLongRunning: billed by the seconds of every video that was made, when the operation is done."""
    required(request.body, "instances")
    asked = request.body.get("parameters") or {}
    number, seconds = asked.get("sampleCount") or 1, int(asked.get("durationSeconds") or SECONDS)
    cloud = "/publishers/" in request.path
    parent = request.path.partition("/models/")[0].removeprefix("/") if cloud else ""
    name = f"models/{model}/operations/{identifier('op')}"
    name = f"{parent.partition('/')[2]}/{name}" if cloud else name
    host = request.headers.get("host", "localhost")
    job = Job(
        name, "google", {"name": name}, {"name": name, "done": True, "response": _films(number, host, cloud=cloud)}
    )
    job.polls = habits.job_polls
    if habits.job_fails:
        job.done = {"name": name, "done": True, "error": {"code": 13, "message": "The provider was told to fail."}}
    else:
        shown = {member: asked[member] for member in ("resolution", "generateAudio") if member in asked}
        usage = habits.laid({"video_seconds": number * seconds, "videos": number, **shown})
        job.lines = (Line(model, "videos", usage, stated=False),)
    habits.store.add(job)
    return free(job.pending)


def _films(number: int, host: str, *, cloud: bool) -> Json:
    if cloud:
        return {"videos": [{"bytesBase64Encoded": FILM, "mimeType": "video/mp4"}] * number}
    uri = f"http://{host}/v1beta/files/film:download?alt=media"
    return {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": uri}}] * number}}


def operation(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET models/{model}/operations/{id}."""
    body, lines = habits.store.look(name)
    return Answer("", "videos", body=body, lines=lines)


def fetch_operation(request: Received, habits: Habits, model: str) -> Answer:
    """POST {model}:fetchPredictOperation, Vertex's way to look at an operation."""
    name = required(request.body, "operationName")
    if f"/models/{model}/" not in name:
        raise BadRequestError(f"No operation of {model}: {name}")
    return operation(request, habits, name)


def download(request: Received, habits: Habits) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET files/film:download, the content of every video; free."""
    return free(media.FILM, content_type="video/mp4")
