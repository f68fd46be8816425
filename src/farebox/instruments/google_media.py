"""Google's endpoints for pictures and film (Imagen, Veo): rows. Imports core and msgspec only.

Their answers count nothing: pictures are billed as they come, film by the seconds asked for.
https://ai.google.dev/gemini-api/docs/pricing, checked 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.usage import Count, sized_unit
from farebox.extraction.counting import quantity
from farebox.instruments.hook import Answer, Endpoint, Reading
from farebox.instruments.reading import member


class _Picture(msgspec.Struct, rename="camel"):
    mime_type: Any = None


class Pictures(msgspec.Struct):
    """What matters of Imagen's answer: how many pictures there are; one that was filtered out has no type."""

    predictions: list[_Picture] = msgspec.field(default_factory=list)
    usage: None = None


class Operation(msgspec.Struct):
    """What matters of a long-running operation."""

    name: Any = None
    done: Any = None
    error: Any = None
    usage: None = None


_LONGEST: Final = 8
"""Seconds of a film whose request does not say them."""


def _parameters(body: Any) -> Any:
    return member(body, "parameters") or {}


def _unit(unit: str, size: Any) -> str:
    return sized_unit(unit, None, size if isinstance(size, str) else None)


def pictures(body: Any, _files: int) -> dict[str, Count]:
    """Pictures asked for."""
    asked = _parameters(body)
    number = member(asked, "sampleCount")
    return {
        _unit(semconv.IMAGES, member(asked, "sampleImageSize")): number if isinstance(number, int) and number > 0 else 1
    }


def film(body: Any, _files: int) -> dict[str, Count]:
    """Seconds of film asked for, all copies together."""
    asked = _parameters(body)
    copies = member(asked, "sampleCount")
    seconds = quantity(member(asked, "durationSeconds") or _LONGEST, "durationSeconds", [])
    total = seconds * (copies if isinstance(copies, int) and copies > 1 else 1)
    return {_unit(semconv.VIDEO_SECONDS, member(asked, "resolution")): total} if total else {}


def drawn(answer: Any, reading: Reading) -> None:
    """The pictures that came: filtered ones are not billed."""
    given = member(answer, "predictions")
    came = sum(member(picture, "mime_type") is not None for picture in given) if isinstance(given, list) else 0
    reading.units = {semconv.IMAGES: came}
    reading.void = not came


def begun(answer: Any, reading: Reading) -> None:
    """Film is made in the background, under the operation's name."""
    name = member(answer, "name")
    if isinstance(name, str):
        reading.id = reading.key = name
        reading.void = bool(member(answer, "error"))


def told_films(answer: Any, _names: tuple[str, ...]) -> Iterator[Reading]:
    """An operation that failed is not billed; one that went well cost what its request said."""
    reading = Reading()
    begun(answer, reading)
    if reading.void:
        yield reading


_DRAWN: Final = Answer(Pictures, model=None, id=None, identify=drawn)
_FILMED: Final = Answer(Operation, model=None, id=None, identify=begun)
_FILMS: Final = (semconv.VIDEO_GENERATION, semconv.API_VIDEOS, _FILMED)

IMAGES: Final = Endpoint("predict", semconv.IMAGE_GENERATION, semconv.API_IMAGES, _DRAWN, derive=pictures)

ENDPOINTS: Final = (
    Endpoint("predictLongRunning", *_FILMS, derive=film),
    Endpoint("fetchPredictOperation", *_FILMS, told=told_films),
    Endpoint("models/{}/operations/{}", *_FILMS, method="get", told=told_films),
)
