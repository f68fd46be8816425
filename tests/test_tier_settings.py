from __future__ import annotations

import pytest

import farebox
from farebox import runtime
from farebox.core.money import Money
from farebox.tier_settings import Tier, parse_tiers


@pytest.fixture
def tiers():
    runtime.reset()
    farebox.configure(tiers={"standard": {"total": "1.50", "per_task": {"analysis": 0.75}}, "open": {}})
    yield
    runtime.reset()


def test_a_tier_gives_a_budget_its_limits_and_its_name(tiers):
    budget = farebox.track_budget(tier="standard")
    assert (budget.name, budget.total_limit) == ("standard", Money("1.5"))
    assert budget.per_task_spent == {"analysis": Money(0)}
    assert farebox.track_budget(tier="open").total_limit is None


def test_limits_that_are_given_come_before_the_tiers(tiers):
    budget = farebox.track_budget(2, {"search": 1}, tier="standard", name="mine")
    assert (budget.name, budget.total_limit, sorted(budget.per_task_spent)) == (
        "mine",
        Money(2),
        ["analysis", "search"],
    )


def test_an_unknown_tier_is_named_with_those_there_are(tiers):
    with pytest.raises(farebox.ConfigurationError, match=r"tier='deep' is not known: use one of open, standard"):
        farebox.track_budget(tier="deep")
    runtime.reset()
    with pytest.raises(farebox.ConfigurationError, match="set one under tiers"):
        farebox.track_budget(tier="deep")


def test_tiers_are_read_from_a_file_and_from_a_variable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "farebox.toml").write_text('[tiers.quick]\ntotal = "0.50"\n')
    runtime.reset()
    assert farebox.track_budget(tier="quick").total_limit == Money("0.5")
    monkeypatch.setenv("FAREBOX_TIERS", '{"deep": {"total": 3}}')
    runtime.reset()
    assert farebox.track_budget(tier="deep").total_limit == Money(3)
    runtime.reset()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"x": 1}, "tiers.x=1 cannot be used"),
        ({"x": {"totl": 1}}, "tiers.x.totl is not known: did you mean 'total'"),
        ({"x": {"limit": 1}}, "use total or per_task"),
        ({"x": {"per_task": 1}}, "tiers.x.per_task=1 cannot be used"),
        ({"x": {"total": "much"}}, "tiers.x.total"),
        ({"x": {"per_task": {"a": -1}}}, "tiers.x.per_task.a"),
    ],
)
def test_what_cannot_be_used_is_named_where_it_stands(value, says):
    with pytest.raises(farebox.ConfigurationError) as caught:
        farebox.configure(tiers=value)
    assert says in str(caught.value)


@pytest.mark.parametrize("value", ["{", "[]", 5])
def test_what_is_no_table_is_refused(value):
    with pytest.raises(farebox.ConfigurationError, match="tiers="):
        farebox.configure(tiers=value)


def test_tiers_that_are_tiers_already_are_taken():
    assert parse_tiers({"a": Tier(Money(1))}) == {"a": Tier(Money(1))}
