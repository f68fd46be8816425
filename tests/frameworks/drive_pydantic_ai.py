"""pydantic-ai with its models of the three SDKs."""

from __future__ import annotations

from driving import POINT, QUESTION, Drive
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider


class Point(BaseModel):
    """A point."""

    x: int
    y: int


def openai(provider):
    return OpenAIProvider(base_url=provider.openai_base_url, api_key="key")


MODELS = {
    "OpenAIChatModel": lambda p: OpenAIChatModel("gpt-5-mini", provider=openai(p)),
    "OpenAIResponsesModel": lambda p: OpenAIResponsesModel("gpt-5-mini", provider=openai(p)),
    "AnthropicModel": lambda p: AnthropicModel(
        "claude-haiku-4-5", provider=AnthropicProvider(api_key="key", base_url=p.url)
    ),
    "GoogleModel": lambda p: GoogleModel("gemini-2.5-flash", provider=GoogleProvider(api_key="key", base_url=p.url)),
}


async def streamed(model):
    async with Agent(model).run_stream(QUESTION) as result:
        return [piece async for piece in result.stream_text()]


with Drive("pydantic-ai-slim", "openai", "anthropic", "google-genai") as drive:
    for name, make in MODELS.items():
        drive.case(f"{name} run_sync", lambda p, make=make: Agent(make(p)).run_sync(QUESTION) and None)
        drive.case(f"{name} run", lambda p, make=make: Agent(make(p)).run(QUESTION))
        drive.case(f"{name} run_stream", lambda p, make=make: streamed(make(p)))
        if name != "AnthropicModel":
            drive.case(
                f"{name} structured",
                lambda p, make=make: Agent(make(p), output_type=NativeOutput(Point)).run(QUESTION),
                text=POINT,
            )
