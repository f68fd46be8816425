"""Looking at a ledger's place from outside SQLite: it must not cost a process the locks that it has on the file."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from farebox.core.errors import LedgerError
from farebox.ledger.locate import _kept, ledger_path
from farebox.ledger.sqlite import SQLiteLedger

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.db"


def log_after_another_process(path):
    """Whether the log is there when another process has opened the ledger and closed it: who is the last to close removes it."""
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM calls').fetchone(); c.close()"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    return path.with_name("x.db-wal").exists()


@pytest.mark.parametrize("times", [0, 1, 3])
def test_looking_leaves_the_locks_of_an_open_ledger(path, make_event, times):
    with SQLiteLedger(path) as ledger:
        ledger.ingest([make_event()], journal="j", segment=1, offset=1)
        for _ in range(times):
            ledger_path(path).check()
            SQLiteLedger(path).close()
        assert log_after_another_process(path)


def test_a_file_that_replaced_another_is_looked_at_and_the_old_one_let_go(path, tmp_path):
    SQLiteLedger(path).close()
    assert ledger_path(path).check()
    before, _ = _kept[path]
    (tmp_path / "new").write_bytes(b"no database" * 20)
    (tmp_path / "new").replace(path)
    with pytest.raises(LedgerError, match="no SQLite database"):
        ledger_path(path).check()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(before)


def test_a_descriptor_that_somebody_closed_is_not_closed_again(path, tmp_path):
    SQLiteLedger(path).close()
    assert ledger_path(path).check()
    before, _ = _kept[path]
    with (tmp_path / "theirs").open("wb") as theirs:
        os.dup2(theirs.fileno(), before)  # closes ours, and theirs has its number
        assert ledger_path(path).check()
        os.fstat(before)
    os.close(before)
