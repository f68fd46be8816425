"""From a note to the receivers: filters, tries, bounds and claims."""

from __future__ import annotations

import logging
import os
import threading
import time

import pytest

from farebox.alert_settings import parse_alerts
from farebox.alerts import dispatcher, lane
from farebox.alerts.channels import CHANNELS
from farebox.alerts.claims import Claim, Claims
from farebox.alerts.dispatcher import Alerts
from farebox.core import guard
from farebox.core.errors import BudgetExceeded, ConfigurationError

AT = (500_000, 800_000, 1_000_000)
MONEY = 1_000_000_000


@pytest.fixture
def make(tmp_path):
    """A factory of alerts with rows; nothing works but by `work` and `flush`."""

    def build(*rows, **terms):
        woken = []
        made = Alerts(
            parse_alerts(list(rows)),
            alert_at=AT,
            claims=Claims(tmp_path / "deep" / "ledger.db.alerts"),
            wake=lambda: woken.append(1),
            **terms,
        )
        made.woken = woken
        return made

    return build


def heard(made):
    """What a listener is told from now on."""
    told = []
    made.listen(told.append)
    return told


def unpriced(made, model="gpt-99"):
    made.tell("unpriced", provider="openai", model=model)


def hook(receiver, **keys):
    return {"channel": "webhook", "url": receiver.url, **keys}


def test_nobody_who_listens_means_no_note_and_no_thread(make):
    made = make()
    unpriced(made)
    assert made.woken == []
    assert made.work() is None


def test_a_listener_is_told_in_order_and_its_faults_stay_inside(make, caplog):
    made = make()

    def broken(_alert):
        raise BudgetExceeded("from the inside")

    made.listen(broken)
    told = heard(made)
    unpriced(made)
    made.tell("journal", problem="damaged", count=3)
    assert told == []
    assert len(made.woken) == 2

    assert made.flush(5)

    assert [alert.kind for alert in told] == ["unpriced", "journal"]
    assert guard.faults["alert channel callback: BudgetExceeded"] == 2
    assert made.lanes[-2].failed == 2
    assert caplog.text.count("from the inside") >= 1


def test_the_log_is_told_of_thresholds_and_the_journal_unless_a_row_says_otherwise(make, caplog):
    caplog.set_level(logging.INFO, "farebox")
    for made in (make(), make({"channel": "log", "kinds": ["unpriced"]})):
        made.spent("monthly", "", 1, MONEY, MONEY // 2)
        made.tell("journal", problem="dropped", count=1)
        unpriced(made, f"gpt-{id(made)}")
        made.flush(5)
    levels = [(record.levelname, record.getMessage().split(":")[0]) for record in caplog.records]
    assert [level for level, _ in levels] == ["INFO", "WARNING", "INFO"]
    assert levels[0][1] == "Budget monthly"
    assert "has no price" in levels[2][1]


def test_a_row_gets_its_kinds_and_severities_only(make, receiver):
    made = make(
        hook(receiver, name="one", kinds=["unpriced"], format="slack"), hook(receiver, name="two", severity="critical")
    )
    unpriced(made)
    made.spent("monthly", "", 1, MONEY, MONEY // 2)
    made.spent("monthly", "", 1, MONEY, MONEY)
    assert made.flush(5)
    assert [body.get("kind", "slack") for body in receiver.bodies] == ["slack", "threshold"]
    assert receiver.bodies[1]["severity"] == "critical"
    assert [one.sent for one in made.lanes] == [2, 1, 1]


def test_after_500_and_429_it_is_sent_again_with_the_same_id_and_not_too_early(make, receiver, monkeypatch):
    monkeypatch.setattr(lane, "_FIRST_PAUSE", 0.02)
    receiver.answers += [(500, {}), (429, {"Retry-After": "1"})]
    made = make(hook(receiver))
    unpriced(made)
    began = time.monotonic()

    assert 0 < made.work() <= 1.0  # on a slow machine the first pause is over by then
    assert made.flush(10)

    assert time.monotonic() - began >= 1.0
    assert len({body["id"] for body in receiver.bodies}) == 1
    assert len(receiver.posts) == 3
    assert (made.lanes[-1].sent, made.lanes[-1].failed) == (1, 0)


def test_it_is_given_up_after_some_tries_and_at_once_where_they_cannot_help(make, receiver, monkeypatch, caplog):
    monkeypatch.setattr(lane, "_FIRST_PAUSE", 0.001)
    receiver.answers += [(503, {})] * lane.TRIES + [(404, {})]
    made = make(hook(receiver, secret="very-secret"))
    unpriced(made)
    unpriced(made, "gpt-98")
    assert made.flush(10)
    assert len(receiver.posts) == lane.TRIES + 1
    assert made.lanes[-1].failed == 2
    assert caplog.text.count("could not be delivered to webhook") == 2
    assert "very-secret" not in caplog.text


def test_pauses_double_up_to_a_minute_and_vary():
    pauses = [lane._backoff(tries) for tries in range(1, 12)]
    for tries, pause in enumerate(pauses):
        assert min(60, 2**tries) / 2 <= pause <= min(60, 2**tries)
    assert len({lane._backoff(5) for _ in range(20)}) > 1


def test_a_receiver_that_is_down_holds_up_no_other(make, receiver, tmp_path):
    receiver.answers += [(503, {"Retry-After": "60"})]
    made = make(hook(receiver))
    told = heard(made)
    for number in range(3):
        unpriced(made, f"gpt-{number}")
    assert 59 < made.work() <= 60
    assert len(told) == 3
    assert len(receiver.posts) == 1
    began = time.monotonic()
    assert not made.flush(0.2)
    assert time.monotonic() - began < 1


def test_what_waits_is_bounded_and_what_was_held_back_is_told(make, receiver):
    made = make(hook(receiver, per_minute=2))
    told = heard(made)
    for number in range(dispatcher.NOTED_AT_MOST + 5):
        unpriced(made, f"gpt-{number}")
    assert made.dropped == 5
    made._claims.first = lambda _claim: True
    assert made.flush(60)
    assert len(told) == dispatcher.NOTED_AT_MOST
    assert len(receiver.posts) == 2
    assert made.lanes[1].dropped == dispatcher.NOTED_AT_MOST - 2
    made.lanes[1]._lately.clear()
    unpriced(made, "one more")
    assert made.flush(5)
    assert receiver.bodies[-1]["data"]["held_back"] == dispatcher.NOTED_AT_MOST - 2

    one = made.lanes[1]
    one.row = parse_alerts([hook(receiver, per_minute=0)])[0]
    for _ in range(lane.WAITING_AT_MOST + 1):
        one.put(told[0])
    assert len(one._waiting) == lane.WAITING_AT_MOST


def test_each_share_is_told_once_a_window_and_the_highest_of_several(make):
    made = make()
    told = heard(made)
    for spent in (0, 499, 500, 501, 799, 900, 1000, 1500):
        made.spent("monthly", "acme", 7, 1000, spent, unit="calls", tenant_id="acme")
    made.spent("monthly", "globex", 7, 1000, 1000, unit="calls")
    made.spent("monthly", "acme", 8, 1000, 850, unit="calls")
    made.spent("weekly", "acme", 8, 1000, 100, alert_at=(100_000,))
    made.spent("none", "", 0, 0, 5)
    made.flush(5)
    seen = [(one.budget, one.data["bucket"], one.data["window"], one.data["threshold"]) for one in told]
    assert seen == [
        ("monthly", "acme", 7, 0.5),
        ("monthly", "acme", 7, 0.8),
        ("monthly", "acme", 7, 1.0),
        ("monthly", "globex", 7, 1.0),
        ("monthly", "acme", 8, 0.8),
        ("weekly", "acme", 8, 0.1),
    ]
    assert (told[0].tenant_id, told[0].spent, told[0].limit) == ("acme", 500, 1000)


def test_refusals_of_one_budget_are_told_once_a_minute_with_their_number(make, monkeypatch):
    made = make()
    told = heard(made)
    for _ in range(500):
        made.tell("refusal", error=BudgetExceeded("the budget cannot pay.", budget="chat"))
    made.tell("refusal", error=BudgetExceeded("another cannot pay.", budget="other"))
    monkeypatch.setattr(dispatcher, "_QUIET_NS", 0)
    made.tell("refusal", error=BudgetExceeded("the budget cannot pay.", budget="chat"))
    made.flush(5)
    assert [(one.budget, one.data.get("repeated")) for one in told] == [("chat", None), ("other", None), ("chat", 499)]
    assert "499 more were refused" in told[-1].text


def test_journal_trouble_is_told_again_when_it_is_ten_times_as_much(make):
    made = make(service="shop")
    told = heard(made)
    for count in range(1, 200):
        made.tell("journal", problem="dropped", count=count)
    made.flush(5)
    assert [one.data["count"] for one in told] == [1, 10, 100]
    assert told[0].data["service"] == "shop"


def test_of_several_processes_with_one_ledger_the_first_tells(tmp_path):
    path = tmp_path / "x.alerts"
    first, second = Claims(path), Claims(path)
    claim = Claim("monthly", "acme", 7, (500_000, 800_000))
    assert first.first(claim)
    assert not first.first(claim)
    assert not second.first(claim)
    assert not second.first(Claim("monthly", "acme", 7, (500_000,)))
    assert second.first(Claim("monthly", "acme", 7, (500_000, 800_000, 1_000_000)))
    assert second.first(Claim("monthly", "acme", 8, (500_000,)))


def test_where_claims_cannot_be_kept_each_process_tells_once(tmp_path):
    (tmp_path / "x.alerts").mkdir()
    claims = Claims(tmp_path / "x.alerts")
    assert claims.first(Claim("monthly", "", 0))
    assert not claims.first(Claim("monthly", "", 0))
    assert guard.faults["alerts sent: OperationalError"] == 1


def test_threads_that_flush_at_once_send_everything_once(make, receiver):
    made = make(hook(receiver, per_minute=0))
    for number in range(40):
        unpriced(made, f"gpt-{number}")
    threads = [threading.Thread(target=made.flush, args=(30,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.posts) == 40
    assert len({body["id"] for body in receiver.bodies}) == 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_does_not_send_what_waits_for_its_parent(make, receiver):
    made = make(hook(receiver))
    unpriced(made)
    child = os.fork()
    if not child:
        made.leave_in_child()
        os._exit(0 if made.work() is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert receiver.posts == []
    assert made.flush(5)
    assert len(receiver.posts) == 1


def test_a_channel_of_another_distribution_takes_its_options(make, tmp_path, monkeypatch):
    (tmp_path / "pigeon_post.py").write_text(
        "class Pigeon:\n"
        "    flown = []\n"
        "    def __init__(self, row): self.loft = row.options['loft']\n"
        "    address = 'a loft'\n"
        "    def send(self, alert, *, timeout): self.flown.append((self.loft, alert.subject, timeout > 0))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(CHANNELS._rows, "pigeon", "pigeon_post:Pigeon")
    made = make({"channel": "pigeon", "options": {"loft": "north"}})
    unpriced(made)
    assert made.flush(5)
    assert made.lanes[-1].channel.flown == [("north", "openai/gpt-99 has no price", True)]


def test_an_unknown_channel_is_named_with_those_there_are(make):
    with pytest.raises(ConfigurationError, match="channel 'pigeon' is not known: use one of log, webhook"):
        make({"channel": "pigeon"})
