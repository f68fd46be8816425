"""Pictures, sounds and films without content, and how long an uploaded sound is. Imports testing.multipart only."""

from __future__ import annotations

import io
import math
import struct
import wave
import zlib
from typing import Final

from farebox.testing.multipart import Upload

MP3_FRAME: Final = b"\xff\xfb\x90\x64" + bytes(413)
"""A silent frame of MPEG-1 layer III: 1152 samples at 44.1 kHz, 128 kbit/s."""

MP3_FRAMES_A_SECOND: Final = 44100 / 1152
PCM_RATE: Final = 24_000
"""Samples a second, of 16 bits: what the speech endpoints send as wav and pcm."""

BYTES_A_SECOND: Final = 16_000
"""Of a sound in a compressed format, for its length: 128 kbit/s."""

FILM: Final = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
"""The head of an MP4 file without a track."""


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00\x00")) + chunk(b"IEND", b"")
    )


PICTURE: Final = _png()
"""A PNG file of one black pixel."""


def sound(seconds: float, kind: str) -> bytes:
    """Silence of this length as wav, pcm, or in MP3 frames, whatever other format is asked for."""
    silence = bytes(2 * int(seconds * PCM_RATE))
    if kind == "pcm":
        return silence
    if kind != "wav":
        return MP3_FRAME * math.ceil(seconds * MP3_FRAMES_A_SECOND)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(PCM_RATE)
        writer.writeframes(silence)
    return file.getvalue()


def seconds(upload: Upload) -> float:
    """The length of a sound: exact for wav, by the bytes for everything else."""
    try:
        with wave.open(io.BytesIO(upload.data)) as reader:
            return float(reader.getnframes() / reader.getframerate())
    except (wave.Error, EOFError):
        return upload.size / BYTES_A_SECOND
