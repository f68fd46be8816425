"""OpenAI's wire format of audio: transcriptions, translations, speech. Imports testing only."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from farebox.testing import media, tokens
from farebox.testing.multipart import Upload
from farebox.testing.store import BadRequestError
from farebox.testing.wire import Answer, Chunk, Habits, Json, Received, Speech, grouped, required, server_sent

HEARD: Final = 10
"""Audio tokens a second that the gpt-4o transcribers count."""

SPOKEN: Final = 20
"""Audio tokens a second that gpt-4o-mini-tts makes: $0.015 a minute at $12 a million tokens is 1,250 a minute."""

CHARACTERS_A_SECOND: Final = 15
"""How fast the text is read out."""

SOUNDS: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
PLAIN: Final = {
    "text": "text/plain; charset=utf-8",
    "srt": "text/plain; charset=utf-8",
    "vtt": "text/plain; charset=utf-8",
}
"""Formats of a transcription that hold no usage, with their content types."""


def transcribe(request: Received, habits: Habits, deployment: str | None = None) -> Answer:
    """POST /audio/transcriptions. Whisper is billed by the second, the others by tokens."""
    body, model, heard = _heard(request, deployment)
    speech = habits.speech(None)
    if model.startswith("whisper"):
        usage = habits.laid({"type": "duration", "seconds": math.ceil(heard)})
        return _written(body, Answer(model, "audio.transcriptions", usage=lambda _: usage), speech.text, heard)
    audio, text = math.ceil(heard * HEARD), tokens.count(body.get("prompt"))

    def of(output: int) -> Json:
        return habits.laid(
            {
                "type": "tokens",
                "total_tokens": audio + text + output,
                "input_tokens": audio + text,
                "input_token_details": {"text_tokens": text, "audio_tokens": audio},
                "output_tokens": output,
            }
        )

    if str(body.get("stream")).lower() == "true":
        chunks = _events(speech, of(speech.length))
        return Answer(model, "audio.transcriptions", chunks=chunks, usage=of, length=speech.length)
    answer = Answer(model, "audio.transcriptions", usage=of, length=speech.length)
    return _written(body, answer, speech.text, heard)


def translate(request: Received, habits: Habits, deployment: str | None = None) -> Answer:
    """POST /audio/translations: billed by the second, and states no usage."""
    body, model, heard = _heard(request, deployment)
    usage = habits.laid({"type": "duration", "seconds": math.ceil(heard)})
    answer = Answer(model, "audio.translations", usage=lambda _: usage, states_usage=False)
    return _written(body, answer, habits.speech(None).text, heard)


def _heard(request: Received, deployment: str | None) -> tuple[Json, str, float]:
    body = request.body
    model = deployment or required(body, "model")
    upload = required(body, "file")
    if not isinstance(upload, Upload):
        raise BadRequestError("'file' is no file.")
    return body, model, media.seconds(upload)


def _written(body: Json, answer: Answer, text: str, heard: float) -> Answer:
    """The answer in the format that was asked for."""
    form = body.get("response_format") or "json"
    if form in PLAIN:
        return replace(answer, body=_plain(form, text, heard), content_type=PLAIN[form], states_usage=False)
    whole: Json = {"text": text}
    piece: Json = {"text": text, "start": 0.0, "end": heard}
    if form == "verbose_json":
        numbers = {"seek": 0, "tokens": [], "temperature": 0.0, "avg_logprob": -0.1, "compression_ratio": 1.0}
        segments = [{"id": 0, **piece, **numbers, "no_speech_prob": 0.0}]
        task = answer.api.removeprefix("audio.").removesuffix("ions") + "e"
        whole = {"task": task, "language": "english", "duration": heard, **whole, "segments": segments}
    elif form == "diarized_json":
        segments = [{"type": "transcript.text.segment", "id": "seg_0", **piece, "speaker": "A"}]
        whole = {"task": "transcribe", "duration": heard, **whole, "segments": segments}
    if answer.states_usage and answer.usage is not None:
        whole["usage"] = answer.usage(answer.length)
    return replace(answer, body=whole)


def _plain(form: str, text: str, heard: float) -> str:
    if form == "text":
        return f"{text}\n"
    if form == "vtt":
        return f"WEBVTT\n\n00:00.000 --> {_clock(heard, '.')}\n{text}\n\n"
    return f"1\n00:00:00,000 --> 00:{_clock(heard, ',')}\n{text}\n\n"


def _clock(heard: float, mark: str) -> str:
    minutes, seconds = divmod(heard, 60)
    return f"{int(minutes):02d}:{seconds:06.3f}".replace(".", mark)


def _events(speech: Speech, usage: Json) -> Iterator[Chunk]:
    for text, end in grouped(speech.parts, 1):
        yield Chunk(server_sent({"type": "transcript.text.delta", "delta": text}), speech.hidden + end)
    done = {"type": "transcript.text.done", "text": speech.text, "usage": usage}
    yield Chunk(server_sent(done), speech.length, states_usage=True)
    yield Chunk(server_sent("[DONE]"), speech.length)


def speak(request: Received, habits: Habits, deployment: str | None = None) -> Answer:
    """POST /audio/speech. The tts-1 models are billed by characters, the others by tokens; only `sse` states a usage."""
    body = request.body
    model = deployment or required(body, "model")
    text = required(body, "input")
    form = body.get("response_format") or "mp3"
    if form not in SOUNDS:
        raise BadRequestError(f"Invalid 'response_format': {form}")
    length = max(len(text) / CHARACTERS_A_SECOND, 0.1)
    sound = media.sound(length, form)
    if model.startswith("tts-1"):
        usage = habits.laid({"characters": len(text)})
        return Answer(
            model, "audio.speech", body=sound, content_type=SOUNDS[form], usage=lambda _: usage, states_usage=False
        )
    read = tokens.count(text) + tokens.count(body.get("instructions"))
    spoken = math.ceil(length * SPOKEN)

    def of(output: int) -> Json:
        return habits.laid({"input_tokens": read, "output_tokens": output, "total_tokens": read + output})

    answer = Answer(model, "audio.speech", usage=of, length=spoken, content_type=SOUNDS[form], states_usage=False)
    if body.get("stream_format") == "sse":
        return replace(answer, chunks=_spoken(sound, spoken, of(spoken)))
    return replace(answer, body=sound)


def _spoken(sound: bytes, length: int, usage: Json) -> Iterator[Chunk]:
    step = math.ceil(len(sound) / 4)
    for start in range(0, len(sound), step):
        data = base64.b64encode(sound[start : start + step]).decode()
        produced = min(length, math.ceil((start + step) * length / len(sound)))
        yield Chunk(server_sent({"type": "speech.audio.delta", "audio": data}), produced)
    yield Chunk(server_sent({"type": "speech.audio.done", "usage": usage}), length, states_usage=True)
