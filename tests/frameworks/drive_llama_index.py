"""llama-index: its OpenAI, Anthropic and Google models and embeddings."""

from __future__ import annotations

from driving import QUESTION, Drive, drain
from llama_index.embeddings.google_genai import GoogleGenAIEmbedding
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.google_genai import GoogleGenAI
from llama_index.llms.openai import OpenAI, OpenAIResponses

MODELS = {
    "OpenAI": lambda p: OpenAI(model="gpt-4o-mini", api_base=p.openai_base_url, api_key="key", max_retries=0),
    "OpenAIResponses": lambda p: OpenAIResponses(
        model="gpt-4o-mini", api_base=p.openai_base_url, api_key="key", max_retries=0
    ),
    "Anthropic": lambda p: Anthropic(model="claude-haiku-4-5", base_url=p.url, api_key="key", max_retries=0),
    "GoogleGenAI": lambda p: GoogleGenAI(
        model="gemini-2.5-flash",
        api_key="key",
        max_tokens=500,
        context_window=100_000,
        http_options={"base_url": p.url},
    ),
}

with Drive(
    "llama-index-core",
    "llama-index-llms-openai",
    "llama-index-llms-anthropic",
    "llama-index-llms-google-genai",
    "openai",
    "anthropic",
    "google-genai",
) as drive:
    for name, make in MODELS.items():
        drive.case(f"{name} complete", lambda p, make=make: make(p).complete(QUESTION))
        drive.case(f"{name} acomplete", lambda p, make=make: make(p).acomplete(QUESTION))
        drive.case(f"{name} stream_complete", lambda p, make=make: list(make(p).stream_complete(QUESTION)))
        drive.case(f"{name} astream_complete", lambda p, make=make: drain(make(p).astream_complete(QUESTION)))
    drive.case(
        "OpenAIEmbedding",
        lambda p: OpenAIEmbedding(api_base=p.openai_base_url, api_key="key").get_text_embedding_batch(["a", "b"]),
    )
    drive.case(
        "GoogleGenAIEmbedding",
        lambda p: GoogleGenAIEmbedding(
            model_name="gemini-embedding-001", api_key="key", http_options={"base_url": p.url}
        ).get_text_embedding("a"),
    )
