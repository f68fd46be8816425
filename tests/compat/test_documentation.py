"""The page about moving is true: its programs run, its examples and names are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from farebox import compat

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "moving.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda text: text.splitlines()[0])
def test_every_program_runs(program, tmp_path):
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_every_example_and_every_name_of_compat_is_on_the_page():
    assert len(PROGRAMS) == 5
    examples = {path.name for path in (PROJECT / "examples").glob("moving_*.py")}
    assert examples == set(re.findall(r"`(moving_\w+\.py)`", PAGE))
    for name in set(compat.__all__) - {"CostOverview", "record_usage"}:
        assert name in PAGE
    assert "`record_usage" in PAGE


def test_every_link_to_a_page_leads_somewhere():
    for target in re.findall(r"\]\(([\w./]+)", PAGE):
        assert (PROJECT / "docs" / target).exists(), target
