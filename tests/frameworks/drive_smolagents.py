"""smolagents over openai."""

from __future__ import annotations

from driving import QUESTION, Drive
from smolagents import OpenAIModel, ToolCallingAgent

MESSAGES = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]


def model(p):
    return OpenAIModel(model_id="gpt-4o-mini", api_base=p.openai_base_url, api_key="key")


with Drive("smolagents", "openai") as drive:
    drive.case("OpenAIModel generate", lambda p: model(p).generate(MESSAGES) and None)
    drive.case("OpenAIModel generate_stream", lambda p: list(model(p).generate_stream(MESSAGES)) and None)
    drive.case(
        "ToolCallingAgent run",
        lambda p: ToolCallingAgent(tools=[], model=model(p), max_steps=1).run(QUESTION) and None,
        text='{"name": "final_answer", "arguments": {"answer": "wide"}}',
    )
