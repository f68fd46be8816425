"""OpenAI's endpoints for pictures, sound and film: rows. Imports core only.

Where the answer counts nothing (DALL·E, tts-1, Sora), the request says what is billed. Moderations are free, and no row.
https://platform.openai.com/docs/pricing, checked 2026-11-22.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.usage import Count, sized_unit
from farebox.extraction.counting import amount, quantity
from farebox.instruments.hook import Answer, Endpoint, Reading
from farebox.instruments.pieces import add, events
from farebox.instruments.reading import member, moment


class Picture(msgspec.Struct):
    """What matters of an images answer."""

    usage: Any = None


class Transcript(msgspec.Struct):
    """What matters of a transcription; `duration` stands in the verbose form, in seconds."""

    usage: Any = None
    duration: Any = None


class Film(msgspec.Struct):
    """What matters of a video."""

    id: Any = None
    model: Any = None
    status: Any = None
    seconds: Any = None
    size: Any = None
    created_at: Any = None
    data: Any = None


_AUDIO_BYTES_PER_SECOND: Final = 8_000
"""Compressed speech at 64 kbit/s: for budgets, while nothing says how long a file is."""
_FIRST_SECONDS: Final = 4
"""Length of a video whose request does not say it."""


def images(body: Any, _files: int) -> dict[str, Count]:
    """Pictures by quality and size, for models that are billed by the picture."""
    number = member(body, "n")
    count = int(number) if isinstance(number, int | str) and str(number).isdigit() else 1
    unit = sized_unit(semconv.IMAGES, _word(member(body, "quality")), _word(member(body, "size")))
    return {unit: max(1, count)}


def characters(body: Any, _files: int) -> dict[str, Count]:
    """Characters to be spoken."""
    text = member(body, "input")
    return {semconv.CHARACTERS: len(text)} if isinstance(text, str) and text else {}


def audio_seconds(_body: Any, files: int) -> dict[str, Count]:
    """Seconds that a file probably lasts."""
    return {semconv.SECONDS: -(-files // _AUDIO_BYTES_PER_SECOND)} if files else {}


def film_seconds(body: Any, _files: int) -> dict[str, Count]:
    """Seconds of the film asked for."""
    return _film(member(body, "seconds") or _FIRST_SECONDS, member(body, "size"))


def _film(seconds: Any, size: Any) -> dict[str, Count]:
    count = quantity(seconds, "seconds", [])
    return {sized_unit(semconv.VIDEO_SECONDS, None, _word(size)): count} if count else {}


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def heard(answer: Any, reading: Reading) -> None:
    """The length that the verbose form states, where there is no usage."""
    if reading.usage is None and (seconds := amount(member(answer, "duration"))):
        reading.units = {semconv.SECONDS: int(seconds) if seconds == seconds.to_integral_value() else seconds}


_MARK: Final = re.compile(r"(?:(\d+):)?(\d\d):(\d\d)[.,](\d\d\d)")


def subtitled(text: str, derived: dict[str, Count] | None) -> dict[str, Count] | None:
    """The length that subtitles (SRT, WebVTT) show by their last mark; a plain text shows none."""
    marks = _MARK.findall(text) if "-->" in text else ()
    if not marks:
        return derived
    hours, minutes, seconds, thousandths = marks[-1]
    return {
        semconv.SECONDS: Decimal(int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds))
        + Decimal(f"0.{thousandths}")
    }


def filmed(answer: Any, reading: Reading) -> None:
    """A video is made in the background; its answer repeats what is billed, and says later whether it failed."""
    if reading.id is None:
        return
    reading.key = reading.id
    reading.created = moment(member(answer, "created_at"))
    reading.void = member(answer, "status") == "failed"
    reading.units = _film(member(answer, "seconds"), member(answer, "size"))


def told_films(answer: Any, _names: tuple[str, ...]) -> Iterator[Reading]:
    """A video, or a page of them."""
    page = member(answer, "data")
    for film in page if isinstance(page, list) else [answer]:
        model, identity = member(film, "model"), member(film, "id")
        reading = Reading(model=_word(model), id=_word(identity))
        filmed(film, reading)
        yield reading


_PICTURES: Final = (semconv.IMAGE_GENERATION, semconv.API_IMAGES)
_DRAWN: Final = events(
    quiet="image_generation.partial_image",
    homes={"image_generation.completed": "", "image_edit.completed": ""},
    ends=frozenset({"image_generation.completed", "image_edit.completed"}),
    merge=add,
)
_PICTURE: Final = Answer(Picture, model=None, id=None)
_HEARD: Final = events(
    quiet="transcript.text.delta",
    homes={"transcript.text.done": ""},
    ends=frozenset({"transcript.text.done"}),
)
_TRANSCRIPT: Final = Answer(Transcript, model=None, id=None, identify=heard)
_FILM: Final = Answer(Film, usage="usage", identify=filmed)
_FILMS: Final = (semconv.VIDEO_GENERATION, semconv.API_VIDEOS, _FILM)

ENDPOINTS: Final = (
    Endpoint("images/generations", *_PICTURES, _PICTURE, _DRAWN, derive=images),
    Endpoint("images/edits", *_PICTURES, _PICTURE, _DRAWN, derive=images),
    Endpoint("images/variations", *_PICTURES, _PICTURE, derive=images, default="dall-e-2"),
    Endpoint("audio/speech", semconv.SPEECH, semconv.API_SPEECH, _PICTURE, derive=characters, opaque=True),
    Endpoint(
        "audio/transcriptions",
        semconv.TRANSCRIPTION,
        semconv.API_TRANSCRIPTIONS,
        _TRANSCRIPT,
        _HEARD,
        derive=audio_seconds,
        exact=False,
        text=subtitled,
    ),
    Endpoint(
        "audio/translations",
        semconv.TRANSLATION,
        semconv.API_TRANSLATIONS,
        _TRANSCRIPT,
        derive=audio_seconds,
        exact=False,
        text=subtitled,
    ),
    Endpoint("videos", *_FILMS, derive=film_seconds),
    Endpoint("videos/edits", *_FILMS, derive=film_seconds),
    Endpoint("videos/extensions", *_FILMS, derive=film_seconds),
    Endpoint("videos/{}/remix", *_FILMS, derive=film_seconds),
    Endpoint("videos/{}", *_FILMS, method="get", told=told_films),
    Endpoint("videos", *_FILMS, method="get", told=told_films),
)
