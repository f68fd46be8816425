"""Every check of the project, each in an environment of its own: `nox` runs the regular ones, `nox -l` lists all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "imports", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = [version for version in ("3.11", "3.12", "3.13") if shutil.which(f"python{version}")] or ["3.11"]

VERSIONS = {
    "openai": ("1.66.2", "2.54.0", "3.54.0", "3.57.0"),
    "anthropic[bedrock,vertex]": ("0.49.0", "1.17.0", "2.12.0", "2.14.0"),
    "google-genai": ("1.75.0", "2.34.0", "3.4.0", "3.6.1"),
}
"""The oldest and newest release of each SDK line that instruments are tested against."""


FRAMEWORKS = {
    "crewai": ("crewai[anthropic,google-genai]",),
    "dspy": ("dspy",),
    "haystack": ("haystack-ai", "anthropic-haystack", "google-genai-haystack"),
    "instructor": ("instructor[google-genai]", "anthropic"),
    "langchain": ("langchain-openai", "langchain-anthropic", "langchain-google-genai"),
    "litellm": ("litellm",),
    "llama_index": (
        "llama-index-llms-openai",
        "llama-index-embeddings-openai",
        "llama-index-llms-anthropic",
        "llama-index-llms-google-genai",
        "llama-index-embeddings-google-genai",
        "anthropic<1",  # llama-index-llms-anthropic 0.12.3 fails with later ones, with and without farebox
    ),
    "openai_agents": ("openai-agents",),
    "pydantic_ai": ("pydantic-ai-slim[openai,anthropic,google]",),
    "smolagents": ("smolagents[openai]",),
}
"""What `tests/frameworks/drive_<name>.py` needs, in the newest versions that install."""


def group(*names: str) -> list[str]:
    """Requirements of dependency groups."""
    return list(nox.project.dependency_groups(PROJECT, *names))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types of the source, and of programs that use it."""
    session.install("-e", ".", *group("types", "test"))
    session.run("mypy")
    if Path("tests/typing").is_dir():
        session.run("pyright")


@nox.session
def imports(session: nox.Session) -> None:
    """The walls between parts."""
    session.install("-e", ".", *group("lint"))
    session.run("lint-imports")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The whole suite, with the newest SDKs."""
    session.install("-e", ".", *group("sdks", "test", "prices", "types"))
    session.run("pytest", *session.posargs)


@nox.session
@nox.parametrize("line", range(4), ids=["oldest", "middle", "newer", "newest"])
def versions(session: nox.Session, line: int) -> None:
    """The instruments against older SDKs."""
    pins = [f"{name}=={releases[line]}" for name, releases in VERSIONS.items()]
    session.install("-e", ".", *group("test"), *pins)
    session.run("pytest", "tests/instruments", *session.posargs)


@nox.session
@nox.parametrize("framework", list(FRAMEWORKS), ids=list(FRAMEWORKS))
def frameworks(session: nox.Session, framework: str) -> None:
    """Frameworks on top of the SDKs, each driven once against the loopback provider; docs/frameworks.md tells what was seen."""
    session.install(".", *FRAMEWORKS[framework])
    session.run("python", f"tests/frameworks/drive_{framework}.py", *session.posargs)


@nox.session
def stress(session: nox.Session) -> None:
    """Long tests: killed processes, many threads."""
    session.install("-e", ".", *group("sdks", "test", "prices"))
    session.run("pytest", "-m", "stress", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What a call costs; prints figures."""
    session.install("-e", ".", *group("sdks", "test", "prices"))
    for script in sorted(Path("tests/benchmarks").glob("bench_*.py")):
        session.run("python", os.fspath(script), *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Wheel and sdist; the wheel is installed alone and runs the demo."""
    session.install("build")
    target = Path(session.create_tmp()).resolve()
    session.run("python", "-m", "build", "--outdir", os.fspath(target))
    wheel = max(target.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    session.install(f"{wheel}[all]")
    session.cd(target)
    session.run("farebox", "demo")
    session.run("farebox", "--version")
