"""The clients of the three SDKs, by kind: who bills their calls, and how one is made that talks to the loopback provider."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest


class Kind(NamedTuple):
    """A kind of client.

    Attributes:
        bills: the provider that the ledger must name.
        make: makes one, given the provider, the mode and options.
        words: whose words its usage objects are in.
        location: region of its cloud, which may change the price.
    """

    bills: str
    make: Callable[[Any, str, dict[str, Any]], Any]
    words: str
    location: str | None = None


def _class(module: str, name: str, mode: str) -> Any:
    name = f"Async{name}" if mode == "async" else name
    found = getattr(importlib.import_module(module), name, None)
    if found is None:
        pytest.skip(f"this {module} has no {name}")
    return found


def _plain(module: str, name: str, path: str = "") -> Callable[..., Any]:
    def make(provider: Any, mode: str, options: dict[str, Any]) -> Any:
        return _class(module, name, mode)(**{"base_url": provider.url + path, "api_key": "k", **options})

    return make


def _cloud(module: str, name: str, **fixed: Any) -> Callable[..., Any]:
    def make(provider: Any, mode: str, options: dict[str, Any]) -> Any:
        address = {key: provider.url if value is None else value for key, value in fixed.items()}
        return _class(module, name, mode)(**{**address, **options})

    return make


def _gemini(provider: Any, mode: str, options: dict[str, Any]) -> Any:
    genai = importlib.import_module("google.genai")
    client = genai.Client(**{"api_key": "k", "http_options": {"base_url": provider.url}, **options})
    return client.aio if mode == "async" else client


def _vertex_gemini(provider: Any, mode: str, options: dict[str, Any]) -> Any:
    from google.oauth2.credentials import Credentials

    cloud = {"vertexai": True, "project": "p", "location": EUROPE, "credentials": Credentials("t")}
    return _gemini(provider, mode, {"api_key": None, **cloud, **options})


EUROPE = "europe-west4"
AWS = {"aws_region": "eu-west-1", "aws_access_key": "a", "aws_secret_key": "s"}

KINDS = {
    "openai": Kind("openai", _plain("openai", "OpenAI", "/v1"), "openai"),
    "azure": Kind(
        "azure",
        _cloud("openai", "AzureOpenAI", azure_endpoint=None, api_version="2024-10-21", api_key="k"),
        "openai",
    ),
    "anthropic": Kind("anthropic", _plain("anthropic", "Anthropic"), "anthropic"),
    "bedrock": Kind(
        "aws-bedrock", _cloud("anthropic", "AnthropicBedrock", base_url=None, **AWS), "anthropic", "eu-west-1"
    ),
    "vertex": Kind(
        "google-vertex",
        _cloud("anthropic", "AnthropicVertex", base_url=None, region=EUROPE, project_id="p", access_token="t"),
        "anthropic",
        EUROPE,
    ),
    "foundry": Kind("azure", _cloud("anthropic", "AnthropicFoundry", base_url=None, api_key="k"), "anthropic"),
    "gemini": Kind("google", _gemini, "google"),
    "vertex gemini": Kind("google-vertex", _vertex_gemini, "google", EUROPE),
}
