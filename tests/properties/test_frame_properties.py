"""Framing under damage: no event is lost but the damaged ones, and none is invented."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.journal.frame import frame, scan

payloads = st.lists(st.binary(min_size=1, max_size=60).map(lambda raw: raw.replace(b"\x1e", b"?")), max_size=8)


def good(data, *, final=True):
    return [payload for _, _, payload in scan(data, final=final) if payload is not None]


def starts(lines):
    at, found = 0, []
    for line in lines:
        found.append(at)
        at += len(line)
    return found


@given(payloads)
def test_what_was_framed_is_read_back_in_order(written):
    data = b"".join(map(frame, written))
    assert good(data) == written
    assert [end for _, end, _ in scan(data, final=True)] == [*starts(map(frame, written))[1:], len(data)][
        : len(written)
    ]


@settings(max_examples=300)
@given(payloads.filter(bool), st.data())
def test_a_flipped_byte_costs_at_most_the_line_it_stands_in(written, data):
    lines = list(map(frame, written))
    whole = bytearray(b"".join(lines))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    hit = max(index for index, start in enumerate(starts(lines)) if start <= at)
    found = good(bytes(whole))
    assert found in (written, written[:hit] + written[hit + 1 :])


@settings(max_examples=300)
@given(payloads.filter(bool), st.data())
def test_a_cut_costs_only_the_lines_behind_it(written, data):
    lines = list(map(frame, written))
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    complete = [start + len(line) - 1 <= cut for start, line in zip(starts(lines), lines, strict=True)]
    assert good(whole[:cut]) == written[: sum(complete)]


@given(payloads, st.binary(max_size=40), payloads)
def test_what_stands_between_lines_is_passed_over_and_the_next_line_is_read(before, rubbish, after):
    data = b"".join(map(frame, before)) + rubbish + b"".join(map(frame, after))
    assert good(data) == before + after or b"\x1e" in rubbish


@given(payloads.filter(bool), st.integers(0, 200))
def test_damage_is_told_from_space_that_was_never_used(written, zeros):
    data = b"".join(map(frame, written))
    pieces = list(scan(data + bytes(zeros), final=True))
    assert [payload for _, _, payload in pieces] == written
    pieces = list(scan(data + bytes(zeros) + frame(b"{}"), final=True))
    assert sum(payload is None for _, _, payload in pieces) == (1 if zeros else 0)


@given(payloads, st.data())
def test_a_chunk_that_is_cut_is_read_on_from_where_it_stopped(written, data):
    whole = b"".join(map(frame, written))
    cut = data.draw(st.integers(0, len(whole)))
    reached = max((end for _, end, _ in scan(whole[:cut], final=False)), default=0)
    assert good(whole[:cut], final=False) + good(whole[reached:]) == written


def test_every_byte_of_a_segment_may_be_flipped_or_be_the_last_one():
    written = [b'{"n":1}', b'{"n":22}', b'{"n":333}']
    lines = list(map(frame, written))
    whole = b"".join(lines)
    for at in range(len(whole)):
        for mask in (0x01, 0x14, 0x80, 0xFF):
            broken = bytearray(whole)
            broken[at] ^= mask
            found = good(bytes(broken))
            assert set(found) <= set(written)
            assert len(found) >= 2
        assert good(whole[:at]) == written[: len(good(whole[:at]))]
