"""The table that the long fault tests fill, printed at the end of the run."""

from __future__ import annotations

import pytest

ROWS = []


@pytest.fixture
def told():
    """Adds a row to the table of faults: what was done, and what became of the calls."""

    def tell(fault, *, returned, lost, twice, dropped=0, missing=0, waits=""):
        ROWS.append((fault, returned, lost, twice, dropped, missing, waits))

    return tell


def pytest_terminal_summary(terminalreporter):
    if not ROWS:
        return
    terminalreporter.write_sep("-", "faults")
    terminalreporter.write_line(
        f"{'fault':<58}{'returned':>10}{'lost':>6}{'twice':>7}{'dropped':>9}{'missing':>9}  p99.9 of a call's wait"
    )
    for fault, returned, lost, twice, dropped, missing, waits in ROWS:
        terminalreporter.write_line(f"{fault:<58}{returned:>10,}{lost:>6}{twice:>7}{dropped:>9,}{missing:>9,}  {waits}")
