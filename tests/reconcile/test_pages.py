"""Failures of the way to a bill: retried where that may help, and said in a sentence that shows no key."""

from __future__ import annotations

import http.server
import logging
import threading

import pytest
from bill_worlds import DAYS, FIRST, call

from farebox.core.errors import ConfigurationError
from farebox.reconcile import openai_sdk
from farebox.reconcile.pages import Clock, Pages, StatementError, hidden
from farebox.reconcile.sources import anthropic_reader, openai_reader
from farebox.reconcile.transport import HTTP, Answer, checked, seconds
from farebox.reconcile_settings import BillSource

WAYS = ["openai SDK", "openai HTTP", "anthropic"]


@pytest.fixture(params=WAYS)
def ask(request, world, monkeypatch):
    """Read the costs of a day, each way."""
    monkeypatch.setattr(openai_sdk, "available", lambda: request.param == "openai SDK")
    make, url, part = (
        (anthropic_reader, world.billing.url, "cost_report")
        if request.param == "anthropic"
        else (openai_reader, world.billing.openai_url, "costs")
    )

    def costs(**settings):
        source = BillSource(**{"key_env": "TEST_ADMIN_KEY", "url": url, **settings})
        return list(make(request.param.split()[0], source, world.clock()).read(part, DAYS[0], DAYS[0]))

    return costs


def test_a_rate_limit_is_waited_for(ask, world):
    world.billing.answer_next(429, times=2, headers={"Retry-After": "7"})
    assert ask()
    assert world.slept == [7.0, 7.0]


def test_a_failing_server_is_tried_six_times_after_growing_pauses(ask, world):
    world.billing.answer_next(503, times=6)
    with pytest.raises(StatementError, match=r"HTTP 503.*after 6 tries"):
        ask()
    assert len(world.slept) == 5
    assert all(0.7 * 2**step <= pause <= 1.3 * 2**step for step, pause in enumerate(world.slept))
    world.billing.answer_next(500, times=5)
    assert ask()


def test_a_limit_that_asks_for_hours_is_told_and_not_waited_for(ask, world):
    world.billing.answer_next(429, headers={"Retry-After": "7200"})
    with pytest.raises(StatementError, match=r"asks to wait 7200 seconds\): run it again later, it goes on"):
        ask()
    assert world.slept == []


@pytest.mark.parametrize(
    "key", ["sk-proj-0123456789abcdefghij", "sk-ant-api03-0123456789abcdef", "nonsense-0123456789"]
)
def test_a_key_of_the_wrong_kind_is_told_what_is_needed_and_never_shown(ask, world, monkeypatch, key):
    monkeypatch.setenv("TEST_ADMIN_KEY", key)
    with pytest.raises(StatementError, match=r"the key was refused \(HTTP 40[13].*need an admin key") as failure:
        ask()
    for part in (key, key[:8], key[-4:]):
        assert part not in str(failure.value).partition("): ")[0]  # behind it stands what keys look like in general
    assert world.slept == []


def test_no_connection_is_told(ask, world):
    world.billing.stop()
    with pytest.raises(StatementError, match="no connection after 6 tries"):
        ask()


def test_other_refusals_are_told_at_once(ask, world):
    world.billing.answer_next(400)
    with pytest.raises(StatementError, match="HTTP 400: HTTP 400 as planned"):
        ask()


def test_no_key_names_the_variable_and_the_kind(ask, monkeypatch, tmp_path):
    monkeypatch.delenv("TEST_ADMIN_KEY")
    with pytest.raises(StatementError, match="set TEST_ADMIN_KEY"):
        ask()
    with pytest.raises(StatementError, match=r"set (OPENAI|ANTHROPIC)_ADMIN_KEY"):
        ask(key_env=None)
    with pytest.raises(StatementError, match="No such file"):
        ask(key_env=None, key_file=str(tmp_path / "none"))
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(StatementError, match="holds no key"):
        ask(key_env=None, key_file=str(tmp_path / "empty"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(StatementError, match="it is no text"):
        ask(key_env=None, key_file=str(tmp_path / "binary"))


def test_a_key_may_be_in_a_file(ask, world, tmp_path):
    (tmp_path / "key").write_text(world.billing.admin_key + "\n")
    assert ask(key_env=None, key_file=str(tmp_path / "key"))


def test_no_key_is_in_a_log_an_error_or_a_file(world, tmp_path, monkeypatch, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    world.meter(
        call(FIRST, "openai", "gpt-5-mini", {"input": 1}), call(FIRST, "anthropic", "claude-opus-5", {"input": 1})
    )
    keys = [world.billing.admin_key, "sk-ant-api03-wrong-kind-of-key-0042", "sk-proj-another-wrong-key-31337"]
    said = []
    for sdk in (True, False):
        monkeypatch.setattr(openai_sdk, "available", lambda sdk=sdk: sdk)
        for key in keys:
            monkeypatch.setenv("TEST_ADMIN_KEY", key)
            world.billing.answer_next(429, headers={"Retry-After": "1"})
            done = world.reconcile(again=True)
            said += [*done.gaps, repr(done)]
    said += [caplog.text, *capsys.readouterr()]
    files = [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 2
    for key in keys:
        assert not any(key in text or key[-8:] in text for text in (*said, *files))


def test_a_message_that_shows_ends_of_a_key_is_cleaned():
    key = "sk-admin-abcdefghijklmnop"
    assert hidden(f"bad {key}, sk-admin-abc... ...mnop", key) == "bad ***, ***... ...***"
    assert hidden("sk-a ok", key) == "sk-a ok"
    assert hidden("nothing", "") == "nothing"


def test_a_redirect_takes_the_key_nowhere(world):
    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", f"{world.billing.openai_url}/organization/costs")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        transport = HTTP(f"http://127.0.0.1:{server.server_port}", {"Authorization": "Bearer secret"})
        assert transport.get("/organization/costs", ()).status == 302
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert world.billing.requests == []


@pytest.mark.parametrize("base", ["http://billing.example.com", "ftp://x", "nonsense", "http://[", ""])
def test_an_address_that_would_show_the_key_is_refused(base):
    with pytest.raises(ConfigurationError, match="https URL"):
        checked(base)


def test_addresses_that_are_safe():
    assert checked("https://api.openai.com/v1/") == "https://api.openai.com/v1"
    assert checked("http://127.0.0.1:8080") == "http://127.0.0.1:8080"


def test_retry_after_is_seconds_or_a_date():
    assert seconds("12") == 12.0
    assert seconds(None) is None
    assert seconds("soon") is None
    assert seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


class Endless:
    def __init__(self):
        self.count = 0

    def get(self, path, parameters):
        self.count += 1
        return Answer(200, b'{"data": [], "has_more": true, "next_page": "%d"}' % self.count)


def test_pages_without_end_are_ended():
    pages = Pages(Endless(), Clock(), key="", hint="")
    with pytest.raises(StatementError, match="more than 10000 pages"):
        list(pages.each("/x", ()))


def test_clocks_that_differ_are_told_and_the_providers_counts(world):
    world.meter(call(FIRST + 4 * 86_400 * 10**9, "openai", "gpt-5-mini", {"input": 1000}))
    ahead = world.now + 3 * 86_400
    world.billing.now = lambda: ahead
    done = world.reconcile("openai")
    assert done.gaps == ()
    assert all("its clock is +259200 seconds off ours" in result.notes[0] for result in done.results)
    assert {result.status for result in done.results} == {"matched"}
