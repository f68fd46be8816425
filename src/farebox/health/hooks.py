"""SDKs and hooks: what is installed, what is hooked, who else hooks it, and what goes past it. May import instruments and core.

SDKs are imported here, as a program that uses them would; nothing is metered by it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any, Final

from farebox.core.guard import attempt
from farebox.health.finding import Finding, Section
from farebox.instruments.hook import HookState, Instrument
from farebox.instruments.patching import WireOptions, install
from farebox.instruments.registry import INSTRUMENTS

PAST: Final = (
    ("boto3", "calls to bedrock-runtime"),
    ("aioboto3", "calls to bedrock-runtime"),
    ("azure-ai-inference", "calls to Azure AI models"),
    ("cohere", "calls to Cohere"),
    ("mistralai", "calls to Mistral"),
    ("groq", "calls to Groq"),
    ("ollama", "calls to Ollama"),
    ("together", "calls to Together"),
    ("replicate", "calls to Replicate"),
    ("huggingface-hub", "calls of InferenceClient"),
    ("voyageai", "calls to Voyage"),
    ("dspy", "calls by its own engine"),
    ("google-generativeai", "calls by the older SDK of Google"),
    ("vertexai", "calls by the older SDK of Vertex"),
)
"""Distributions with a transport of their own, and what of it is not metered. Read of their sources, 2026-11-22."""

METERS: Final = {
    "opentelemetry": "OpenTelemetry",
    "openinference": "OpenInference",
    "traceloop": "OpenLLMetry",
    "logfire": "Logfire",
    "langfuse": "Langfuse",
    "agentops": "AgentOps",
    "ddtrace": "Datadog",
    "sentry_sdk": "Sentry",
    "weave": "Weave",
    "mlflow": "MLflow",
    "braintrust": "Braintrust",
    "lmnr": "Laminar",
    "helicone": "Helicone",
    "litellm": "LiteLLM",
    "agentbudget": "agentbudget",
    "agentcost": "agentcost",
}
"""First part of a module's name → whose it is: others that wrap an SDK's functions, for traces or costs."""

METHODS: Final = (
    ("openai", "openai.resources.chat.completions", "Completions.create"),
    ("openai", "openai.resources.responses", "Responses.create"),
    ("anthropic", "anthropic.resources.messages", "Messages.create"),
    ("google_genai", "google.genai.models", "Models.generate_content"),
)
"""Methods above our hooks that others wrap."""


_DEEPEST: Final = 32

OFFLINE: Final = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""Variables that keep an SDK from fetching something when it is imported."""


def sdks(states: Sequence[HookState] | None) -> Section:
    """How each SDK is hooked.

    Args:
        states: of the hooks that are in force in this process; None: hooks are put in force to look, and removed again.
    """
    findings: list[Finding] = []
    with _offline():
        wanted = None if states is None else {state.instrument for state in states}
        for name in INSTRUMENTS:
            if wanted is None or name in wanted:
                _import(INSTRUMENTS[name], findings)
    if states is None:
        looked = install((), meter=lambda: None, options=WireOptions())
        states = looked.states()
        findings += _others()
        looked.undo()
    else:
        findings += _others()
    rows = tuple(_row(state) for state in states if _counts(state))
    versions = sorted({f"{row['sdk']} {row['version']}" for row in rows})
    hooked = sum(row["state"] == "hooked" for row in rows)
    told = f"{', '.join(versions)}: {hooked} of {len(rows)} hooks are in place" if rows else "no SDK is installed"
    return Section("hooks", "SDKs and hooks", told, rows, (*findings, *_of_states(states)))


@contextmanager
def _offline() -> Iterator[None]:
    """Keep SDKs from fetching something while they are imported."""
    before = {name: os.environ.get(name) for name in OFFLINE}
    os.environ.update(OFFLINE)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def past() -> Section:
    """Libraries that go past the SDKs."""
    rows, findings = [], []
    for distribution, what in PAST:
        version = attempt(metadata.version, distribution, on_error=lambda _error: None)
        if version is not None:
            rows.append({"library": distribution, "version": version, "not_metered": what})
            findings.append(
                Finding(
                    "note",
                    distribution,
                    f"{distribution} is installed: {what} through it are not metered.",
                    "Book them with farebox.record_call, if the program makes any.",
                )
            )
    told = ", ".join(f"{row['library']} {row['version']}" for row in rows) or "none of those that are known"
    return Section("past", "Libraries that go past the SDKs", told, tuple(rows), tuple(findings))


def _import(instrument: Instrument, findings: list[Finding]) -> None:
    if attempt(importlib.util.find_spec, instrument.package, on_error=lambda _error: None) is None:
        return
    every = {hook.module for hook in instrument.hooks if not hook.only} | {instrument.package}
    for module in sorted(every | {hook.module for hook in instrument.hooks}):
        error = attempt(_imported, module, on_error=lambda error: error)
        if error is not None and module in every:
            findings.append(
                Finding(
                    "unseen",
                    instrument.distribution,
                    f"{module} cannot be imported: {error!r}.",
                    f"Mend the installation of {instrument.distribution}, or remove it.",
                )
            )


def _imported(module: str) -> None:
    importlib.import_module(module)


def _counts(state: HookState) -> bool:
    """Whether a hook is of this release: one that only others have is not waited for."""
    return (
        state.instrument in INSTRUMENTS
        and state.state not in ("absent", "other_release")
        and not (state.state == "waiting" and state.only)
    )


def _row(state: HookState) -> dict[str, Any]:
    return {
        "sdk": state.distribution,
        "version": state.version or "",
        "function": state.target,
        "state": state.state,
        "detail": state.detail,
    }


def _of_states(states: Sequence[HookState]) -> Iterator[Finding]:
    missing = [state for state in states if _counts(state) and state.state in ("missing", "faulty", "waiting")]
    for state in missing:
        yield Finding(
            "unseen",
            state.distribution,
            f"{state.target} is {state.state} in {state.distribution} {state.version}: what passes it is not metered"
            + (f" ({state.detail})." if state.state == "faulty" else "."),
            f"Use a release of {state.distribution} that farebox was tested with, and report this one.",
        )
    if not any(state.state == "hooked" for state in states):
        yield Finding(
            "warning",
            "SDKs",
            "None of the SDKs is installed here.",
            "Run this in the environment of the program: python -m farebox doctor.",
        )


def _others() -> Iterator[Finding]:
    """Who else has wrapped what we hook, or the methods above it."""
    places = [(name, hook.module, hook.attribute) for name in INSTRUMENTS for hook in INSTRUMENTS[name].hooks]
    seen: set[tuple[str, str]] = set()
    for name, module, attribute in (*places, *METHODS):
        function = _function(module, attribute)
        times = sum(1 for layer in _ours(function) if layer.hook.around is None)
        if times > 1:
            yield Finding(
                "unseen",
                name,
                f"{module}:{attribute} is hooked {times} times by farebox: calls are counted more than once.",
                "Install farebox once, do not reload its modules, and restart the program.",
            )
        for who in _wrappers(function, INSTRUMENTS[name].package.partition(".")[0]):
            if (name, who) not in seen:
                seen.add((name, who))
                yield Finding(
                    "note", name, f"{who} wraps functions of {name} as well; calls are metered once all the same."
                )


def _ours(function: Any) -> Iterator[Any]:
    """Layers of farebox around a function: of this one, and of any other copy of it in the process, whose classes are not ours."""
    seen: list[Any] = []
    for wrapper in _chain(function):
        # Another patcher's wrapper may hand the attribute on, so a layer is met several times.
        layer = getattr(wrapper, "_self_farebox", None)
        if hasattr(layer, "hook") and not any(layer is other for other in seen):
            seen.append(layer)
            yield layer


def _function(module: str, attribute: str) -> Any:
    found: Any = sys.modules.get(module)
    *path, name = attribute.split(".")
    for part in path:
        found = getattr(found, part, None)
    return None if found is None else vars(found).get(name)


def _wrappers(function: Any, own: str) -> Iterator[str]:
    """Whose wrappers stand around a function of the package `own`."""
    for wrapper in _chain(function):
        top = str(getattr(getattr(wrapper, "_self_wrapper", wrapper), "__module__", "")).partition(".")[0]
        if top in METERS and top != own:
            yield METERS[top]


def _chain(function: Any) -> Iterator[Any]:
    """A function and what it wraps, as far as its patchers keep `__wrapped__`."""
    for _ in range(_DEEPEST):
        if function is None:
            return
        yield function
        function = getattr(function, "__wrapped__", None)
