"""Whatever happens to calls, in whatever order: a slice of the random schedules, and with `nox -s stress` ten thousand of them."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # tests are not a package

import schedules

from farebox.budgets.account import Account
from farebox.budgets.memory_store import MemoryBudgetStore
from farebox.budgets.sqlite_store import SQLiteBudgetStore

EVERYTHING = {"granted", "refused", "waited and sent", "cancelled", "lost", "used up", "overshot"}
IN_A_STORE = {"jumps", "sweeps", "killed"}


def happened(store, seeds, used_up):
    facts = Counter()
    for seed in seeds:
        facts += schedules.replay(seed, store=store)
    for seed in used_up:
        facts += schedules.replay(seed, store=store, used_up=True)
    return facts


@pytest.mark.parametrize("store", schedules.STORES)
def test_no_schedule_overspends_loses_or_wastes_money(store):
    facts = happened(store, range(70), range(1))
    assert facts["schedules"] == 71
    assert set(facts) >= {"granted", "refused", "cancelled", "used up"}


@pytest.mark.stress
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("store", schedules.STORES)
def test_three_and_a_half_thousand_schedules_a_store(store, capsys):
    facts = happened(store, range(10_000, 13_400), range(100))
    with capsys.disabled():
        print(f"\n{store}: {dict(sorted(facts.items()))}")
    assert facts["schedules"] == 3_500
    assert set(facts) >= EVERYTHING | ({"forks"} if store == "accounts" else IN_A_STORE)


def failing(store, **more):
    """A seed, of the first hundred, whose schedule does not hold; None: all hold."""
    for seed in range(100):
        try:
            schedules.replay(seed, store=store, **more)
        except AssertionError as error:
            (note,) = error.__notes__
            assert f"schedules.py {seed} store={store}" in note
            return seed
    return None


@pytest.mark.parametrize("store", schedules.STORES)
def test_money_that_is_spent_twice_is_seen_and_a_failing_seed_fails_again(store, monkeypatch):
    if store == "accounts":
        monkeypatch.setattr(Account, "fits", lambda self, amount: True)
    else:
        kind = MemoryBudgetStore if store == "memory" else SQLiteBudgetStore
        reserve = kind.reserve

        def careless(self, hold, draws, **more):
            return reserve(
                self,
                hold,
                [
                    type(draw)(**{**{name: getattr(draw, name) for name in draw.__struct_fields__}, "limit": None})
                    for draw in draws
                ],
                **more,
            )

        monkeypatch.setattr(kind, "reserve", careless)
    seed = failing(store)
    assert seed is not None
    with pytest.raises(AssertionError):
        schedules.replay(seed, store=store)


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_holds_of_the_dead_that_are_freed_are_seen(store, monkeypatch):
    kind = MemoryBudgetStore if store == "memory" else SQLiteBudgetStore
    monkeypatch.setattr(kind, "expire", lambda self, now, dead: 0)
    assert failing(store) is not None


def test_waiters_that_nobody_wakes_are_seen(monkeypatch):
    monkeypatch.setattr(Account, "may_fit", lambda self, amount, owner: False)
    assert failing("accounts", used_up=True) is not None
