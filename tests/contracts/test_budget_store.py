"""What every budget store must do."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.budgets.memory_store import MemoryBudgetStore
from farebox.budgets.sqlite_store import APPLICATION_ID, SCHEMA, SQLiteBudgetStore
from farebox.budgets.store import LARGEST, READABLE, REMEMBERED, RETRIED, Denied, Draw, Kept, Reading, Shared

STORES = {"memory": lambda _: MemoryBudgetStore(), "sqlite": lambda path: SQLiteBudgetStore(path / "x.db.budgets")}
HOUR = 3600 * 10**9
NOW = 500_000 * HOUR


@pytest.fixture(params=STORES)
def store(request, tmp_path):
    made = STORES[request.param](tmp_path)
    yield made
    made.close()


def draw(budget="b", amount=10, limit=100, **terms):
    plain = {"terms": "usd/day", "bucket": "", "piece": NOW, "since": NOW, "until": NOW + 24 * HOUR, "unit": "usd"}
    return Draw(budget=budget, amount=amount, limit=limit, **(plain | terms))


def reserve(store, hold, *draws, owner="me", expires_at=NOW + HOUR):
    return store.reserve(hold, draws, owner=owner, now=NOW, expires_at=expires_at)


def standing(store, budget="b", terms="usd/day", since=NOW):
    return store.read(budget, terms, since)


def nobody(owner):
    return False


def test_a_hold_is_replaced_by_what_the_call_took(store):
    assert reserve(store, "1", draw(amount=40)) is None
    assert standing(store) == [Reading("", 0, 40, 0)]
    assert store.settle("1", {"usd": 7}, now=NOW)
    assert standing(store) == [Reading("", 7, 0, 1)]


def test_reserving_and_settling_again_changes_nothing(store):
    for _ in range(2):
        assert reserve(store, "1", draw(amount=40)) is None
    assert standing(store) == [Reading("", 0, 40, 0)]
    assert [store.settle("1", {"usd": 7}, now=NOW) for _ in range(2)] == [True, False]
    assert reserve(store, "1", draw(amount=40)) is None
    assert standing(store) == [Reading("", 7, 0, 1)]
    assert not store.settle("never", {"usd": 7}, now=NOW)


def test_all_buckets_are_held_or_none_and_the_refusal_says_which(store):
    assert reserve(store, "0", draw("c", amount=30, limit=50)) is None
    store.settle("0", {"usd": 25}, now=NOW)
    refused = reserve(store, "1", draw("a", amount=40), draw("c", amount=40, limit=50), draw("d", amount=500))
    assert refused == Denied(place=1, spent=25, held=0, oldest=NOW)
    assert standing(store, "a") == standing(store, "d") == []
    assert not store.settle("1", {"usd": 1}, now=NOW)


def test_exactly_the_limit_fits_one_more_does_not_and_nothing_always_does(store):
    assert reserve(store, "1", draw(amount=100)) is None
    assert reserve(store, "2", draw(amount=1)) == Denied(place=0, spent=0, held=100, oldest=NOW)
    assert reserve(store, "3", draw(amount=0)) is None


def test_a_bucket_without_a_limit_counts_and_never_refuses(store):
    assert reserve(store, "1", draw(amount=10**15, limit=None)) is None
    assert standing(store) == [Reading("", 0, 10**15, 0)]


def test_buckets_terms_and_units_are_counted_apart(store):
    calls = {"terms": "calls/day", "unit": "calls"}
    assert reserve(store, "1", draw(amount=60, bucket="acme"), draw(amount=1, limit=1, **calls)) is None
    assert reserve(store, "2", draw(amount=60, bucket="globex")) is None
    store.settle("1", {"usd": 50, "calls": 1}, now=NOW)
    assert standing(store) == [Reading("acme", 50, 0, 1), Reading("globex", 0, 60, 0)]
    assert standing(store, terms="calls/day") == [Reading("", 1, 0, 1)]


def test_what_nobody_knows_is_charged_what_was_held(store):
    reserve(store, "1", draw(amount=40), draw("t", amount=9, unit="tokens"))
    store.settle("1", {"usd": 3, "tokens": None}, now=NOW)
    assert standing(store) == [Reading("", 3, 0, 1)]
    assert standing(store, "t") == [Reading("", 9, 0, 1)]


def test_pieces_before_the_window_count_no_more(store):
    for piece in range(5):
        assert reserve(store, f"{piece}", draw(amount=20, piece=NOW + piece, since=NOW)) is None
    assert reserve(store, "5", draw(amount=20, piece=NOW + 5, since=NOW)) == Denied(0, 0, 100, oldest=NOW)
    assert reserve(store, "5", draw(amount=20, piece=NOW + 5, since=NOW + 1)) is None
    assert standing(store, since=NOW + 4) == [Reading("", 0, 40, 0)]


def test_what_was_settled_is_forgotten_after_a_while_and_what_was_charged_later(store):
    reserve(store, "settled", draw(amount=10))
    store.settle("settled", {"usd": 10}, now=NOW)
    reserve(store, "charged", draw(amount=20), expires_at=NOW)
    store.expire(NOW, nobody)
    store.expire(NOW + RETRIED, nobody)
    assert reserve(store, "settled", draw(amount=1)) is None
    assert standing(store) == [Reading("", 30, 1, 2)]
    assert store.settle("charged", {"usd": 2}, now=NOW + RETRIED)


def test_booking_is_once_whatever_the_limit_and_may_take_back(store):
    for _ in range(2):
        store.book("1", [draw(amount=400)], calls=1, now=NOW)
    assert standing(store) == [Reading("", 400, 0, 1)]
    store.book("2", [draw(amount=-350)], calls=0, now=NOW)
    assert standing(store) == [Reading("", 50, 0, 1)]


def test_an_expired_hold_is_charged_and_never_freed(store):
    reserve(store, "1", draw(amount=40), expires_at=NOW + HOUR)
    assert store.expire(NOW + HOUR - 1, nobody) == 0
    assert standing(store) == [Reading("", 0, 40, 0)]
    assert store.expire(NOW + HOUR, nobody) == 1
    assert store.expire(NOW + HOUR, nobody) == 0
    assert standing(store) == [Reading("", 40, 0, 1)]
    assert reserve(store, "2", draw(amount=61)) == Denied(0, 40, 0, oldest=NOW)


def test_a_hold_of_a_dead_owner_is_charged_at_once(store):
    reserve(store, "1", draw(amount=40), owner="dead")
    reserve(store, "2", draw(amount=5), owner="alive")
    assert store.expire(NOW, lambda owner: owner == "dead") == 1
    assert standing(store) == [Reading("", 40, 5, 1)]


def test_a_call_that_ends_after_it_was_charged_is_put_right(store):
    reserve(store, "1", draw(amount=40))
    store.expire(NOW + HOUR, nobody)
    assert store.settle("1", {"usd": 3}, now=NOW + HOUR)
    assert not store.settle("1", {"usd": 3}, now=NOW + HOUR)
    assert standing(store) == [Reading("", 3, 0, 1)]


def test_a_reset_forgets_what_is_spent_and_keeps_what_is_held(store):
    reserve(store, "1", draw(amount=30))
    store.settle("1", {"usd": 30}, now=NOW)
    reserve(store, "2", draw(amount=20))
    reserve(store, "3", draw(amount=10), owner="dead")
    store.expire(NOW, lambda owner: owner == "dead")
    assert store.reset("b") == 1
    assert standing(store) == [Reading("", 0, 20, 0)]
    store.settle("2", {"usd": 15}, now=NOW)
    store.settle("3", {"usd": 2}, now=NOW)
    assert standing(store) == [Reading("", 15, 0, 1)]


def test_what_counts_no_more_is_dropped_and_settling_it_does_no_harm(store):
    reserve(store, "1", draw(amount=40), expires_at=2 * NOW)
    later = NOW + 24 * HOUR + REMEMBERED + 1
    store.expire(later, nobody)
    assert standing(store) == []
    assert store.settle("1", {"usd": 3}, now=later)
    assert standing(store) == []


def test_counts_are_exact_and_end_above_every_limit(store):
    store.book("1", [draw(amount=10**17 + 1)], calls=1, now=NOW)
    store.book("2", [draw(amount=2)], calls=1, now=NOW)
    assert standing(store) == [Reading("", 10**17 + 3, 0, 2)]
    store.book("3", [draw(amount=10**27)], calls=1, now=NOW)
    assert standing(store) == [Reading("", LARGEST, 0, 3)]


def test_rows_are_kept_and_what_binds_gives_way_only_to_what_binds(store):
    store.keep(Kept("a", "1", binding=False))
    store.keep(Kept("a", "2", binding=True))
    store.keep(Kept("a", "3", binding=False))
    store.keep(Kept("b", "4", binding=False))
    assert store.kept() == [Kept("a", "2", binding=True), Kept("b", "4", binding=False)]
    assert [store.drop("a"), store.drop("a")] == [True, False]


def test_threads_never_get_more_than_the_limit(store):
    granted, start = [], threading.Barrier(8)

    def work(number):
        start.wait()
        for turn in range(20):
            hold = f"{number}/{turn}"
            if reserve(store, hold, draw(amount=10, limit=500), draw("other", amount=10, limit=600)) is None:
                granted.append(hold)
                store.settle(hold, {"usd": 10}, now=NOW)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 50
    assert standing(store) == standing(store, "other") == [Reading("", 500, 0, 50)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(0, 9), st.lists(st.integers(0, 60), min_size=1, max_size=3)),
        st.tuples(st.just("settle"), st.integers(0, 9), st.none() | st.integers(0, 60)),
        st.tuples(st.just("book"), st.integers(0, 9), st.integers(-20, 60)),
        st.tuples(st.just("expire"), st.integers(0, 3), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_both_stores_answer_alike_whatever_is_asked(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("alike")
    stores = [make(path) for make in STORES.values()]
    for number, (what, which, given_) in enumerate(steps):
        answers = []
        for store in stores:
            if what == "reserve":
                draws = [draw(f"b{place}", amount=amount) for place, amount in enumerate(given_)]
                answers.append(reserve(store, f"h{which}", *draws, expires_at=NOW + which))
            elif what == "settle":
                answers.append(store.settle(f"h{which}", {"usd": given_}, now=NOW))
            elif what == "book":
                answers.append(store.book(f"k{number}", [draw("b0", amount=given_)], calls=1, now=NOW))
            else:
                answers.append(store.expire(NOW + which, nobody))
            answers.append([standing(store, f"b{place}") for place in range(3)])
        assert answers[:2] == answers[2:]
    for store in stores:
        store.close()


def open_budget(store, budget="b", owner="maker", expires_at=NOW + HOUR):
    store.share(Shared(budget, owner, expires_at, '{"limit":100}'))


def test_a_shared_draw_is_held_only_while_its_budget_is_open(store):
    assert reserve(store, "1", draw("other"), draw(shared=True)) == Denied(1, 0, 0, oldest=NOW, closed=True)
    open_budget(store)
    assert store.shared("b") == Shared("b", "maker", NOW + HOUR, '{"limit":100}')
    assert reserve(store, "1", draw("other"), draw(shared=True)) is None
    assert store.end("b", NOW)
    assert store.shared("b") is None
    assert reserve(store, "2", draw("other"), draw(shared=True)) == Denied(1, 0, 0, oldest=NOW, closed=True)
    assert standing(store, "other") == [Reading("", 10, 0, 1)]
    assert reserve(store, "3", draw()) is None  # what does not ask for it is held


def test_opening_a_budget_again_leaves_it_as_it_is_and_ending_it_again_does_nothing(store):
    open_budget(store)
    open_budget(store, owner="another", expires_at=NOW)
    assert store.shared("b") == Shared("b", "maker", NOW + HOUR, '{"limit":100}')
    assert [store.end("b", NOW), store.end("b", NOW)] == [True, False]


def test_what_is_held_of_a_budget_when_it_ends_is_charged_and_put_right_later(store):
    open_budget(store)
    reserve(store, "1", draw(amount=40, shared=True), draw("other", amount=40))
    reserve(store, "2", draw("other", amount=5))
    store.end("b", NOW)
    assert standing(store) == [Reading("", 40, 0, 1)]
    assert standing(store, "other") == [Reading("", 40, 5, 1)]
    assert store.settle("1", {"usd": 3}, now=NOW)
    assert standing(store) == [Reading("", 3, 0, 1)]
    assert standing(store, "other") == [Reading("", 3, 5, 1)]


def test_a_budget_ends_with_the_process_that_made_it(store):
    open_budget(store, owner="dead")
    open_budget(store, "c", owner="alive")
    reserve(store, "1", draw(amount=40, shared=True), owner="alive")
    assert store.expire(NOW, lambda owner: owner == "dead") == 1
    assert store.shared("b") is None
    assert store.shared("c") is not None
    assert standing(store) == [Reading("", 40, 0, 1)]


def test_a_budget_that_nobody_draws_on_ends_by_time_and_one_in_use_does_not(store):
    open_budget(store, expires_at=NOW)
    open_budget(store, "c", expires_at=NOW)
    reserve(store, "1", draw("c", until=NOW + HOUR, shared=True), expires_at=NOW + 9 * HOUR)
    store.expire(NOW, nobody)
    assert (store.shared("b"), store.shared("c") is None) == (None, False)
    reserve(store, "2", draw("c", until=NOW + 3 * HOUR, shared=True), expires_at=NOW + 9 * HOUR)
    store.expire(NOW + 2 * HOUR, nobody)  # a draw keeps its piece for longer
    assert store.shared("c") is not None
    store.expire(NOW + 3 * HOUR, nobody)
    assert store.shared("c") is None


def test_what_was_spent_of_a_budget_that_ended_can_be_read_for_a_while_and_leaves_nothing(store):
    open_budget(store)
    reserve(store, "1", draw(shared=True, until=NOW + 10**6 * HOUR))
    store.settle("1", {"usd": 7}, now=NOW)
    store.end("b", NOW)
    store.expire(NOW + READABLE, nobody)
    assert standing(store) == [Reading("", 7, 0, 1)]
    store.expire(NOW + READABLE + 1, nobody)
    assert standing(store) == []


@pytest.mark.parametrize("units", [("usd",), ("usd", "tokens", "calls")])
def test_the_largest_amounts_are_exact(store, units):
    draws = [draw(unit, amount=LARGEST - 1, limit=LARGEST, unit=unit) for unit in units]
    assert reserve(store, "1", *draws) is None
    assert reserve(store, "2", draw("usd", amount=1, limit=LARGEST)) is None
    assert reserve(store, "3", draw("usd", amount=1, limit=LARGEST)) == Denied(0, 0, LARGEST, oldest=NOW)
    store.settle("1", dict.fromkeys(units, LARGEST - 3), now=NOW)
    store.settle("2", {"usd": 2}, now=NOW)
    assert standing(store, "usd") == [Reading("", LARGEST - 1, 0, 2)]


def test_draws_are_asked_in_their_order_and_the_first_that_does_not_fit_is_told(store):
    names = ["z", "a", "m", "b"]
    reserve(store, "0", *(draw(name, amount=95) for name in ("b", "m")))
    for place in range(2, 4):
        refused = reserve(store, "1", *(draw(name) for name in names))
        assert refused == Denied(place, 0, 95, oldest=NOW)
        store.settle("0", {"usd": 0}, now=NOW)
        reserve(store, "3", draw("b", amount=95))


def test_threads_that_end_and_draw_never_hold_anything_of_an_ended_budget(store):
    open_budget(store)
    granted, start = [], threading.Barrier(5)

    def work(number):
        start.wait()
        for turn in range(30):
            if number == 0:
                store.end("b", NOW) if turn == 10 else store.read("b", "usd/day", NOW)
            elif reserve(store, f"{number}/{turn}", draw(amount=1, limit=None, shared=True)) is None:
                granted.append(f"{number}/{turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(one.spent, one.held) for one in standing(store)] == ([(len(granted), 0)] if granted else [])


PROCESS = """
import sys
from pathlib import Path
from farebox.budgets.sqlite_store import APPLICATION_ID, SCHEMA, SQLiteBudgetStore
from farebox.budgets.store import Draw, Shared

store, me, now = SQLiteBudgetStore(Path(sys.argv[1]), busy_timeout=60), sys.argv[2], int(sys.argv[3])
draws = [Draw(name, "usd/day", "", now, now, now * 2, "usd", 7, limit, True) for name, limit in (("b", 7 * 500), ("c", None))]
for name in "bc":
    store.share(Shared(name, me, now * 2, "{}"))
granted = 0
for turn in range(200):
    for _ in range(2):
        denied = store.reserve(f"{me}/{turn}", draws, owner=me, now=now, expires_at=now * 2)
    if denied is None:
        granted += 1
        for _ in range(2 if turn % 3 else 0):
            store.settle(f"{me}/{turn}", {"usd": 5}, now=now)
    if turn % 50 == 0:
        store.expire(now, lambda owner: False)
print(granted)
"""


def test_processes_that_open_one_file_at_once_hold_its_limits_and_lose_nothing(tmp_path):
    path = tmp_path / "x.db.budgets"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(path), str(me), str(NOW)], stdout=subprocess.PIPE, text=True
        )
        for me in range(4)
    ]
    granted = sum(int(child.communicate(timeout=150)[0]) for child in children)
    assert [child.returncode for child in children] == [0, 0, 0, 0]
    store = SQLiteBudgetStore(path)
    (b,), (c,) = standing(store, "b"), standing(store, "c")
    assert (b.spent, b.held, b.calls) == (c.spent, c.held, c.calls)
    assert b.spent == 5 * b.calls
    assert b.held == 7 * (granted - b.calls)
    assert 7 * 500 - 7 < b.spent + b.held <= 7 * 500
    store.close()


def test_a_file_of_the_first_versions_is_brought_up_to_date(tmp_path):
    path = tmp_path / "x.db.budgets"
    old = sqlite3.connect(path, isolation_level=None)
    for statement in SCHEMA.split(";\n")[:-2]:
        old.execute(statement)
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.execute("INSERT INTO counters VALUES ('b', 'usd/day', '', ?, ?, 7, 0, 1)", (NOW, NOW + HOUR))
    old.close()
    store = SQLiteBudgetStore(path)
    assert standing(store) == [Reading("", 7, 0, 1)]
    open_budget(store)
    assert store.shared("b") is not None
    store.close()
