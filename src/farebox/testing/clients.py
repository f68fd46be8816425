"""Clients of the real SDKs that talk to a loopback provider; each SDK is imported when it is asked for. Imports the standard library only."""

from __future__ import annotations

from typing import Any, Final

OFFLINE_KEY: Final = "offline"
"""The key that clients get: the loopback provider takes any."""


def openai(base_url: str, options: dict[str, Any], *, asynchronous: bool = False) -> Any:
    """An OpenAI client."""
    import openai as sdk

    kind = sdk.AsyncOpenAI if asynchronous else sdk.OpenAI
    return kind(**{"base_url": base_url, "api_key": OFFLINE_KEY, **options})


def anthropic(base_url: str, options: dict[str, Any], *, asynchronous: bool = False) -> Any:
    """An Anthropic client."""
    import anthropic as sdk

    kind = sdk.AsyncAnthropic if asynchronous else sdk.Anthropic
    return kind(**{"base_url": base_url, "api_key": OFFLINE_KEY, **options})


def genai(base_url: str, options: dict[str, Any]) -> Any:
    """A Google GenAI client."""
    from google import genai as sdk

    return sdk.Client(**{"api_key": OFFLINE_KEY, "http_options": {"base_url": base_url}, **options})
