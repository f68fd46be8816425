from __future__ import annotations

import asyncio
import logging
import sys
import threading

import pytest

import farebox
from farebox import call_site, runtime
from farebox.call_site import UNKNOWN, CostWarning
from farebox.core.event import CallRequest
from farebox.testing import FakeProvider

TEXT = [{"role": "user", "content": "Where is my bag? " * 20}]
REQUEST = CallRequest("openai", "chat", "chat.completions", "m")


@pytest.fixture(autouse=True)
def own_runtime(caplog):
    caplog.set_level(logging.WARNING, "farebox")
    runtime.reset()
    yield
    runtime.reset()


@pytest.fixture
def provider():
    with FakeProvider() as running:
        yield running


def line_above() -> int:
    """The line before the one that calls this."""
    return sys._getframe(1).f_lineno - 1


def warned(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if "warn_above" in record.getMessage()]


def test_a_dear_call_is_warned_of_once_for_each_place_and_answers_all_the_same(provider, caplog):
    with provider.openai_client() as client, farebox.instrument("openai", warn_above="0.000001"):
        for _ in range(3):
            answer = client.chat.completions.create(model="gpt-5-mini", messages=TEXT)
            here = line_above()
            assert answer.usage.prompt_tokens > 0
        client.responses.create(model="gpt-5-mini", input="Where is my bag?")
        there = line_above()
    first, second = warned(caplog)
    expected = farebox.estimate({"model": "gpt-5-mini", "messages": TEXT}, model="gpt-5-mini").expected
    assert first == (
        f"{__file__}:{here}: a call of 'gpt-5-mini' is expected to cost ${expected}, which is above warn_above=0.000001. "
        "Later calls from there are not warned of."
    )
    assert second.startswith(f"{__file__}:{there}: ")


def test_each_sdk_is_seen_through_to_the_program(provider, caplog):
    google = provider.genai_client()
    with provider.anthropic_client() as client, farebox.instrument(warn_above=0):
        client.messages.create(model="claude-haiku-4-5", max_tokens=5, messages=TEXT)
        one = line_above()
        google.models.generate_content(model="gemini-2.5-flash", contents="hello")
        two = line_above()
        for _ in google.models.generate_content_stream(model="gemini-2.5-flash", contents="hello"):
            three = line_above()
        with client.messages.stream(model="claude-haiku-4-5", max_tokens=5, messages=TEXT) as stream:
            four = line_above()
        stream.close()
    google.close()
    assert [said.partition(": ")[0] for said in warned(caplog)] == [
        f"{__file__}:{number}" for number in (one, two, three, four)
    ]


def test_a_coroutine_is_placed_where_it_is_awaited(provider, caplog):
    async def main() -> int:
        async with provider.async_openai_client() as client:
            await client.chat.completions.create(model="gpt-5-mini", messages=TEXT)
            return line_above()

    with farebox.instrument("openai", warn_above=0):
        here = asyncio.run(main())
    (said,) = warned(caplog)
    assert said.startswith(f"{__file__}:{here}: ")


def test_without_the_setting_or_below_it_no_stack_is_walked(provider, caplog, monkeypatch):
    monkeypatch.setattr(call_site, "call_site", lambda: pytest.fail("walked"))
    with provider.openai_client() as client:
        for settings in ({}, {"warn_above": 1}):
            with farebox.instrument("openai", **settings):
                client.chat.completions.create(model="gpt-5-mini", messages=TEXT)
    assert warned(caplog) == []


def test_a_call_at_the_threshold_or_without_a_price_is_not_above_it(caplog):
    warning = CostWarning(100)
    warning.look(REQUEST, 100)
    warning.look(REQUEST, None)
    assert warned(caplog) == []
    warning.look(REQUEST, 101)
    assert len(warned(caplog)) == 1


def test_a_refused_call_is_warned_of_too(provider, caplog):
    with (
        provider.openai_client() as client,
        farebox.instrument("openai", warn_above=0),
        farebox.track_budget(0),
        pytest.raises(farebox.BudgetExceeded),
    ):
        client.chat.completions.create(model="gpt-5-mini", messages=TEXT)
    assert len(warned(caplog)) == 1


def test_a_stack_without_a_frame_of_the_program_has_a_name_of_its_own():
    # The pool's way: a thread runs the library's own method, and nothing of the program lies beneath.
    found: list[str] = []
    code = compile("found.append(call_site())", "sdk.py", "exec")
    names = {"__name__": "openai._base_client", "found": found, "call_site": call_site.call_site}
    thread = threading.Thread(target=exec, args=(code, names))
    thread.start()
    thread.join()
    assert found == [UNKNOWN]


@pytest.mark.parametrize(
    ("module", "programs"),
    [
        ("__main__", True),
        ("app.openai", True),
        ("openai_tools", True),
        ("google.cloud.storage", True),
        ("google.genaix", True),
        ("", True),
        ("openai.resources.chat", False),
        ("anthropic", False),
        ("google.genai", False),
        ("google.genai.models", False),
        ("farebox.meter", False),
        ("asyncio.events", False),
        ("tenacity", False),
    ],
)
def test_whose_a_module_is(module, programs):
    code = compile("found = call_site()", "here.py", "exec")
    names = {"__name__": module, "call_site": call_site.call_site}
    exec(code, names)
    assert (names["found"] == "here.py:1") is programs


def test_the_places_remembered_are_bounded(caplog):
    warning = CostWarning(0)
    for number in range(1_100):
        code = compile("warning.look(request, 1)", f"made_{number}.py", "exec")
        exec(code, {"__name__": "made", "warning": warning, "request": REQUEST})
    assert len(warned(caplog)) == len(warning._seen) == 1_000


def test_threads_that_meet_at_one_place_warn_once(caplog):
    warning, together = CostWarning(0), threading.Barrier(8)

    def look() -> None:
        together.wait()
        for _ in range(50):
            warning.look(REQUEST, 1)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(warned(caplog)) == 1


def test_a_fault_in_the_warning_does_not_reach_the_call(provider, monkeypatch):
    def broken() -> str:
        raise RuntimeError("no stack here")

    farebox.core.guard.raise_faults(enabled=False)
    monkeypatch.setattr(call_site, "call_site", broken)
    with provider.openai_client() as client, farebox.instrument("openai", warn_above=0), farebox.capture() as seen:
        assert client.chat.completions.create(model="gpt-5-mini", messages=TEXT).usage
    assert len(seen.calls) == 1
    assert farebox.core.guard.faults == {"cost warning: RuntimeError": 1}
