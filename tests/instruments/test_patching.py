"""Hooks are applied once, each alone, now or when the SDK is imported, and taken back without a trace."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import subprocess
import sys
import textwrap
import types

import pytest

from farebox.core.errors import ConfigurationError
from farebox.core.registry import Registry
from farebox.instruments import patching
from farebox.instruments.hook import Hook, Instrument
from farebox.instruments.patching import WireOptions, install

openai_sdk = pytest.importorskip("openai")
clients = openai_sdk._base_client

MESSAGES = [{"role": "user", "content": "2+2?"}]
SYNC = clients.SyncAPIClient


@pytest.fixture
def put():
    """`install`, undone after the test whatever happens in it."""
    installed = []

    def install_now(meter, names=("openai",)):
        installed.append(install(names, meter=lambda: meter, options=WireOptions()))
        return installed[-1]

    yield install_now
    for one in installed:
        one.undo()


def states(installed):
    """How the hooks stand that meter."""
    return [
        state.state for state in installed.states() if state.target.endswith(".request") or state.state == "missing"
    ]


@pytest.fixture
def chat(server):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        yield lambda: client.chat.completions.create(model="m", messages=MESSAGES)


def test_every_hook_is_there_in_the_installed_sdks(put, meter):
    for name in patching.INSTRUMENTS:
        instrument = patching.INSTRUMENTS[name]
        if importlib.util.find_spec(instrument.package) is None:
            continue
        here = [hook for hook in instrument.hooks if not hook.only or there(hook)]
        assert all(there(hook) for hook in here)
        installed = put(meter, (name,))
        assert {state.target for state in installed.states() if state.state == "hooked"} == {
            hook.target for hook in here
        }
        installed.undo()


def there(hook):
    try:
        return callable(functools.reduce(getattr, hook.attribute.split("."), importlib.import_module(hook.module)))
    except (AttributeError, ModuleNotFoundError):
        return False


def test_shapes_are_those_of_the_functions():
    for name in patching.INSTRUMENTS:
        instrument = patching.INSTRUMENTS[name]
        if importlib.util.find_spec(instrument.package) is None:
            continue
        for hook in instrument.hooks:
            if hook.around is not None or (hook.only and not there(hook)):
                continue
            function = functools.reduce(getattr, hook.attribute.split("."), importlib.import_module(hook.module))
            assert inspect.iscoroutinefunction(function) is hook.shape.startswith("coroutine"), hook.target
            assert inspect.isgeneratorfunction(function) is (hook.shape == "generator"), hook.target


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_installations_are_one_event_until_both_are_undone(put, meter, wire, chat, order):
    other = wire.RecordingMeter()
    installed = [put(meter), put(other)]
    chat()
    assert (len(meter.calls), len(other.calls)) == (1, 0)
    installed[order[0]].undo()
    chat()
    assert len(meter.calls) + len(other.calls) == 2
    assert len(other.calls) == (1 if order[0] == 0 else 0)
    installed[order[1]].undo()
    chat()
    assert len(meter.calls) + len(other.calls) == 2


def test_undoing_restores_the_very_objects(put, meter):
    before = {name: vars(getattr(clients, name))["request"] for name in ("SyncAPIClient", "AsyncAPIClient")}
    installed = put(meter)
    assert vars(SYNC)["request"] is not before["SyncAPIClient"]
    installed.undo()
    installed.undo()
    assert all(vars(getattr(clients, name))["request"] is original for name, original in before.items())
    assert states(installed) == ["undone"] * 2


def test_instrumenting_again_gives_one_event(put, meter, chat):
    for _ in range(3):
        installed = put(meter)
        chat()
        installed.undo()
        chat()
    assert len(meter.calls) == 3


@pytest.mark.parametrize("wraps", [True, False], ids=["keeping __wrapped__", "opaque"])
def test_another_patcher_above_keeps_working_and_ours_passes_through(put, meter, chat, monkeypatch, wraps):
    seen = []
    original = vars(SYNC)["request"]
    installed = put(meter)
    ours, ours_itself = SYNC.request, vars(SYNC)["request"]

    def theirs(*args, **kwargs):
        seen.append(1)
        return ours(*args, **kwargs)

    monkeypatch.setattr(SYNC, "request", functools.wraps(ours)(theirs) if wraps else theirs)
    above = vars(SYNC)["request"]
    chat()
    installed.undo()
    assert vars(SYNC)["request"] is above
    chat()
    assert (len(seen), len(meter.calls)) == (2, 1)
    again = put(meter)
    chat()
    assert (len(seen), len(meter.calls)) == (3, 2)
    again.undo()
    chat()
    assert len(meter.calls) == 2
    monkeypatch.undo()
    assert vars(SYNC)["request"] is ours_itself
    third = put(meter)
    chat()
    third.undo()
    assert (len(meter.calls), vars(SYNC)["request"]) == (3, original)


def test_another_patcher_below_keeps_working_and_is_restored(put, meter, chat, monkeypatch):
    seen = []
    original = SYNC.request

    def theirs(*args, **kwargs):
        seen.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(SYNC, "request", theirs)
    installed = put(meter)
    chat()
    installed.undo()
    assert (len(seen), len(meter.calls), vars(SYNC)["request"]) == (1, 1, theirs)


def test_the_function_looks_as_before(put, meter):
    signature = inspect.signature(SYNC.request)
    installed = put(meter)
    assert inspect.signature(SYNC.request) == signature
    assert inspect.iscoroutinefunction(clients.AsyncAPIClient.request)
    assert not inspect.iscoroutinefunction(SYNC.request)
    assert SYNC.request.__qualname__ == "SyncAPIClient.request"
    installed.undo()


def test_a_missing_attribute_stops_no_other_hook(put, meter, chat, monkeypatch):
    instrument = patching.INSTRUMENTS["openai"]
    hooks = (
        Hook("openai._base_client", "NoSuchClass.request", "call"),
        Hook("openai._base_client", "SyncAPIClient.no_such_method", "call"),
        *instrument.hooks,
    )
    broken = Instrument("openai", "openai", "openai", hooks, instrument.dialect)
    module = types.ModuleType("broken_rows")
    module.INSTRUMENT = broken
    monkeypatch.setitem(sys.modules, "broken_rows", module)
    monkeypatch.setattr(patching, "INSTRUMENTS", Registry("instrument", rows={"openai": "broken_rows:INSTRUMENT"}))
    installed = put(meter)
    assert states(installed) == ["missing", "missing", "hooked", "hooked"]
    assert "NoSuchClass.request is not there" in installed.states()[0].detail
    chat()
    installed.undo()
    assert (len(meter.calls), states(installed)) == (1, ["missing", "missing", "undone", "undone"])


def test_a_fault_while_wrapping_is_kept_to_its_hook(put, meter, monkeypatch):
    class Sealed(type):
        def __setattr__(cls, name, value):
            raise TypeError("sealed")

    class Client(metaclass=Sealed):
        def request(self):
            pass

    module = types.ModuleType("sealed_sdk")
    module.Client = Client
    module.INSTRUMENT = Instrument(
        "sealed", "sealed", "sealed_sdk", (Hook("sealed_sdk", "Client.request", "call"),), None
    )
    monkeypatch.setitem(sys.modules, "sealed_sdk", module)
    monkeypatch.setattr(patching, "INSTRUMENTS", Registry("instrument", rows={"sealed": "sealed_sdk:INSTRUMENT"}))
    (state,) = put(meter, ("sealed",)).states()
    assert (state.state, state.version) == ("faulty", None)
    assert "sealed" in state.detail


def test_an_unknown_name_is_an_error_that_lists_the_known_ones(put, meter):
    with pytest.raises(
        ConfigurationError, match=r"'opnai' is not known: use one of anthropic, google_genai, litellm, openai"
    ):
        put(meter, ("opnai",))


def test_an_sdk_that_is_not_installed_is_an_error_when_named_and_silent_else(put, meter, monkeypatch):
    module = types.ModuleType("absent_rows")
    hook = Hook("no_such_sdk.client", "Client.request", "call")
    module.INSTRUMENT = Instrument("absent", "absent-sdk", "no_such_sdk.client", (hook,), None)
    monkeypatch.setitem(sys.modules, "absent_rows", module)
    monkeypatch.setattr(patching, "INSTRUMENTS", Registry("instrument", rows={"absent": "absent_rows:INSTRUMENT"}))
    with pytest.raises(ConfigurationError, match=r"absent-sdk is not installed; install it \(pip install absent-sdk\)"):
        put(meter, ("absent",))
    installed = put(meter, ())
    assert states(installed) == ["absent"]
    installed.undo()
    assert states(installed) == ["absent"]


def test_states_name_the_function_and_the_version(put, meter):
    installed = put(meter)
    state = installed.states()[0]
    installed.undo()
    assert (state.instrument, state.distribution, state.target) == (
        "openai", "openai", "openai._base_client:SyncAPIClient.request",
    )  # fmt: skip
    assert state.version == openai_sdk.__version__


def test_a_meter_that_is_gone_leaves_calls_alone(chat):
    installed = install(("openai",), meter=lambda: None, options=WireOptions())
    assert chat().usage.total_tokens == 18
    installed.undo()


def run(program):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


PROGRAM = """
    import sys
    from farebox.instruments.patching import WireOptions, install
    opened = []
    class Meter:
        def open(self, request): opened.append(request)
    def put(): return install((), meter=Meter, options=WireOptions())
    def call(openai):
        with openai.OpenAI(api_key="k", base_url="{url}/v1") as client:
            client.chat.completions.create(model="m", messages=[])
"""


def test_an_sdk_imported_later_is_hooked_then_and_none_is_imported_for_it(server):
    printed = run(
        PROGRAM.format(url=server.url)
        + """
    installed = put()
    print(*(name in sys.modules for name in ("openai", "anthropic", "google.genai")))
    print(next(s for s in installed.states() if s.target.startswith("openai")).state)
    import openai
    print(next(s for s in installed.states() if s.target.startswith("openai")).state)
    call(openai)
    print(len(opened))
    """
    )
    assert printed == ["False", "False", "False", "waiting", "hooked", "1"]


def test_what_was_undone_before_the_import_stays_undone_and_can_be_put_again(server):
    printed = run(
        PROGRAM.format(url=server.url)
        + """
    put().undo()
    again = put()
    again.undo()
    import openai
    call(openai)
    print(len(opened))
    put()
    call(openai)
    print(len(opened))
    """
    )
    assert printed == ["0", "1"]


def test_two_installations_before_the_import_are_one_event(server):
    printed = run(
        PROGRAM.format(url=server.url)
        + """
    put(), put()
    import openai
    call(openai)
    print(len(opened))
    """
    )
    assert printed == ["1"]
