"""OpenAI's wire format on websockets: realtime, and responses. Imports testing only."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs

from farebox.testing import tokens
from farebox.testing.conversations import Peer, seconds
from farebox.testing.openai import responses
from farebox.testing.store import BadRequestError
from farebox.testing.wire import Answer, Json, Received, identifier

TOKENS_A_SECOND: Final = 10
"""Of sound that is heard."""

TOKENS_A_WORD: Final = 2
"""Of sound that is spoken, for each token of its text."""


class Realtime:
    """One session.

    Args:
        peer: the client.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        model = (parse_qs(peer.query).get("model") or ["gpt-realtime"])[0]
        self.session: Json = {
            "id": identifier("sess_"),
            "object": "realtime.session",
            "type": "realtime",
            "model": model,
            "output_modalities": ["audio"],
            "audio": {"input": {"turn_detection": {"type": "server_vad"}, "transcription": None}},
        }
        self.heard = {"text": 0, "audio": 0}
        self.cached = {"text": 0, "audio": 0}
        self.current: Json | None = None

    def take(self, event: Json) -> None:
        """Answer one event of the client."""
        reader = getattr(self, f"_{event.get('type', '').replace('.', '_')}", None)
        if reader is None:
            self._error(event, "invalid_value", f"Invalid value: '{event.get('type')}'.")
        else:
            reader(event)

    def _session_update(self, event: Json) -> None:
        asked = event["session"]
        sound = {**self.session["audio"]["input"], **(asked.get("audio") or {}).get("input", {})}
        self.session = {**self.session, **asked, "audio": {"input": sound}}
        self._say("session.updated", session=self.session)

    def _conversation_item_create(self, event: Json) -> None:
        self.heard["text"] += tokens.count(event["item"].get("content"))
        self._say("conversation.item.added", item={**event["item"], "id": identifier("item_")})

    def _input_audio_buffer_append(self, event: Json) -> None:
        length = seconds(event["audio"])
        self.heard["audio"] += round(length * TOKENS_A_SECOND)
        if self.session["audio"]["input"]["turn_detection"] is not None:
            self._commit(length)
            self._respond({})

    def _input_audio_buffer_commit(self, event: Json) -> None:
        self._commit(self.heard["audio"] / TOKENS_A_SECOND if event else 0)

    def _commit(self, length: float) -> None:
        item = identifier("item_")
        self._say("input_audio_buffer.committed", item_id=item, previous_item_id=None)
        transcription = self.session["audio"]["input"].get("transcription")
        if transcription:
            usage: Json = {"type": "duration", "seconds": length}
            if not transcription["model"].startswith("whisper"):
                sound = round(length * TOKENS_A_SECOND)
                details = {"audio_tokens": sound, "text_tokens": 0}
                usage = {"type": "tokens", "input_tokens": sound, "output_tokens": 5, "total_tokens": sound + 5}
                usage["input_token_details"] = details
            kind = "conversation.item.input_audio_transcription.completed"
            self.peer.bill(transcription["model"], "audio.transcriptions", usage)
            self._say(kind, item_id=item, content_index=0, transcript="The driver counts.", usage=usage)

    def _response_create(self, event: Json) -> None:
        asked = event.get("response") or {}
        if self.current is not None and self.peer.busy and asked.get("conversation") != "none":
            code = "conversation_already_has_active_response"
            self._error(event, code, "Conversation already has an active response in progress.")
            return
        self._respond(asked)

    def _response_cancel(self, event: Json) -> None:
        if self.current is None or not self.peer.busy:
            self._error(event, "response_cancel_not_active", "Cancellation failed: no active response found.")
            return
        self.peer.drop()
        usage = self._usage(1, sound=True)
        self.peer.bill(self.session["model"], "realtime", usage)
        self._say("response.done", response={**self.current, "status": "cancelled", "usage": usage})
        self.current = None

    def _respond(self, asked: Json) -> None:
        speech = self.peer.habits.speech(asked.get("max_output_tokens"))
        response: Json = {
            "id": identifier("resp_"),
            "object": "realtime.response",
            "status": "in_progress",
            "output": [],
            "conversation_id": None if asked.get("conversation") == "none" else "conv_1",
            "metadata": asked.get("metadata"),
            "usage": None,
        }
        self.current = response
        sound = (asked.get("output_modalities") or self.session["output_modalities"]) == ["audio"]
        created = _event("response.created", response=response)
        self.peer.begin(created, self._speak(response, speech.parts, sound=sound))

    def _speak(self, response: Json, parts: list[str], *, sound: bool) -> Iterator[Json]:
        kind = "response.output_audio.delta" if sound else "response.output_text.delta"
        for part in parts:
            yield _event(kind, response_id=response["id"], item_id="item", delta=part)
        usage = self._usage(len(parts), sound=sound)
        self.peer.bill(self.session["model"], "realtime", usage)
        if self.current is response:
            self.current = None
        yield _event("response.done", response={**response, "status": "completed", "usage": usage})

    def _usage(self, length: int, *, sound: bool) -> Json:
        heard, cached = dict(self.heard), dict(self.cached)
        spoken = length * TOKENS_A_WORD if sound else 0
        self.cached = heard
        self.heard = {"text": heard["text"] + length, "audio": heard["audio"] + spoken}
        prompt, again = sum(heard.values()), sum(cached.values())
        return {
            "total_tokens": prompt + length + spoken,
            "input_tokens": prompt,
            "output_tokens": length + spoken,
            "input_token_details": {
                "text_tokens": heard["text"],
                "audio_tokens": heard["audio"],
                "image_tokens": 0,
                "cached_tokens": again,
                "cached_tokens_details": {
                    "text_tokens": cached["text"],
                    "audio_tokens": cached["audio"],
                    "image_tokens": 0,
                },
            },
            "output_token_details": {"text_tokens": length, "audio_tokens": spoken},
        }

    def _error(self, event: Json, code: str, message: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
        self._say("error", error={**error, "event_id": event.get("event_id")})

    def _say(self, kind: str, **members: Any) -> None:
        self.peer.send(_event(kind, **members))


def _event(kind: str, **members: Any) -> Json:
    return {"type": kind, "event_id": identifier("event_"), **members}


def converse(peer: Peer) -> None:
    """GET /realtime?model=..."""
    session = Realtime(peer)
    peer.send(_event("session.created", session=session.session))
    for event in peer.messages():
        session.take(event)


def respond(peer: Peer) -> None:
    """GET /responses: the events of a stream, one message each."""
    for event in peer.messages():
        lane = {"stream_id": event["stream_id"]} if event.get("stream_id") else {}
        if event.get("type") != "response.create":
            peer.send(
                {"type": "error", "status": 400, "error": {"type": "invalid_request_error", "message": "unknown"}}
            )
            continue
        try:
            body = {**event, "stream": True}
            answer = responses.create(Received("GET", peer.path, "", {}, body, time.time_ns()), peer.habits)
        except BadRequestError as error:
            fault = {"type": "invalid_request_error", "code": None, "message": str(error), "param": None}
            peer.send({"type": "error", "status": 400, "error": fault, **lane})
            continue
        events = _events(answer, lane)
        peer.begin(next(events), _billed(peer, events))


def _events(answer: Answer, lane: Json) -> Iterator[Json]:
    """The events of a stream, each with the lane that it is for."""
    for chunk in answer.chunks or ():
        yield {**json.loads(chunk.data.partition(b"data: ")[2]), **lane}


def _billed(peer: Peer, events: Iterator[Json]) -> Iterator[Json]:
    for event in events:
        response = event.get("response") or {}
        if response.get("usage"):
            peer.bill(response["model"], "responses", response["usage"])
        yield event
