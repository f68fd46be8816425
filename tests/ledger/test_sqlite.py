"""The SQLite engine: the file at the path, other people's files, other processes, forks."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest

from farebox.core.errors import ConfigurationError, LedgerError
from farebox.core.event import CallEvent
from farebox.ledger import journal_directory, ledger_path, migrations, open_ledger
from farebox.ledger.locate import SCHEMA_VERSION
from farebox.ledger.sqlite import SQLiteLedger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "below" / "x.db"


@pytest.fixture
def ledger(path):
    with SQLiteLedger(path, busy_timeout=0.05) as opened:
        yield opened


def test_the_columns_of_calls_are_the_fields_of_an_event(ledger):
    rows = ledger._file._connection.execute("PRAGMA table_info(calls)").fetchall()
    assert {row[1] for row in rows} == set(CallEvent.__struct_fields__)


def test_the_file_is_for_its_owner_only(ledger, path, make_event):
    ledger.ingest([make_event()], journal="j", segment=1, offset=1)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_the_view_spend_shows_dollars_and_iso_times(ledger, path, make_event):
    event = make_event(started_at=1_794_999_999_250_000_000, duration_ns=1_500_000_000)
    ledger.ingest([event, make_event(cost_nano=None, cost_status="unpriced")], journal="j", segment=1, offset=1)
    other = sqlite3.connect(path)
    rows = other.execute("SELECT started, seconds, model, cost_usd FROM spend ORDER BY started").fetchall()
    other.close()
    assert rows[0] == ("2026-11-18T11:06:39.250Z", 1.5, "gpt-5-mini", 0.0009)
    assert None in [row[3] for row in rows]


def test_money_beyond_a_floats_precision_is_summed_exactly(ledger, make_event):
    ledger.ingest([make_event(cost_nano=2**53 + 1), make_event(cost_nano=2)], journal="j", segment=1, offset=1)
    assert ledger.totals()["cost_nano"] == 2**53 + 3


# --- what may stand at the path


def test_a_directory_is_named_with_a_file_to_use(tmp_path):
    with pytest.raises(LedgerError, match=r"is a directory.*ledger\.db"):
        open_ledger(tmp_path)


@pytest.mark.parametrize("content", [b"hello, this is a text" * 100, b"x", b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    for read_only in (False, True):
        with pytest.raises(LedgerError, match=str(tmp_path / "f")):
            open_ledger(tmp_path / "f", read_only=read_only)
    assert (tmp_path / "f").read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("statement", ["CREATE TABLE theirs (x)", "PRAGMA application_id = 77"])
def test_another_programs_database_is_refused_and_kept(tmp_path, statement):
    theirs = sqlite3.connect(tmp_path / "f")
    theirs.execute(statement)
    theirs.execute("PRAGMA user_version = 5")
    theirs.commit()
    theirs.close()
    before = (tmp_path / "f").read_bytes()
    for read_only in (False, True):
        with pytest.raises(LedgerError, match=r"another program.*nothing of it was changed"):
            open_ledger(tmp_path / "f", read_only=read_only)
    assert (tmp_path / "f").read_bytes() == before


def test_an_empty_file_becomes_a_ledger(tmp_path):
    (tmp_path / "f").touch()
    with pytest.raises(LedgerError, match="without read_only"):
        open_ledger(tmp_path / "f", read_only=True)
    with SQLiteLedger(tmp_path / "f") as ledger:
        assert ledger.check() == []


def test_a_newer_schema_is_refused_and_kept(ledger, path):
    connection = ledger._file._connection
    connection.execute("INSERT INTO migrations VALUES (?, 'from_the_future', 0)", (len(migrations.MIGRATIONS) + 1,))
    ledger.close()
    for read_only in (False, True):
        with pytest.raises(LedgerError, match=r"newer farebox.*upgrade"):
            open_ledger(path, read_only=read_only)


def test_a_migration_that_fails_leaves_nothing_of_itself(ledger, path, monkeypatch):
    def half(connection):
        connection.execute("CREATE TABLE half (x)")
        connection.execute("CREATE TABLE calls (x)")

    monkeypatch.setattr(migrations, "MIGRATIONS", [*migrations.MIGRATIONS, half])
    with pytest.raises(LedgerError, match="already exists"):
        open_ledger(path)
    with pytest.raises(LedgerError, match=f"needs {SCHEMA_VERSION + 1}: run farebox ledger migrate"):
        open_ledger(path, read_only=True)
    monkeypatch.undo()
    with SQLiteLedger(path, read_only=True) as again:
        tables = again._file._connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall()
        assert tables == []
        assert migrations.version(again._file._connection) == SCHEMA_VERSION


def test_a_later_migration_is_applied_once_with_its_record(ledger, path, monkeypatch):
    def add_note(connection):
        connection.execute("ALTER TABLE journals ADD COLUMN note TEXT")

    monkeypatch.setattr(migrations, "MIGRATIONS", [*migrations.MIGRATIONS, add_note])
    for _ in range(2):
        with SQLiteLedger(path) as again:
            found = again._file._connection.execute("SELECT number, name FROM migrations ORDER BY number").fetchall()
            assert found[0] == (1, "calls_rollups_and_journals")
            assert found[SCHEMA_VERSION:] == [(SCHEMA_VERSION + 1, "add_note")]


def fields(number):
    """Calls that every schema could hold: what was unknown to it is unknown now."""
    routed = {"baseline_model": "gpt-5", "baseline_cost_nano": 10**6} if number % 4 == 0 else {}
    return {"tenant_id": f"t{number % 3}", "cache_read_tokens": number % 5, **routed}


def take_over(connection, path):
    """Fill an older schema with what it had room for."""
    connection.execute("ATTACH DATABASE ? AS filled", (str(path),))
    for (table,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
        columns = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
        rest = [row[1] for row in connection.execute(f"PRAGMA filled.table_info({table})")]
        if rest and table not in ("migrations", "facts"):
            names = ", ".join(column for column in columns if column in rest)
            connection.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM filled.{table}")
    connection.execute("DETACH DATABASE filled")


@pytest.mark.parametrize("before", range(1, SCHEMA_VERSION))
def test_a_ledger_of_any_earlier_schema_is_brought_up_with_all_that_is_in_it(tmp_path, monkeypatch, make_event, before):
    path = tmp_path / "old.db"
    with SQLiteLedger(tmp_path / "filled.db") as filled:
        filled.ingest([make_event(**fields(n)) for n in range(50)], journal="j", segment=1, offset=1)
        said = filled.summary(), filled.by("tenant_id"), list(filled.calls()), filled.savings("method", "tenant_id")
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:before])
        with SQLiteLedger(path) as old:
            assert migrations.version(old._file._connection) == before
            take_over(old._file._connection, tmp_path / "filled.db")
    with SQLiteLedger(path) as ledger, SQLiteLedger(tmp_path / "new.db") as new:
        now = ledger.summary(), ledger.by("tenant_id"), list(ledger.calls()), ledger.savings("method", "tenant_id")
        assert now == said
        assert ledger.mark("j") == (1, 1)
        assert ledger.check() == []
        tables = "SELECT name, sql FROM sqlite_master ORDER BY name"
        assert list(ledger._file._connection.execute(tables)) == list(new._file._connection.execute(tables))


def test_a_ledger_that_is_not_there_cannot_be_read(tmp_path):
    with pytest.raises(LedgerError, match="is not there"):
        open_ledger(tmp_path / "none.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_directory_should_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match=str(tmp_path / "file")):
        open_ledger(tmp_path / "file" / "x.db")


def test_a_name_that_no_file_can_have_is_an_error_with_the_remedy(tmp_path):
    with pytest.raises(LedgerError, match="name another ledger"):
        open_ledger(tmp_path / f"{'x' * 300}.db")


def test_a_new_file_that_another_holds_is_waited_for(tmp_path):
    path = tmp_path / "x.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="another process is writing"):
        SQLiteLedger(path, busy_timeout=0.05)
    timer = threading.Timer(0.2, other.execute, ("ROLLBACK",))
    timer.start()
    SQLiteLedger(path, busy_timeout=20).close()
    timer.join()
    other.close()


def test_read_only_never_writes(ledger, path, make_event):
    ledger.ingest([make_event()], journal="j", segment=1, offset=1)
    with SQLiteLedger(path, read_only=True) as reader:
        assert reader.totals()["calls"] == 1
        with pytest.raises(LedgerError, match="readonly"):
            reader.ingest([make_event()], journal="j", segment=1, offset=2)
        with pytest.raises(LedgerError, match="readonly"):
            reader.forget("j")


# --- the file while it is in use


BOUND_BY_MODES = """
import sys
from pathlib import Path
from farebox.core.errors import LedgerError
from farebox.core.event import CallEvent
from farebox.ledger.sqlite import SQLiteLedger

path = Path(sys.argv[1])
event = CallEvent(id="x", started_at=1, provider="openai", operation="chat")
for _ in range(2):
    try:
        SQLiteLedger(path).ingest([event], journal="j", segment=1, offset=1)
        sys.exit("a file that may not be written was written")
    except LedgerError as error:
        assert "set the rights" in str(error), error
with SQLiteLedger(path, read_only=True) as reader:
    assert reader.summary().calls == 0
path.chmod(0o600)
assert SQLiteLedger(path).ingest([event], journal="j", segment=1, offset=1) == 1
"""


def bound_by_modes(program, *arguments):
    """The command of a program that the modes of files bind, also when root runs it."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv of util-linux, or a user who is not root")
    return ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", *command]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_a_file_that_was_read_only_is_written_once_it_may_be(ledger, path):
    ledger.close()
    path.chmod(0o444)
    done = subprocess.run(bound_by_modes(BOUND_BY_MODES, path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


READS = """
import sys
from farebox.ledger.sqlite import SQLiteLedger

with SQLiteLedger(sys.argv[1], read_only=True) as reader:
    for _ in sys.stdin:
        print(reader.summary().calls, len(list(reader.calls())), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_a_ledger_in_a_read_only_directory_is_read_and_so_is_what_others_write_there(ledger, path, make_event):
    def count():
        path.parent.chmod(0o555)
        process.stdin.write("?\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        path.parent.chmod(0o700)
        return answer

    ledger.ingest([make_event()], journal="j", segment=1, offset=1)
    ledger.close()
    path.parent.chmod(0o555)
    with subprocess.Popen(
        bound_by_modes(READS, path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert count() == "1 1\n"
        with SQLiteLedger(path) as other:
            other.ingest([make_event()], journal="j", segment=1, offset=2)
            assert count() == "2 2\n"  # it is in the log, which is there now
            other.ingest([make_event()], journal="j", segment=1, offset=3)
            assert count() == "3 3\n"
        with SQLiteLedger(path) as other:
            other.ingest([make_event()], journal="j", segment=1, offset=4)
        assert count() == "4 4\n"
        process.stdin.close()
    assert process.returncode == 0


def test_where_no_log_can_be_made_a_file_is_opened_anew_when_it_changed(ledger, path, make_event, monkeypatch):
    ledger.ingest([make_event()], journal="j", segment=1, offset=1)
    ledger.close()
    honest = os.access
    monkeypatch.setattr(os, "access", lambda place, mode: place != path.parent and honest(place, mode))
    with SQLiteLedger(path, read_only=True) as reader:
        assert reader.summary().calls == 1
        first = reader._file._connection
        assert reader.summary().calls == 1
        assert reader._file._connection is first
        with SQLiteLedger(path) as other:
            other.ingest([make_event()], journal="j", segment=1, offset=2)
            assert reader.summary().calls == 2


def test_a_deleted_file_is_noticed_before_anything_is_committed_into_it(ledger, path, make_event):
    ledger.ingest([make_event()], journal="j", segment=1, offset=10)
    for file in path.parent.iterdir():
        file.unlink()
    event = make_event()
    assert ledger.ingest([event], journal="j", segment=1, offset=20) == 1
    assert list(ledger.calls()) == [event]
    with SQLiteLedger(path, read_only=True) as other:
        assert list(other.calls()) == [event]
    assert ledger.mark("j") == (0, 0)  # so that the journal is read from its start again


def test_a_replaced_file_is_followed(ledger, path, tmp_path, make_event):
    ledger.ingest([make_event()], journal="j", segment=1, offset=10)
    with SQLiteLedger(tmp_path / "new.db") as other:
        theirs = make_event()
        other.ingest([theirs], journal="j", segment=1, offset=5)
    for file in path.parent.iterdir():
        file.unlink()
    (tmp_path / "new.db").replace(path)
    assert ledger.mark("j") == (1, 5)
    assert list(ledger.calls()) == [theirs]
    assert ledger.checkpoint() is True
    path.unlink()
    assert ledger.checkpoint() is False


def test_a_locked_ledger_is_an_error_that_says_so_and_nothing_is_stored(ledger, path, make_event):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="another process is writing"):
        ledger.ingest([make_event()], journal="j", segment=1, offset=1)
    assert ledger.totals()["calls"] == 0  # readers are not kept out
    other.execute("ROLLBACK")
    other.close()
    assert ledger.ingest([make_event()], journal="j", segment=1, offset=1) == 1


def test_a_checkpoint_that_a_reader_keeps_back_is_said(ledger, path, make_event):
    ledger.ingest([make_event()], journal="j", segment=1, offset=1)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM calls").fetchone()
    ledger.ingest([make_event()], journal="j", segment=1, offset=2)
    assert ledger.checkpoint() is False
    reader.execute("COMMIT")
    reader.close()
    assert ledger.checkpoint() is True


def test_damage_is_found(ledger, make_event):
    ledger.ingest([make_event(), make_event(tenant_id="t")], journal="j", segment=1, offset=1)
    assert ledger.check() == []
    ledger._file._connection.execute("UPDATE spend_by_hour SET cost_nano = cost_nano + 1")
    assert all("spend_by_hour is not the sum of calls" in problem for problem in ledger.check())
    assert len(ledger.check()) == 2  # what should be there and what is
    ledger._file._connection.execute("DELETE FROM tenants_by_day WHERE tenant_id = 't'")
    assert len(ledger.check()) == 3


def test_a_damaged_file_is_said_with_the_remedy(ledger, path, make_event):
    ledger.ingest([make_event() for _ in range(200)], journal="j", segment=1, offset=1)
    ledger.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="move it away and restore a backup"):
        list(ledger.calls())


def test_threads_share_one_ledger(ledger, make_event):
    batches = [[make_event() for _ in range(20)] for _ in range(8)]

    def work(number, batch):
        ledger.ingest(batch, journal=f"j{number}", segment=1, offset=1)
        ledger.by("model")

    threads = [threading.Thread(target=work, args=item) for item in enumerate(batches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.totals()["calls"] == 160
    assert ledger.check() == []


def test_threads_that_create_the_same_ledger_at_once_all_succeed(tmp_path):
    for number in range(15):
        barrier, errors = threading.Barrier(4), []

        def create(path=tmp_path / f"{number}.db", barrier=barrier, errors=errors):
            barrier.wait()
            try:
                SQLiteLedger(path, busy_timeout=20).close()
            except LedgerError as error:
                errors.append(error)

        threads = [threading.Thread(target=create) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []


CREATES = """
import sys
from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.ledger import open_ledger
sys.stdin.readline()
ledger = open_ledger(sys.argv[1])
for number in range(20):
    event = CallEvent(id=new_id(10**18), started_at=10**18, provider="p", operation="o", cost_nano=1, cost_status="priced")
    ledger.ingest([event], journal=sys.argv[2], segment=1, offset=number + 1)
ledger.close()
"""


def test_processes_that_create_the_same_ledger_at_once_all_succeed(path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CREATES, str(path), str(number)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in started:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    with SQLiteLedger(path) as ledger:
        assert ledger.totals()["calls"] == 80
        assert ledger.check() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_parent_and_children_write_on_after_forks_in_the_middle_of_writing(path, make_event):
    ledger = SQLiteLedger(path, busy_timeout=20)
    batches = [[make_event() for _ in range(20)] for _ in range(60)]
    theirs = [make_event() for _ in range(6)]

    def work():
        for number, batch in enumerate(batches):
            ledger.ingest(batch, journal="parent", segment=1, offset=number + 1)

    thread = threading.Thread(target=work)
    thread.start()
    children = []
    for number, event in enumerate(theirs):
        ledger.before_fork()
        child = os.fork()
        ledger.after_fork()
        if child == 0:
            code = 1
            try:
                ledger.ingest([event], journal=f"child {number}", segment=1, offset=1)
                ledger.close()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 6
    thread.join()
    assert ledger.totals()["calls"] == 1206
    assert ledger.check() == []
    ledger.close()


def test_questions_about_times_read_one_stretch_of_the_table(ledger, make_event):
    from farebox.ledger import queries

    ledger.ingest([make_event() for _ in range(10)], journal="j", segment=1, offset=1)
    for query in (
        queries.grouped(("user_id",), queries.Window(10**18, None, 0), {}),
        queries.grouped(("model",), queries.Window(10**18 + 1, 2 * 10**18 + 1, 0), {}),
        queries.newest(queries.Window(10**18, 2 * 10**18, 0), {}, 10),
        queries.newest(queries.Window(None, None, 0), {"id": "x"}, 10),
    ):
        plan = [row[3] for row in ledger._file._connection.execute(f"EXPLAIN QUERY PLAN {query.sql}", query.parameters)]
        assert not [step for step in plan if step.startswith("SCAN calls")]
        assert [step for step in plan if "SEARCH calls USING PRIMARY KEY" in step]


# --- where it is


def test_an_unknown_engine_is_refused_and_the_known_ones_are_named():
    with pytest.raises(ConfigurationError, match="'oracle' is not known: use one of sqlite"):
        open_ledger("oracle://host/db")
    ledger_path("oracle://host/db").check()


def test_paths_and_urls_name_the_same_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ledger_path("a b.db").path == tmp_path / "a b.db"
    assert ledger_path(f"sqlite://{tmp_path}/a%20b.db").path == tmp_path / "a b.db"
    assert ledger_path("~/x.db").path.is_absolute()
    assert ledger_path(None).path.name == "ledger.db"
    assert ledger_path(ledger_path("x.db")) == ledger_path("x.db")


def test_journals_lie_beside_their_ledger(tmp_path):
    assert journal_directory(tmp_path / "x.db") == tmp_path / "x.journal"
    assert journal_directory(tmp_path / "x") == tmp_path / "x.journals"
    assert journal_directory(tmp_path / "x.sqlite") == tmp_path / "x.sqlite.journals"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_path_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "loop.db").symlink_to(tmp_path / "loop.db")
    with pytest.raises(LedgerError, match=r"loop\.db cannot be read"):
        open_ledger(tmp_path / "loop.db")
