"""haystack: its OpenAI components, and those for Anthropic and Google."""

from __future__ import annotations

import os

from driving import QUESTION, Drive
from haystack.components.embedders import OpenAITextEmbedder
from haystack.components.generators.chat import OpenAIChatGenerator, OpenAIResponsesChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret
from haystack_integrations.components.generators.anthropic import AnthropicChatGenerator
from haystack_integrations.components.generators.google_genai import GoogleGenAIChatGenerator

KEY = Secret.from_token("key")
MESSAGES = [ChatMessage.from_user(QUESTION)]


def openai(p, **more):
    return OpenAIChatGenerator(api_key=KEY, model="gpt-4o-mini", api_base_url=p.openai_base_url, max_retries=0, **more)


def responses(p, **more):
    return OpenAIResponsesChatGenerator(
        api_key=KEY, model="gpt-4o-mini", api_base_url=p.openai_base_url, max_retries=0, **more
    )


def anthropic(p, **more):
    os.environ["ANTHROPIC_BASE_URL"] = p.url  # the component hands none on
    return AnthropicChatGenerator(api_key=KEY, model="claude-haiku-4-5", max_retries=0, **more)


def google(p, **more):
    os.environ["GOOGLE_GEMINI_BASE_URL"] = p.url
    return GoogleGenAIChatGenerator(api_key=KEY, model="gemini-2.5-flash", **more)


def print_nothing(_chunk):
    return None


async def ignore(_chunk):
    return None


with Drive(
    "haystack-ai", "anthropic-haystack", "google-genai-haystack", "openai", "anthropic", "google-genai"
) as drive:
    for make in (openai, responses, anthropic, google):
        drive.case(f"{make.__name__} run", lambda p, make=make: make(p).run(MESSAGES) and None)
        drive.case(f"{make.__name__} run_async", lambda p, make=make: make(p).run_async(MESSAGES))
        drive.case(
            f"{make.__name__} run streaming",
            lambda p, make=make: make(p, streaming_callback=print_nothing).run(MESSAGES) and None,
        )
        drive.case(
            f"{make.__name__} run_async streaming",
            lambda p, make=make: make(p, streaming_callback=ignore).run_async(MESSAGES),
        )
    drive.case(
        "OpenAITextEmbedder",
        lambda p: OpenAITextEmbedder(api_key=KEY, api_base_url=p.openai_base_url).run("a") and None,
    )
