"""Two hundred random worlds: each cause that was put into a bill is named, with its amount, from statement and ledger alone."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import pytest
from bill_scenarios import MODELS, Scenario
from bill_worlds import DAYS, FIRST, World, call, estimated

from farebox.reconcile.outcome import MEANINGS
from farebox.reconcile_settings import BillSource
from farebox.testing.billing.provider import FakeBilling
from farebox.testing.billing.traffic import of_events

SHARE = Fraction(1, 1000)
SEEDS = range(200)
PER_TEST = 20
EVERY_TIME = 80
"""Worlds that are tried in each run; all of them with the stress tests."""


def compared(seed, path, monkeypatch):
    """What was found and what was put in, each by provider, day, cause and model; and the days."""
    scenario = Scenario(seed, DAYS, FIRST, call, estimated)
    with FakeBilling() as billing:
        world = World(path, billing, monkeypatch)
        billing.now = lambda: world.now
        scenario.traffic()
        world.meter(*scenario.events)
        before = len(scenario.events)
        scenario.inject(billing)
        world.meter(*scenario.events[before:], bill=False)
        export = path.with_suffix(".export")
        billing.export_google(export, DAYS, form=("jsonl", "csv")[seed % 2])
        done = world.reconcile(*MODELS, settings=world.settings(google=BillSource(files=str(export))))
        world.ledger.close()
    found = defaultdict(Fraction)
    for result in done.results:
        for cause in result.causes:
            model = "" if cause.kind == "late_data" else cause.model
            found[result.provider, result.day, cause.kind, model] += Fraction(cause.amount)
    return found, scenario.expected, done


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(first, marks=() if first < EVERY_TIME else (pytest.mark.stress,))
        for first in range(0, len(SEEDS), PER_TEST)
    ],
)
def test_each_cause_is_named_with_its_amount_and_nothing_stays_unexplained(first, tmp_path, monkeypatch):
    for seed in SEEDS[first : first + PER_TEST]:
        found, expected, done = compared(seed, tmp_path / f"{seed}.db", monkeypatch)
        assert done.gaps == ()
        days = {(result.provider, result.day): result for result in done.results}
        for result in done.results:
            assert result.complete
            assert abs(result.unexplained) <= abs(Fraction(result.billed)) * SHARE, (seed, result)
            explained = sum((cause.amount for cause in result.causes), 0)
            assert abs(result.difference - explained - result.unexplained) < Fraction(1, 10**7), (seed, result)
        for key in {*found, *expected}:
            day = days[key[:2]]
            slack = Fraction(max(abs(day.billed), day.computed)) * SHARE
            assert abs(found[key] - expected[key]) <= slack, (
                seed,
                key,
                float(found[key]),
                float(expected[key]),
                day.causes,
            )


def test_the_scenarios_have_every_cause_that_can_be_put_in():
    kinds = defaultdict(int)
    for seed in SEEDS[:60]:
        scenario = Scenario(seed, DAYS, FIRST, call, estimated)
        billing = FakeBilling()
        scenario.traffic()
        billing.bill(*of_events(scenario.events))
        scenario.inject(billing)
        for kind in {key[2] for key, amount in scenario.expected.items() if amount}:
            kinds[kind] += 1
    others = {"discount", "free_tokens", "not_billed", "old_prices", "other_day", "over_midnight", "unpriced"}
    assert set(kinds) == set(MEANINGS) - others
    assert min(kinds.values()) >= 8, kinds


def test_a_clean_statement_matches_to_the_cent_on_every_day(tmp_path, monkeypatch):
    for seed in range(20):
        scenario = Scenario(seed, DAYS, FIRST, call, estimated)
        with FakeBilling(amounts_as_text=bool(seed % 2)) as billing:
            world = World(tmp_path / f"{seed}.db", billing, monkeypatch)
            billing.now = lambda world=world: world.now
            world.meter(*scenario.traffic())
            export = tmp_path / f"{seed}.export"
            billing.export_google(export, DAYS)
            settings = world.settings(google=BillSource(files=str(export)))
            for result in world.reconcile(*MODELS, settings=settings).results:
                assert abs(result.difference) < Fraction(1, 1000), result
                assert result.unexplained == 0
                assert result.status in ("matched", "open")
                assert {cause.kind for cause in result.causes} <= {"rounding"}
            world.ledger.close()
