"""The pytest plugin: its fixtures, and that pytest finds them by itself."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import openai
import pytest


def test_calls_of_a_test_are_metered_into_a_ledger_of_its_own(farebox_provider, farebox_calls, tmp_path):
    with farebox_provider.openai_client() as client:
        client.responses.create(model="gpt-5-mini", input="How many are we?")
        list(
            client.chat.completions.create(
                model="gpt-5-mini", messages=[{"role": "user", "content": "And now?"}], stream=True
            )
        )
    assert [call.cost_status for call in farebox_calls.calls] == ["priced", "priced"]
    billed = sum(entry.usage.get("output_tokens", 40) for entry in farebox_provider.billed)
    assert farebox_calls.usage.output_tokens == billed == 80
    assert farebox_calls.cost > 0
    assert (tmp_path / "farebox.journal").is_dir()


def test_without_the_fixture_nothing_is_hooked(farebox_provider):
    assert not hasattr(openai.OpenAI.request, "__wrapped__")


def test_pytest_finds_the_fixtures_in_any_project(tmp_path):
    (tmp_path / "test_program.py").write_text(
        textwrap.dedent(
            """
            def test_it_pays(farebox_provider, farebox_calls):
                with farebox_provider.anthropic_client() as client:
                    client.messages.create(
                        model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
                    )
                assert farebox_calls.cost > 0
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error", tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_plugin_costs_nothing_until_a_fixture_is_asked_for():
    program = (
        "import sys, farebox.testing.plugin\n"
        "loaded = {'http.server', 'farebox.runtime', 'farebox.testing.provider'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "from farebox.testing import Billed, FakeProvider, Received\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_name_that_testing_does_not_have_is_refused_with_those_it_has():
    import farebox.testing

    assert all(getattr(farebox.testing, name) for name in farebox.testing.__all__)
    with pytest.raises(AttributeError, match="it has Billed, FakeBilling, FakeProvider, Received"):
        _ = farebox.testing.FakeProvidr
