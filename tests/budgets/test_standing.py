from __future__ import annotations

import msgspec
import pytest

from farebox.budget_settings import budget_row, parse_budgets
from farebox.budgets import books as books_module
from farebox.budgets.books import SWEEP
from farebox.budgets.memory_store import MemoryBudgetStore
from farebox.budgets.standing import LOOK, StandingBudgets
from farebox.budgets.status import status
from farebox.budgets.store import Kept
from farebox.core.context import Attribution
from farebox.core.errors import BudgetExceeded, ConfigurationError, LedgerError
from farebox.core.event import CallRequest
from farebox.core.money import Money

HOUR = 3600 * 10**9
NOON = 1_795_608_000 * 10**9  # 2026-11-25T12:00 UTC
DOLLAR = 10**9


def request(model="m", provider="openai"):
    return CallRequest(provider=provider, operation="chat", api="chat.completions", model=model)


@pytest.fixture
def store():
    return MemoryBudgetStore()


def made(store, *rows, **more):
    return StandingBudgets(rows, store=lambda: store, stored=lambda: True, **more)


def spend(budgets, hold, dollars, now=NOON, *, tokens=0, took=None, **who):
    matches = budgets.matching(request(who.pop("model", "m"), who.pop("provider", "openai")), Attribution(**who), now)
    amounts = {"usd": round(dollars * DOLLAR), "tokens": tokens, "calls": 1}
    budgets.reserve(hold, matches, amounts, now=now)
    if took is not None:
        budgets.settle(hold, {"usd": round(took * DOLLAR), "tokens": tokens, "calls": 1}, now=now)


def test_a_refusal_names_budget_bucket_window_and_when_there_is_money_again(store):
    budgets = made(store, budget_row("each tenant", limit=1, window="day Europe/Berlin", per="tenant_id"))
    spend(budgets, "1", 0.5, took=0.75, tenant_id="acme")
    spend(budgets, "2", 0.2, tenant_id="acme")
    with pytest.raises(BudgetExceeded) as refused:
        spend(budgets, "3", 0.1, tenant_id="acme")
    error = refused.value
    assert str(error) == (
        "budget 'each tenant' for tenant_id 'acme', $1.00 in one day Europe/Berlin, cannot pay a call of about $0.10: "
        "$0.75 spent and $0.20 held by calls in flight; it starts anew at 2026-11-25 23:00:00 UTC. Nothing was sent."
    )
    assert (error.budget, error.bucket, error.window) == ("each tenant", "acme", "day Europe/Berlin")
    assert (error.limit, error.spent, error.reserved, error.asked) == (1, Money("0.75"), Money("0.20"), Money("0.10"))
    assert error.resets_at.isoformat() == "2026-11-25T23:00:00+00:00"
    spend(budgets, "4", 1, tenant_id="globex")
    spend(budgets, "5", 1)  # a bucket of its own for calls without a tenant
    spend(budgets, "6", 1, now=NOON + 11 * HOUR, tenant_id="acme")  # tomorrow in Berlin


def test_all_budgets_are_held_or_none(store):
    budgets = made(
        store,
        budget_row("a", limit=10, window="day"),
        budget_row("b", limit={"calls": 1}, window="day"),
    )
    spend(budgets, "1", 1)
    with pytest.raises(
        BudgetExceeded, match=r"budget 'b', 1 call in one day UTC, cannot pay a call of about 1 call"
    ) as refused:
        spend(budgets, "2", 1)
    assert (refused.value.unit, refused.value.limit) == ("calls", 1)
    assert [(one.name, one.held) for one in status(budgets.active, store, NOON)] == [("a", 1), ("b", 1)]


def test_a_rolling_window_frees_what_is_older_than_it(store):
    budgets = made(store, budget_row("r", limit=1, window="24h"))
    spend(budgets, "1", 1, took=1)
    with pytest.raises(BudgetExceeded, match="its oldest part leaves the window at 2026-11-26 12:24:00 UTC") as refused:
        spend(budgets, "2", 1, now=NOON + 24 * HOUR)
    free = round(refused.value.resets_at.timestamp()) * 10**9
    with pytest.raises(BudgetExceeded):
        spend(budgets, "2", 1, now=free - 1)
    spend(budgets, "2", 1, now=free)


def test_tokens_are_counted_together_and_settled_by_what_was_used(store):
    budgets = made(store, budget_row("t", limit={"tokens": 1000}, window="hour"))
    spend(budgets, "1", 1, tokens=900)
    budgets.settle("1", {"usd": 1, "tokens": 100, "calls": 1}, now=NOON)
    spend(budgets, "2", 1, tokens=900)
    with pytest.raises(BudgetExceeded, match="1,000 tokens in one hour UTC"):
        spend(budgets, "3", 1, tokens=1)


@pytest.mark.parametrize(
    ("match", "who", "falls"),
    [
        ({"model": "gpt-5*"}, {"model": "gpt-5-mini"}, True),
        ({"model": "gpt-5*"}, {"model": "o3"}, False),
        ({"model": ["a", "b"], "tenant_id": "t"}, {"model": "b", "tenant_id": "t"}, True),
        ({"model": ["a", "b"], "tenant_id": "t"}, {"model": "b"}, False),
        ({"tag:team": "red"}, {"tags": {"team": "red"}}, True),
        ({"tag:team": "red"}, {"tags": {"other": "red"}}, False),
        ({"provider": "openai"}, {}, True),
        ({"provider": "anthropic"}, {}, False),
    ],
)
def test_a_budget_counts_the_calls_that_match(store, match, who, falls):
    who = dict(who)
    budgets = made(store, budget_row("m", limit=1, window="day", match=match))
    asked = request(who.pop("model", "m"))
    assert bool(budgets.matching(asked, Attribution(**who), NOON)) is falls


def test_an_override_is_the_limit_of_its_value_and_none_frees_it(store):
    row = budget_row("p", limit=1, window="day", per="tag:team", overrides={"red": "2.5", "blue": None})
    budgets = made(store, row)
    spend(budgets, "1", 2.5, tags={"team": "red"})
    spend(budgets, "2", 100, tags={"team": "blue"})
    with pytest.raises(BudgetExceeded):
        spend(budgets, "3", 1.01, tags={"team": "green"})


def test_a_soft_budget_counts_and_never_refuses(store):
    budgets = made(store, budget_row("s", limit=1, window="day", strength="soft"))
    spend(budgets, "1", 5, took=5)
    (one,) = status(budgets.active, store, NOON)
    assert (one.spent, one.remaining, one.utilization, one.calls, one.over) == (5, 0, 5.0, 1, True)


def test_without_a_matching_budget_no_store_is_asked():
    def no_store():
        raise AssertionError("asked")

    budgets = StandingBudgets(
        [budget_row("x", limit=1, window="day", match={"model": "other"})], store=no_store, stored=lambda: False
    )
    assert budgets.matching(request(), Attribution(), NOON) == []
    empty = StandingBudgets([], store=no_store, stored=lambda: False)
    assert empty.concern(NOON)  # the first time it looks whether other processes' rows are there
    empty.look(NOON)
    assert not empty.concern(NOON + LOOK - 1)


def test_rows_that_bind_every_process_are_looked_for_and_win(store):
    budgets = made(store, budget_row("a", limit=1, window="day"))
    spend(budgets, "1", 0.5)
    assert [(kept.name, kept.binding) for kept in store.kept()] == [("a", False)]
    stronger = budget_row("a", limit="0.75", window="day")
    store.keep(Kept("a", msgspec.json.encode(stronger).decode(), binding=True))
    spend(budgets, "2", 0.2, now=NOON + LOOK - 1)
    with pytest.raises(BudgetExceeded, match=r"\$0.75"):
        spend(budgets, "3", 0.2, now=NOON + LOOK)
    store.drop("a")
    spend(budgets, "4", 0.2, now=NOON + 2 * LOOK)


def test_holds_of_dead_processes_are_charged_while_others_work(store, monkeypatch):
    budgets = made(store, budget_row("a", limit=1, window="day"))
    spend(budgets, "1", 0.5)
    monkeypatch.setattr(books_module, "is_dead", lambda owner: True)
    spend(budgets, "2", 0.1, now=NOON + SWEEP)
    (one,) = status(budgets.active, store, NOON)
    assert (one.spent, one.held) == (Money("0.5"), Money("0.1"))


class Failing(MemoryBudgetStore):
    fails = False

    def reserve(self, *given, **named):
        if self.fails:
            raise LedgerError("locked")
        return super().reserve(*given, **named)

    def settle(self, *given, **named):
        if self.fails:
            raise LedgerError("locked")
        return super().settle(*given, **named)


def test_what_a_failing_store_could_not_settle_is_settled_by_whoever_comes_next():
    store = Failing()
    budgets = made(store, budget_row("a", limit=1, window="day"))
    spend(budgets, "1", 1)
    store.fails = True
    with pytest.raises(LedgerError):
        budgets.settle("1", {"usd": 1}, now=NOON)
    store.fails = False
    spend(budgets, "2", 0.9)
    assert status(budgets.active, store, NOON)[0].spent == Money.from_nano(1)


def test_a_call_that_the_store_could_not_hold_is_booked_when_it_ends_and_forgotten_when_it_is_refused():
    store = Failing()
    budgets = made(store, budget_row("a", limit=1, window="day"))
    store.fails = True
    for hold in ("sent", "refused"):
        with pytest.raises(LedgerError):
            spend(budgets, hold, 0.5)
        assert budgets.is_unheld(hold)
    budgets.release("refused", now=NOON)
    store.fails = False
    budgets.settle("sent", {"usd": DOLLAR // 4}, now=NOON)
    assert not budgets.is_unheld("sent")
    (one,) = status(budgets.active, store, NOON)
    assert (one.spent, one.held, one.calls) == (Money("0.25"), 0, 1)


def test_a_finaliser_inside_the_store_waits_for_nobody(store):
    budgets = made(store, budget_row("a", limit=1, window="day"))
    spend(budgets, "1", 0.5)

    def interrupted(asked):
        budgets.settle("1", {"usd": 7}, now=NOON)
        return asked.read("a", budgets.active[0].terms, 0)[0].spent

    assert budgets.ask(interrupted) == 0
    assert budgets.ask(lambda asked: asked.read("a", budgets.active[0].terms, 0)[0].spent) == 7


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"name": "", "limit": 1, "window": "day"}, "a budget's name='' cannot be used"),
        ({"name": "a", "limit": -1, "window": "day"}, "budget 'a': limit=-1 cannot be used: give a finite amount"),
        ({"name": "a", "limit": 10**12, "window": "day"}, "is too large: give at most 100000000 dollars"),
        ({"name": "a", "limit": {"token": 1}, "window": "day"}, r"limit=\{'token': 1\} cannot be used: give dollars"),
        ({"name": "a", "limit": {"tokens": 1.5}, "window": "day"}, "cannot be used: give dollars"),
        ({"name": "a", "limit": 1, "window": "year"}, "budget 'a': window='year' cannot be used: give 'hour'"),
        (
            {"name": "a", "limit": 1, "window": "day", "per": "tenant"},
            "per='tenant' is no dimension: use one of tenant_id",
        ),
        ({"name": "a", "limit": 1, "window": "day", "per": "tag:"}, "per='tag:' is no dimension"),
        ({"name": "a", "limit": 1, "window": "day", "match": "x"}, "match='x' cannot be used"),
        ({"name": "a", "limit": 1, "window": "day", "match": {"modle": "x"}}, "match='modle' is no dimension"),
        ({"name": "a", "limit": 1, "window": "day", "match": {"model": []}}, r"match\['model'\]=\[\] cannot be used"),
        (
            {"name": "a", "limit": 1, "window": "day", "strength": "hardest"},
            "strength='hardest' cannot be used: give 'soft', 'hard' or 'strict'",
        ),
        ({"name": "a", "limit": 1, "window": "day", "alert_at": [80]}, r"alert_at=\[80\] cannot be used: give shares"),
        ({"name": "a", "limit": 1, "window": "day", "overrides": {"x": 1}}, "has nothing to go by: give per"),
        (
            {"name": "a", "limit": 1, "window": "day", "per": "model", "overrides": {"x": {"calls": 1}}},
            r"overrides\['x'\]=\{'calls': 1\} counts something else than the limit: give usd",
        ),
        (
            {"name": "a", "limit": 1, "window": "day", "windw": 1},
            "budgets.windw is not a setting: did you mean 'window'",
        ),
        ({"name": "a", "limit": 1}, "has no window: give name, limit and window"),
        ("a", "budgets: 'a' cannot be used: give a table"),
    ],
)
def test_what_cannot_be_a_budget_is_named_with_what_would_do(row, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_budgets([row])


def test_rows_come_from_json_too_and_two_of_one_name_are_refused():
    (row,) = parse_budgets('[{"name": "a", "limit": 0.1, "window": "day", "alert_at": [1, 0.5]}]')
    assert (row.limit, row.alert_at) == (DOLLAR // 10, (0.5, 1.0))
    with pytest.raises(ConfigurationError, match="two budgets are called 'a'"):
        parse_budgets([row, row])
    with pytest.raises(ConfigurationError, match="give a list of tables as JSON"):
        parse_budgets("[")
    with pytest.raises(ConfigurationError, match="give a list of tables"):
        parse_budgets(3)
