"""openai-agents over responses and chat completions."""

from __future__ import annotations

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, set_tracing_disabled
from driving import POINT, QUESTION, Drive
from pydantic import BaseModel

set_tracing_disabled(disabled=True)


class Point(BaseModel):
    """A point."""

    x: int
    y: int


def agent(kind, provider, **more):
    model = kind(model="gpt-5-mini", openai_client=provider.async_openai_client(max_retries=0))
    return Agent(name="teller", instructions="Tell.", model=model, **more)


async def streamed(one):
    return [event async for event in Runner.run_streamed(one, QUESTION).stream_events()]


with Drive("openai-agents", "openai") as drive:
    for kind in (OpenAIResponsesModel, OpenAIChatCompletionsModel):
        name = kind.__name__
        drive.case(f"{name} run_sync", lambda p, kind=kind: Runner.run_sync(agent(kind, p), QUESTION) and None)
        drive.case(f"{name} run", lambda p, kind=kind: Runner.run(agent(kind, p), QUESTION))
        drive.case(f"{name} run_streamed", lambda p, kind=kind: streamed(agent(kind, p)))
        drive.case(
            f"{name} structured",
            lambda p, kind=kind: Runner.run(agent(kind, p, output_type=Point), QUESTION),
            text=POINT,
        )
