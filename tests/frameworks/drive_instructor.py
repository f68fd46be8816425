"""instructor over clients of the three SDKs."""

from __future__ import annotations

import instructor
from driving import POINT, QUESTION, Drive, drain
from pydantic import BaseModel

MESSAGES = [{"role": "user", "content": QUESTION}]


class Point(BaseModel):
    """A point."""

    x: int
    y: int


def openai(p):
    return instructor.from_openai(p.openai_client(max_retries=0), mode=instructor.Mode.JSON)


def aopenai(p):
    return instructor.from_openai(p.async_openai_client(max_retries=0), mode=instructor.Mode.JSON)


def anthropic(p):
    return instructor.from_anthropic(p.anthropic_client(max_retries=0), mode=instructor.Mode.ANTHROPIC_JSON)


def google(p):
    return instructor.from_genai(p.genai_client(), mode=instructor.Mode.GENAI_STRUCTURED_OUTPUTS)


def ask(client, model, **more):
    return client.chat.completions.create(model=model, response_model=Point, messages=MESSAGES, **more)


def again(p):
    p.answer_next(text="no point at all")
    ask(openai(p), "gpt-5-mini", max_retries=3)


with Drive("instructor", "openai", "anthropic", "google-genai") as drive:
    drive.case("from_openai create", lambda p: ask(openai(p), "gpt-5-mini") and None, text=POINT)
    drive.case("from_openai async create", lambda p: ask(aopenai(p), "gpt-5-mini"), text=POINT)
    drive.case("from_openai asked again after a bad answer", again, text=POINT)
    drive.case(
        "from_openai create_partial (stream)",
        lambda p: list(
            openai(p).chat.completions.create_partial(model="gpt-5-mini", response_model=Point, messages=MESSAGES)
        ),
        text=POINT,
    )
    drive.case(
        "from_openai async create_partial (stream)",
        lambda p: drain(
            aopenai(p).chat.completions.create_partial(model="gpt-5-mini", response_model=Point, messages=MESSAGES)
        ),
        text=POINT,
    )
    drive.case(
        "from_anthropic create", lambda p: ask(anthropic(p), "claude-haiku-4-5", max_tokens=100) and None, text=POINT
    )
    drive.case("from_genai create", lambda p: ask(google(p), "gemini-2.5-flash") and None, text=POINT)
