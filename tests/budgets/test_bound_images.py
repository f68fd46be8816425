from __future__ import annotations

import base64
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.budgets.bound_images import size


def png(width, height):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))


def gif(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0"


def jpeg(width, height, notes=b""):
    segment = b"\xff\xe1" + struct.pack(">H", len(notes) + 2) + notes if notes else b""
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + b"\xff\xe0\0\x04ab" + segment + b"\xff" + frame


def webp(kind, body):
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def extended(width, height):
    return webp(b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def lossless(width, height):
    return webp(b"VP8L", b"\x2f" + (width - 1 | height - 1 << 14).to_bytes(4, "little") + bytes(9))


def lossy(width, height):
    return webp(b"VP8 ", b"\x30\x01\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(4))


MAKERS = [png, gif, jpeg, extended, lossless, lossy]


@pytest.mark.parametrize("make", MAKERS)
@settings(deadline=None)
@given(width=st.integers(1, 16_000), height=st.integers(1, 16_000))
def test_the_size_is_read_from_bytes_their_base64_and_a_data_url(make, width, height):
    data = make(width, height) + bytes(100)
    text = base64.b64encode(data).decode()
    assert size(data) == (width, height)
    assert size(text) == (width, height)
    assert size(base64.urlsafe_b64encode(data).decode()) == (width, height)
    assert size(f"data:image/png;base64,{text}") == (width, height)


def test_the_size_stands_behind_a_cameras_notes():
    assert size(jpeg(4000, 3000, notes=bytes(65_000))) == (4000, 3000)


@pytest.mark.parametrize(
    "data",
    [b"", "", "https://example.com/a.png", b"%PDF-1.7", "not base64 at all!", png(0, 5), b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\x01\xff\xd9\0\0\0\0\0\0\0",
     png(5, 5)[:20], gif(5, 5)[:8], extended(5, 5)[:20], webp(b"ABCD", bytes(40)), b"\x89PNG\r\n\x1a\n" + bytes(40)],
)  # fmt: skip
def test_what_is_no_image_of_these_kinds_or_none_at_all_has_no_size(data):
    assert size(data) is None


@settings(deadline=None)
@given(data=st.binary(max_size=200), magic=st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"GIF8", b"RIFF", b""]))
def test_no_bytes_make_it_raise(data, magic):
    found = size(magic + data)
    assert found is None or min(found) > 0
    assert size(base64.b64encode(magic + data).decode()) == found
