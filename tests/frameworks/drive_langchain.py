"""langchain-openai, langchain-anthropic and langchain-google-genai."""

from __future__ import annotations

from driving import POINT, QUESTION, Drive, drain
from langchain_anthropic import ChatAnthropic
from langchain_google_genai import ChatGoogleGenerativeAI, GoogleGenerativeAIEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel


class Point(BaseModel):
    """A point."""

    x: int
    y: int


def openai(provider, **more):
    return ChatOpenAI(model="gpt-5-mini", base_url=provider.openai_base_url, api_key="key", max_retries=0, **more)


def anthropic(provider):
    return ChatAnthropic(model_name="claude-haiku-4-5", base_url=provider.url, api_key="key", max_retries=0)


def google(provider):
    return ChatGoogleGenerativeAI(model="gemini-2.5-flash", base_url=provider.url, api_key="key", max_retries=1)


MODELS = {
    "ChatOpenAI": openai,
    "ChatOpenAI responses": lambda provider: openai(provider, use_responses_api=True),
    "ChatAnthropic": anthropic,
    "ChatGoogleGenerativeAI": google,
}

with Drive(
    "langchain-core",
    "langchain-openai",
    "langchain-anthropic",
    "langchain-google-genai",
    "openai",
    "anthropic",
    "google-genai",
) as drive:
    for name, make in MODELS.items():
        drive.case(f"{name} invoke", lambda p, make=make: make(p).invoke(QUESTION))
        drive.case(f"{name} ainvoke", lambda p, make=make: make(p).ainvoke(QUESTION))
        drive.case(f"{name} stream", lambda p, make=make: list(make(p).stream(QUESTION)))
        drive.case(f"{name} astream", lambda p, make=make: drain(make(p).astream(QUESTION)))
    for name in ("ChatOpenAI", "ChatOpenAI responses", "ChatGoogleGenerativeAI"):
        drive.case(
            f"{name} structured",
            lambda p, name=name: MODELS[name](p).with_structured_output(Point, method="json_schema").invoke(QUESTION),
            text=POINT,
        )
    drive.case("ChatOpenAI batch", lambda p: openai(p).batch([QUESTION] * 3))
    drive.case(
        "OpenAIEmbeddings",
        lambda p: OpenAIEmbeddings(
            model="text-embedding-3-small", base_url=p.openai_base_url, check_embedding_ctx_length=False
        ).embed_documents(["a", "b"]),
    )
    drive.case(
        "GoogleGenerativeAIEmbeddings",
        lambda p: GoogleGenerativeAIEmbeddings(
            model="gemini-embedding-001", base_url=p.url, api_key="key"
        ).embed_documents(["a"]),
    )
