"""What is final is fetched once; what is open is fetched again; a run that was stopped goes on where it stopped."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from bill_worlds import DAY, DAYS, FIRST, call

from farebox.core.errors import ConfigurationError, LedgerError
from farebox.reconcile.run import reconcile
from farebox.reconcile.store import StatementStore, statements_path, stored_results
from farebox.testing.billing.causes import Late


@pytest.fixture
def traffic(world):
    world.meter(
        *(call(FIRST + n * DAY + 40, "openai", "gpt-5-mini", {"input": 90_000, "output": 9000}) for n in range(5)),
        *(call(FIRST + n * DAY + 41, "anthropic", "claude-opus-5", {"input": 900, "output": 90}) for n in range(5)),
    )
    return world


def asked(world):
    """(part, first day asked for) of every request so far."""
    found = []
    for request in world.billing.requests:
        part = request.path.rpartition("/")[2]
        found.append((part, request.one("start_time") or request.one("starting_at")))
    return found


def test_final_days_are_fetched_once_and_open_ones_again(traffic):
    first = traffic.reconcile()
    before = len(traffic.billing.requests)
    again = traffic.reconcile()

    assert again.results == tuple(
        result if result.status == "matched" else again.results[place] for place, result in enumerate(first.results)
    )
    later = asked(traffic)[before:]
    open_since = str(FIRST // 10**9 + 2 * 86_400)
    assert {start for _, start in later} == {open_since, f"{DAYS[2]}T00:00:00Z"}
    traffic.reconcile(again=True)
    assert ("costs", str(FIRST // 10**9)) in asked(traffic)[before + len(later) :]


def test_a_run_that_was_stopped_in_the_middle_goes_on_there(traffic, monkeypatch):
    traffic.billing.answer_next(400)
    stopped = traffic.reconcile("openai")
    assert any("HTTP 400" in gap for gap in stopped.gaps)
    assert {result.status for result in stopped.results} == {"missing", "open"}
    assert all(result.computed for result in stopped.results)
    before = len(traffic.billing.requests)

    done = traffic.reconcile("openai")

    assert done.gaps == ()
    assert {result.status for result in done.results} == {"matched", "open"}
    parts = [part for part, start in asked(traffic)[before:] if start == str(FIRST // 10**9)]
    assert parts == ["completions"]


def test_a_past_day_that_grows_is_seen_while_it_is_open(traffic):
    traffic.billing.inject(Late("openai", FIRST + 3 * DAY, FIRST + 4 * DAY))
    short = traffic.day("openai", DAYS[3])
    assert (short.status, [cause.kind for cause in short.causes]) == ("open", ["late_data"])
    assert "the last calls, from 00:00:00 UTC on" in short.causes[0].detail
    traffic.billing.catch_up()
    assert traffic.day("openai", DAYS[3]).causes == ()


def test_results_are_there_without_fetching_or_reading_calls(traffic):
    done = traffic.reconcile()
    before = len(traffic.billing.requests)
    results, gaps = stored_results(traffic.path)
    assert sorted(results, key=str) == sorted(done.results, key=str)
    assert [(result.day, result.provider) for result in results] == sorted((r.day, r.provider) for r in results)
    assert gaps == []
    assert {result.provider for result in stored_results(traffic.path, provider="openai", since=DAYS[1])[0]} == {
        "openai"
    }
    assert len(traffic.billing.requests) == before


def test_where_nothing_was_reconciled_there_is_nothing_and_no_file_is_made(tmp_path):
    assert stored_results(tmp_path / "ledger.db") == ([], [])
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_the_owners_and_readable_by_any_sqlite(traffic):
    traffic.reconcile()
    path = statements_path(traffic.path)
    assert path.stat().st_mode & 0o777 == 0o600
    with contextlib.closing(sqlite3.connect(path)) as plain:
        rows = plain.execute("SELECT day, status, billed_nano, computed_nano FROM bill_days WHERE provider = 'openai'")
        assert rows.fetchall()[0] == (DAYS[0], "matched", 40_500_000, 40_500_000)


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "ledger.db.statements"
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.execute("CREATE TABLE theirs (x)")
    with pytest.raises(LedgerError, match="database of another program"):
        StatementStore(path)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    with StatementStore(tmp_path / "x.statements") as store:
        store.note("openai", ["a gap"], 1)
        with pytest.raises(LedgerError):
            store._write("REPLACE INTO bill_gaps VALUES (?, ?, ?)", [("openai", "[]", 1), ("anthropic", None, 1)])
        assert store.gaps() == {"openai": ["a gap"]}


def test_providers_are_those_of_the_ledger_and_of_the_settings(traffic):
    done = reconcile(
        traffic.ledger, traffic.path, settings=traffic.settings(), since=DAYS[0], until=DAYS[0], clock=traffic.clock()
    )
    assert [result.provider for result in done.results] == ["anthropic", "openai"]
    with pytest.raises(ConfigurationError, match="bill 'nobody' is not known: use one of"):
        traffic.reconcile("nobody")
    assert traffic.reconcile(since=DAYS[1], until=DAYS[0]).results == ()
    nothing = reconcile(traffic.ledger, traffic.path, since=DAYS[1], until=DAYS[0], clock=traffic.clock())
    assert nothing.results == ()
    assert nothing.gaps[0].startswith("nothing to reconcile")


def test_days_to_come_are_not_asked_for(traffic):
    done = traffic.reconcile("openai", since=DAYS[-1], until="2027-01-01")
    assert [result.day for result in done.results] == [DAYS[-1]]
    week = reconcile(
        traffic.ledger, traffic.path, settings=traffic.settings(), providers=["openai"], clock=traffic.clock()
    )
    assert len(week.results) == 7
    traffic.now += 9 * 86_400
    traffic.billing.now = lambda: traffic.now
    later = reconcile(
        traffic.ledger, traffic.path, settings=traffic.settings(), providers=["openai"], clock=traffic.clock()
    )
    assert later.results[0].day == DAYS[2]  # the first that was open then
    assert later.results[0].status == "matched"
    assert week.results[-1].day == DAYS[-1]


def test_a_key_that_is_gone_takes_no_result_away(traffic, monkeypatch):
    before = traffic.reconcile("openai", since=DAYS[0], until=DAYS[1])
    monkeypatch.delenv("TEST_ADMIN_KEY")
    after = traffic.reconcile("openai", since=DAYS[0], until=DAYS[3])
    assert after.results[:2] == before.results
    assert [result.status for result in after.results[2:]] == ["open", "open"]
    assert any("no admin key" in gap for gap in after.gaps)
    assert stored_results(traffic.path)[1] == list(after.gaps)
