"""Google's wire format of live connections. Imports testing only."""

from __future__ import annotations

import base64
from typing import Any, Final

from farebox.testing import prompt, tokens
from farebox.testing.conversations import Peer
from farebox.testing.wire import Json, grouped

TOKENS_A_SECOND: Final = 25
"""Of sound that is heard: 16 bits, mono, 16 kHz."""

PIECES_A_MESSAGE: Final = 8


class Live:
    """One session: the prompt of each turn is the whole conversation so far.

    Args:
        peer: the client.
        model: of the session.
        setup: what it was set up with.
    """

    def __init__(self, peer: Peer, model: str, setup: Json) -> None:
        self.peer = peer
        self.model = model
        self.text = prompt.part((setup.get("systemInstruction") or {}).get("parts") or [])
        self.sound = 0
        declared = [tool.get("functionDeclarations") for tool in setup.get("tools") or []]
        self.calls = peer.habits.function_calls if any(declared) else 0
        self.functions = [function for several in declared for function in several or []]

    def take(self, message: Json) -> None:
        """Answer one message of the client."""
        content = message.get("client_content") or message.get("clientContent")
        spoken = message.get("realtime_input") or message.get("realtimeInput")
        answers = message.get("tool_response") or message.get("toolResponse")
        if content:
            self.text += sum(prompt.part(turn.get("parts")) for turn in content.get("turns") or [])
            if content.get("turnComplete") or content.get("turn_complete"):
                self._turn()
        elif spoken:
            self._hear(spoken)
        elif answers:
            self.text += tokens.count(answers)
            self._turn()

    def _hear(self, spoken: Json) -> None:
        blobs = (
            [spoken["audio"]] if "audio" in spoken else spoken.get("mediaChunks") or spoken.get("media_chunks") or []
        )
        for blob in blobs:
            self.sound += len(base64.b64decode(blob["data"])) * TOKENS_A_SECOND // 32_000
        self.text += tokens.count(spoken.get("text"))
        # Voice detection: sound that is long enough holds a sentence.
        if spoken.get("text") or "activityEnd" in spoken or (blobs and self.sound):
            self._turn()

    def _turn(self) -> None:
        if self.calls:
            self.calls -= 1
            call = {"id": "call-1", "name": self.functions[0]["name"], "args": {}}
            usage = self._usage(tokens.count(call))
            self.peer.send({"toolCall": {"functionCalls": [call]}, "usageMetadata": usage})
            return
        self.peer.go_on(self._events())

    def _events(self) -> Any:
        speech = self.peer.habits.speech(None)
        for text, _end in grouped(speech.parts, PIECES_A_MESSAGE):
            yield {"serverContent": {"modelTurn": {"parts": [{"text": text}], "role": "model"}}}
        yield {"serverContent": {"generationComplete": True}}
        usage = self._usage(len(speech.parts))
        yield {"serverContent": {"turnComplete": True}, "usageMetadata": usage}

    def _usage(self, length: int) -> Json:
        asked = self.text + self.sound
        usage: Json = {
            "promptTokenCount": asked,
            "responseTokenCount": length,
            "thoughtsTokenCount": 7,
            "totalTokenCount": asked + length,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": self.text},
                {"modality": "AUDIO", "tokenCount": self.sound},
            ],
            "responseTokensDetails": [{"modality": "TEXT", "tokenCount": length}],
        }
        self.text += length
        self.peer.bill(self.model, "live", usage)
        return usage


def converse(peer: Peer) -> None:
    """GET ...BidiGenerateContent: the first message sets the session up."""
    session: Live | None = None
    for message in peer.messages():
        if session is None:
            setup = message["setup"]
            session = Live(peer, setup["model"].rpartition("/")[2], setup)
            peer.send({"setupComplete": {"sessionId": "session-1"}})
        else:
            session.take(message)
