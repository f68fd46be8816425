"""crewai: its native providers."""

from __future__ import annotations

from crewai import LLM, Agent
from driving import QUESTION, Drive


def openai(p, **more):
    return LLM(model="openai/gpt-4o-mini", base_url=p.openai_base_url, api_key="key", **more)


def anthropic(p, **more):
    return LLM(model="anthropic/claude-haiku-4-5", base_url=p.url, api_key="key", max_tokens=500, **more)


def google(p, **more):
    return LLM(
        model="gemini/gemini-2.5-flash", api_key="key", client_params={"http_options": {"base_url": p.url}}, **more
    )


def worker(p):
    agent = Agent(role="Teller", goal="tell", backstory="an old teller", llm=openai(p))
    agent.kickoff(QUESTION)


with Drive("crewai", "openai", "anthropic", "google-genai") as drive:
    for make in (openai, anthropic, google):
        drive.case(f"{make.__name__} LLM.call", lambda p, make=make: make(p).call(QUESTION) and None)
        drive.case(f"{make.__name__} LLM.acall", lambda p, make=make: make(p).acall(QUESTION))
        drive.case(
            f"{make.__name__} LLM.call stream", lambda p, make=make: make(p, stream=True).call(QUESTION) and None
        )
    drive.case("openai responses", lambda p: openai(p, api="responses").call(QUESTION) and None)
    drive.case("Agent.kickoff", worker, text="Thought: I know.\nFinal Answer: the sea is wide.")
