"""The loopback provider's token counter: bounds, inverses and nearness to real encodings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farebox.testing import tokens

PROSE = (
    "A ledger is a book in which every payment is written down on the day that it is made. Merchants of the old towns kept"
    " theirs in two columns, and closed them each evening before the lamps were lit. What could not be explained was"
    " written in red, and stayed red until somebody found the missing receipt."
)


@given(st.text())
def test_no_text_has_more_tokens_than_utf8_bytes_and_the_pieces_are_the_text(text):
    pieces = tokens.pieces(text)
    assert "".join(pieces) == text
    assert len(pieces) <= len(text.encode("utf-8", "surrogatepass"))


def test_english_comes_to_four_to_five_bytes_a_token():
    assert 4.0 <= len(PROSE.encode()) / tokens.count(PROSE) <= 5.0


@given(st.integers(0, 500))
def test_a_story_has_exactly_the_tokens_asked_for_also_when_counted_again(length):
    parts = tokens.prose(length)
    assert len(parts) == length
    assert tokens.count("".join(parts)) == length


def test_nothing_counts_nothing_and_ids_count_one_each():
    assert tokens.count(None) == 0
    assert tokens.count("") == 0
    assert tokens.count([1, 2, 30000]) == 3


def test_other_values_count_as_their_compact_json():
    assert tokens.count({"a": 1}) == tokens.count('{"a":1}')
