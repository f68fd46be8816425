"""`track_budget(shared=True)` around real SDK clients, in several processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time

import pytest

import farebox
from farebox import runtime
from farebox.core.errors import BudgetExceeded, ConfigurationError
from farebox.core.money import Money
from farebox.testing import FakeProvider

MODEL = "gpt-4o-mini"
MESSAGES = [{"role": "user", "content": "Tell me of the lighthouse."}]

WORKER = """
import json, os, sys
import farebox
from openai import OpenAI

farebox.instrument()
count, task = int(sys.argv[1]), sys.argv[2] or None
sent = refused = 0
with OpenAI(base_url=os.environ["BASE_URL"], api_key="x", max_retries=0) as client:
    with farebox.attach_budget(os.environ["BUDGET"]) as budget, farebox.tracked(task):
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(count):
            try:
                client.chat.completions.create(
                    model="gpt-4o-mini", messages=[{"role": "user", "content": "Tell me of the lighthouse."}], max_tokens=100)
                sent += 1
            except farebox.BudgetExceeded as error:
                refused, said = refused + 1, str(error)
    spent = str(budget.total_spent)
farebox.shutdown()
print(json.dumps({"sent": sent, "refused": refused, "spent": spent, "said": said if refused else ""}), flush=True)
"""


def ask(client, **changes):
    return client.chat.completions.create(**({"model": MODEL, "messages": MESSAGES, "max_tokens": 100} | changes))


def billed(provider) -> Money:
    total = Money(0)
    for one in provider.billed:
        total += farebox.price(one.usage, provider="openai", model=MODEL, api="chat.completions").amount
    return total


@pytest.fixture(scope="module")
def one_call():
    """What a call like `ask` is billed."""
    with FakeProvider("max") as scratch, scratch.openai_client() as client:
        ask(client)
        return billed(scratch)


class Worker:
    """Another program, which attaches to a budget by the token in its environment."""

    def __init__(self, provider, token, count, task=""):
        with provider.openai_client() as client:
            url = str(client.base_url)
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(count), task],
            env={
                **os.environ,
                "BASE_URL": url,
                "BUDGET": token,
                "FAREBOX_LEDGER": str(runtime.current().ledger_path.path),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n"

    def answer(self):
        out, _ = self._process.communicate("go\n", timeout=60)
        return json.loads(out)

    def kill(self):
        self._process.kill()
        self._process.communicate()


def test_processes_that_attach_spend_one_limit_together(provider, one_call):
    farebox.instrument()
    with farebox.track_budget(one_call * 10, {"draft": one_call * 6}, name="job", shared=True) as budget:
        workers = [Worker(provider, budget.token, 8, task) for task in ("draft", "draft", "other")]
        threads = [threading.Thread(target=lambda worker=worker: answers.append(worker.answer())) for worker in workers]
        answers = []
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert budget.total_spent == billed(provider) <= one_call * 10
        assert budget.per_task_spent["draft"] <= one_call * 6
        assert sum(budget.per_task_spent.values()) == budget.total_spent
        assert budget.reserved == 0
    assert sum(answer["sent"] for answer in answers) == len(provider.billed)
    assert sum(answer["refused"] for answer in answers) == 24 - len(provider.billed)
    assert any("budget 'job'" in answer["said"] for answer in answers)
    assert budget.total_spent == billed(provider)  # what it was stays to be read


def test_once_its_with_is_left_nobody_can_spend_of_it_any_more(provider, one_call):
    farebox.instrument()
    with farebox.track_budget(one_call * 10, name="job", shared=True) as budget:
        worker = Worker(provider, budget.token, 2)
    answer = worker.answer()
    assert (answer["sent"], answer["refused"]) == (0, 2)
    assert "shared budget job has ended" in answer["said"]
    with pytest.raises(ConfigurationError, match="names a budget that has ended"):
        farebox.attach_budget(budget.token)
    with budget, provider.openai_client() as client:
        ask(client)  # entered again it goes on
    assert budget.total_spent == billed(provider)


def test_what_others_hold_at_the_end_is_charged_and_put_right_when_they_settle(provider, one_call):
    farebox.instrument()
    with farebox.track_budget(one_call * 20, shared=True) as budget:
        attached = farebox.attach_budget(budget.token)
        with provider.openai_client(max_retries=0) as client:
            with provider.hold():
                thread = threading.Thread(target=attached(lambda: ask(client)))
                thread.start()
                provider.wait_for_requests(1)
                held = budget.reserved
                assert held > 0
                budget.__exit__(None, None, None)
                assert (budget.total_spent, budget.reserved) == (held, 0)
            thread.join()
        assert attached.total_spent == billed(provider)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("strength", ["hard", "strict"])
def test_a_fork_attaches_by_itself(provider, one_call, strength):
    farebox.instrument()
    with farebox.track_budget(one_call * 50, strength=strength, shared=True) as budget:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with provider.openai_client(max_retries=0) as own:
                    ask(own)
                    ask(own)
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with provider.openai_client(max_retries=0) as client:
            ask(client)
        assert budget.total_spent == billed(provider)
        assert len(provider.billed) == 3


def test_shared_and_other_budgets_are_held_together_or_not_at_all(provider, one_call):
    farebox.instrument()
    farebox.set_budget("calls", limit={"calls": 3}, window="month")
    with (
        provider.openai_client(max_retries=0) as client,
        farebox.track_budget(one_call * 50, name="outer") as outer,
        farebox.track_budget(one_call * 50, name="shared", shared=True) as shared,
        farebox.track_budget(one_call * 50, name="inner") as inner,
    ):
        for _ in range(3):
            ask(client)
        with pytest.raises(BudgetExceeded, match="'calls'"):
            ask(client)
        assert inner.total_spent == shared.total_spent == outer.total_spent == billed(provider)
        assert inner.reserved == shared.reserved == outer.reserved == 0
        with pytest.raises(BudgetExceeded, match="budget 'inner'"):
            ask(client, max_tokens=10**6)
        with farebox.track_budget(one_call, name="small", shared=True) as small:
            with pytest.raises(BudgetExceeded, match="budget 'small'") as refused:
                ask(client, max_tokens=1000)
            assert refused.value.holder is small
        assert inner.reserved == shared.reserved == outer.reserved == 0
    assert [one.held for one in farebox.budget_status("calls")] == [0]


def test_calls_wait_for_those_of_other_processes(one_call):
    with FakeProvider("max", delay=0.1) as provider:
        farebox.instrument()
        with farebox.track_budget(one_call * 10, wait=30, shared=True) as budget:
            workers = [Worker(provider, budget.token, 5) for _ in range(2)]
            answers = []
            threads = [threading.Thread(target=lambda one=one: answers.append(one.answer())) for one in workers]
            for thread in threads:
                thread.start()

            async def fan_out():
                async with provider.async_openai_client(max_retries=0) as client:
                    return await asyncio.gather(*(ask(client) for _ in range(10)), return_exceptions=True)

            own = asyncio.run(fan_out())
            for thread in threads:
                thread.join()
        assert billed(provider) <= one_call * 10
        assert len(provider.billed) >= 9
        assert len(provider.billed) == sum(answer["sent"] for answer in answers) + sum(
            not isinstance(one, Exception) for one in own
        )


def test_nobody_waits_for_what_its_own_thread_holds_nor_where_a_loop_runs(provider, one_call):
    farebox.instrument()
    with provider.openai_client(max_retries=0) as client:
        with farebox.track_budget(one_call * 1.5, wait=30, shared=True):
            stream = ask(client, stream=True)
            began = time.monotonic()
            with pytest.raises(BudgetExceeded):
                ask(client)
            assert time.monotonic() - began < 5
            stream.close()

        async def inside_a_loop():
            with farebox.track_budget(one_call * 1.5, wait=30, shared=True), provider.hold():
                other = threading.Thread(target=lambda: ask(client))
                other.start()
                await asyncio.to_thread(provider.wait_for_requests, 2)
                with pytest.raises(BudgetExceeded, match="a synchronous client inside a coroutine cannot wait"):
                    ask(client)
            other.join()

        asyncio.run(inside_a_loop())


def test_a_model_without_a_price_is_refused(provider):
    farebox.instrument()
    with provider.openai_client(max_retries=0) as client, farebox.track_budget(1, name="job", shared=True) as budget:
        with pytest.raises(BudgetExceeded, match="'mystery' has no price, so budget job cannot hold its cost"):
            ask(client, model="mystery")
        assert budget.reserved == 0
    assert not provider.billed


def test_a_strict_one_is_never_overspent_and_lowers_the_cap_to_the_money_left(provider, one_call):
    farebox.instrument()
    limit = one_call * 40
    with farebox.track_budget(limit, strength="strict", wait=20, shared=True) as budget:

        async def fan_out():
            async with provider.async_openai_client(max_retries=0) as client:
                return await asyncio.gather(*(ask(client, max_tokens=1000) for _ in range(30)), return_exceptions=True)

        answers = asyncio.run(fan_out())
        assert budget.total_spent == billed(provider) <= limit
        assert budget.remaining < one_call * 8
    assert {type(one) for one in answers if isinstance(one, Exception)} == {BudgetExceeded}
    caps = [one.body["max_tokens"] for one in provider.requests]
    assert caps[0] == 1000
    assert min(caps) < 1000


def test_a_soft_one_never_refuses_and_says_once_that_it_is_passed(provider, one_call):
    farebox.instrument()
    passed = []
    with farebox.track_budget(one_call, strength="soft", shared=True, on_exceeded=passed.append) as budget:
        with provider.openai_client(max_retries=0) as client, farebox.attach_budget(budget.token):
            for _ in range(3):
                ask(client)
        assert budget.utilization == 3.0
    assert [error.spent for error in passed] == [one_call * 2]


def test_what_is_charged_by_hand_and_recorded_counts_everywhere():
    with farebox.track_budget(1, shared=True, name="shared") as shared, farebox.track_budget(1) as inner:
        attached = farebox.attach_budget(shared.token)
        inner.charge("0.25", "t")
        attached.charge("0.25", "t")
        assert (inner.total_spent, shared.total_spent, attached.remaining) == (
            Money("0.25"),
            Money("0.5"),
            Money("0.5"),
        )
        assert shared.per_task_spent == {"t": Money("0.5")}
        with pytest.raises(BudgetExceeded, match=r"budget 'shared', \$1\.00, cannot pay a call of about \$0\.60"):
            inner.charge("0.60")
        assert (inner.total_spent, inner.reserved) == (Money("0.25"), 0)
        farebox.record_call(provider="openai", model=MODEL, usage={"prompt_tokens": 1}, cost=3)
        assert (shared.total_spent, shared.remaining) == (Money("3.5"), 0)


def test_shares_of_the_limit_are_told_once_among_all_processes(provider, one_call):
    alerts = []
    farebox.on_alert(alerts.append)
    farebox.instrument()
    with farebox.track_budget(one_call * 4, {"t": one_call * 50}, name="job", shared=True) as budget:
        with provider.openai_client() as client, farebox.tracked("t"):
            ask(client)
            ask(client)
        assert farebox.shutdown(10)
        worker = Worker(provider, budget.token, 1)
        worker.answer()
        assert farebox.shutdown(10)
    told = [(one.budget, one.data["threshold"]) for one in alerts if one.kind == "threshold"]
    assert told == [("job", 0.5)]


def test_tiers_decorators_and_tracked_take_a_shared_budget(provider, one_call):
    farebox.instrument(tiers={"standard": {"total": str(one_call * 4.2), "per_task": {"draft": str(one_call * 2.2)}}})
    tokens = []

    @farebox.track_budget(tier="standard", shared=True)
    def request():
        tokens.append(farebox.current_budget().token)
        return farebox.current_budget()

    assert request().name == "standard"
    request()
    assert tokens[0] != tokens[1]

    budget = farebox.track_budget(tier="standard", shared=True)

    @farebox.tracked("draft", budget=budget)
    def draft(client):
        ask(client)

    with provider.openai_client(max_retries=0) as client:
        draft(client)
        draft(client)
        with pytest.raises(BudgetExceeded, match="for task 'draft'"):
            draft(client)
        attached = farebox.attach_budget(budget.token)

        @attached
        def other():
            ask(client)

        other()
        other()
        with pytest.raises(BudgetExceeded, match="budget 'standard', "):
            other()
    assert budget.total_spent == attached.total_spent == billed(provider)


def test_a_budget_attached_inside_itself_counts_once(provider, one_call):
    farebox.instrument()
    with farebox.track_budget(one_call * 5, shared=True) as budget, farebox.attach_budget(budget.token) as same:
        with provider.openai_client() as client:
            ask(client)
        assert same.total_spent == budget.total_spent == billed(provider)


@pytest.mark.parametrize("token", ["", "fb1.x", None, 7, "fb2." + "A" * 22 + "." + "B" * 8])
def test_what_is_no_token_is_said(token):
    with pytest.raises(ConfigurationError, match="is no token of a shared budget"):
        farebox.attach_budget(token)


def test_tokens_of_other_stores_and_of_ended_budgets_are_told_apart(tmp_path):
    with farebox.track_budget(1, shared=True) as budget:
        token = budget.token
        farebox.configure(ledger=tmp_path / "other.db")
        with pytest.raises(ConfigurationError, match=r"is of another store than .*other\.db\.budgets"):
            farebox.attach_budget(token)
        assert not (tmp_path / "other.db.budgets").exists()
    assert token.startswith("fb1.")
    assert farebox.track_budget(1, shared=True).token != token


def test_in_memory_it_is_shared_with_this_process_alone(provider, one_call):
    farebox.instrument(budget_store="memory")
    with farebox.track_budget(one_call * 2, shared=True) as budget, farebox.attach_budget(budget.token):
        token = budget.token
        with provider.openai_client() as client:
            ask(client)
        assert budget.total_spent == billed(provider)
    assert not runtime.current().budgets.path.exists()
    farebox.configure(budget_store="sqlite")
    with pytest.raises(ConfigurationError, match="of another store"):
        farebox.attach_budget(token)


MAKER = """
import sys, farebox
budget = farebox.track_budget(1, name="job", shared=True)
print(budget.token, flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_the_end_of_the_process_that_made_it_ends_it(provider, one_call, end):
    farebox.instrument()
    ledger = str(runtime.current().ledger_path.path)
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKER],
        env={**os.environ, "FAREBOX_LEDGER": ledger},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with (
        farebox.attach_budget(maker.stdout.readline().strip()) as budget,
        provider.openai_client(max_retries=0) as client,
    ):
        ask(client)
        if end == "kill":
            maker.kill()
        maker.communicate()
        if end == "kill":  # whoever looks for dead processes next finds it out
            runtime.current().budgets.standing.sweep(time.time_ns())
        with pytest.raises(BudgetExceeded, match="shared budget job has ended"):
            ask(client)
        assert budget.total_spent == billed(provider)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_ends_nothing_of_its_parents_and_in_memory_it_shares_nothing(provider, caplog):
    farebox.instrument()
    with farebox.track_budget(1, shared=True) as budget:
        child = os.fork()
        if child == 0:
            budget.__exit__(None, None, None)
            runtime.current().budgets.standing.end_all()
            os._exit(0)
        os.waitpid(child, 0)
        budget.charge("0.1")
        assert budget.total_spent == Money("0.1")
    farebox.configure(budget_store="memory")
    with farebox.track_budget(1, shared=True) as budget:
        budget._gate.process_id += 1  # as in a child of a fork
        try:
            budget.charge("0.1")
        finally:
            budget._gate.process_id -= 1
    assert "each process now spends up to the limit by itself" in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_workers_that_are_forked_before_it_is_entered_share_it(provider, one_call):
    farebox.instrument()
    budget = farebox.track_budget(one_call * 10, name="server", shared=True)
    assert repr(budget).startswith("<Budget server hard, shared/")
    for _ in range(2):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with budget, provider.openai_client(max_retries=0) as own:
                    ask(own)
                with budget, provider.openai_client(max_retries=0) as own:
                    ask(own)  # leaving it in a child has not ended it
                runtime.current().budgets.standing.end_all()
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    runtime.current().budgets.standing.sweep(time.time_ns())  # its maker lives
    with budget, provider.openai_client(max_retries=0) as client:
        ask(client)
        assert len(provider.billed) == 5
        assert budget.total_spent == billed(provider)


def test_before_anything_is_spent_it_reads_as_nothing_and_needs_no_file():
    budget = farebox.track_budget(1, {"draft": "0.5"}, shared=True)
    assert (budget.total_spent, budget.reserved, budget.remaining) == (0, 0, 1)
    assert budget.per_task_spent == {"draft": 0}
    assert not runtime.current().budgets.path.exists()
