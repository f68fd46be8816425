"""Each situation on the real SDK, without and with farebox: the user sees no difference, the ledger says what was billed."""

from __future__ import annotations

import about_calls
import about_clouds
import about_hooks
import about_payloads
import about_retries
import about_streams
import about_usage
import pytest
from lessons import EVERY
from situation import SITUATIONS
from trial import compare, require

FILES = (about_calls, about_streams, about_payloads, about_usage, about_hooks, about_clouds, about_retries)


# google-genai takes aiohttp where it is installed, and warns of its own session class.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
@pytest.mark.parametrize(
    ("situation", "mode"),
    [
        pytest.param(
            row,
            mode,
            id=f"{row.about}: {row.kind}, {mode}: {row.name}",
            marks=[pytest.mark.xfail(reason=row.wrong, strict=True)] if row.wrong else [],
        )
        for row in SITUATIONS
        for mode in row.modes
    ],
)
def test_the_user_sees_no_difference_and_the_ledger_says_what_was_billed(situation, mode, tmp_path):
    require(situation, mode)
    compare(situation, mode, tmp_path / "ledger.db")


def test_every_lesson_has_its_situation():
    covered = {item for row in SITUATIONS for item in row.covers}
    assert (sorted(EVERY - covered), sorted(covered - EVERY)) == ([], [])


def test_no_two_situations_have_the_same_name():
    names = [(row.about, row.kind, row.name) for row in SITUATIONS]
    assert len(names) == len(set(names))
    assert {row.program.__module__ for row in SITUATIONS} == {module.__name__ for module in FILES}
    assert len({row.name for row in SITUATIONS}) >= 90
