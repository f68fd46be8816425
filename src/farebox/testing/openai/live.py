"""OpenAI's wire format of live and translation sessions, which are billed by the second. Imports testing only."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs

from farebox.testing.conversations import Peer, seconds
from farebox.testing.openai import responses
from farebox.testing.wire import Json, Received, identifier


def _event(kind: str, **members: Any) -> Json:
    return {"type": kind, "event_id": identifier("event_"), **members}


def converse(peer: Peer) -> None:
    """GET /live/sessions: every piece of sound is told back as seconds so far, and delegated where that was asked for.

    A connection that attaches to a session is told of it, and starts none.
    """
    session: Json = {"id": identifier("live_"), "model": "gpt-live-1", "status": "active", "expires_at": 0}
    heard = 0.0
    told = 0
    for event in peer.messages():
        kind = event.get("type")
        if kind == "session.start":
            session |= {name: value for name, value in event["session"].items() if name in {"model", "delegation"}}
            peer.send(_event("session.started", session=session))
        elif kind == "session.input_audio.append":
            heard += seconds(event["audio"])
            told = int(heard)
            peer.send(_event("session.output_audio.delta", delta=event["audio"]))
            peer.send(_event("session.usage.updated", usage={"seconds": told}))
            _delegate(peer, session.get("delegation") or {})
        elif kind == "session.close":
            total = {"seconds": round(heard + 0.4999)}
            peer.bill(session["model"], "live", total)
            peer.send(_event("session.closed", reason="close_requested", session=session, usage=total))
            return
        else:
            error = {"type": "invalid_request_error", "code": "unknown", "message": f"unknown type {kind}"}
            peer.send(_event("error", error={**error, "client_event_id": event.get("event_id")}))
    peer.bill(session["model"], "live", {"seconds": told}, stated=False)


def _delegate(peer: Peer, delegation: Json) -> None:
    config = delegation.get(str(delegation.get("type"))) or {}
    if delegation.get("type") == "responses":
        body = {"model": config.get("model", "gpt-5-mini"), "input": "What does the ride cost?", "stream": True}
        answer = responses.create(Received("GET", peer.path, "", {}, body, time.time_ns()), peer.habits)
        for chunk in answer.chunks or ():
            event = json.loads(chunk.data.partition(b"data: ")[2])
            usage = (event.get("response") or {}).get("usage")
            if usage:
                peer.bill(answer.model, "responses", usage)
            peer.send(_event("response.event", event=event, delegation_id="del_1"))
    elif delegation.get("type") == "decisions":
        usage = {"input_tokens": 20, "output_tokens": 1, "total_tokens": 21}
        decision = {"id": identifier("dec_"), "model": config.get("model", "gpt-decisions"), "usage": usage}
        peer.bill(decision["model"], "decisions", usage)
        peer.send(_event("decision.event", event={"type": "decision.completed", "decision": decision}))


def translate(peer: Peer) -> None:
    """GET /realtime/translations?model=...: billed by the length of the sound, which is not stated."""
    model = parse_qs(peer.query).get("model", ["gpt-realtime-translate"])[0]
    peer.send(_event("session.created", session={"id": identifier("sess_"), "model": model}))
    heard = 0.0
    for event in peer.messages():
        if event.get("type") == "session.input_audio_buffer.append":
            heard += seconds(event["audio"])
            peer.send(_event("session.output_transcript.delta", delta="La"))
        elif event.get("type") == "session.close":
            peer.send(_event("session.closed"))
            break
    peer.bill(model, "live", {"seconds": heard}, stated=False)
