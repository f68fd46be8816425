"""litellm: its SDK paths, its own HTTP paths, its Router."""

from __future__ import annotations

import litellm
from driving import QUESTION, Drive, drain

litellm.suppress_debug_info = True
MESSAGES = [{"role": "user", "content": QUESTION}]


def target(p, name):
    base = {"anthropic": p.url, "gemini": f"{p.url}/v1beta"}.get(name.partition("/")[0], p.openai_base_url)
    return {"model": name, "api_base": base, "api_key": "key"}


def router(p):
    p.answer_next(500, times=2)
    rows = [("main", "anthropic/claude-haiku-4-5"), ("spare", "openai/gpt-4o-mini")]
    litellm.Router(
        model_list=[{"model_name": name, "litellm_params": target(p, model)} for name, model in rows],
        fallbacks=[{"main": ["spare"]}],
        num_retries=1,
        retry_after=0,
    ).completion(model="main", messages=MESSAGES)


MODELS = (
    "openai/gpt-4o-mini",
    "anthropic/claude-haiku-4-5",
    "gemini/gemini-2.5-flash",
    "groq/llama-3.1-8b-instant",
    "deepseek/deepseek-chat",
    "mistral/mistral-small-latest",
    "xai/grok-3-mini",
    "openrouter/openai/gpt-4o-mini",
)

with Drive("litellm", "openai") as drive:
    for name in MODELS:
        ask = {"messages": MESSAGES}
        drive.case(f"{name} completion", lambda p, n=name, a=ask: litellm.completion(**target(p, n), **a) and None)
        drive.case(f"{name} acompletion", lambda p, n=name, a=ask: litellm.acompletion(**target(p, n), **a))
        drive.case(
            f"{name} completion stream",
            lambda p, n=name, a=ask: list(litellm.completion(**target(p, n), **a, stream=True)) and None,
        )
        drive.case(
            f"{name} acompletion stream",
            lambda p, n=name, a=ask: drain(litellm.acompletion(**target(p, n), **a, stream=True)),
        )
    for name in MODELS[:2]:
        drive.case(f"{name} responses", lambda p, n=name: litellm.responses(**target(p, n), input=QUESTION) and None)
        drive.case(
            f"{name} responses stream",
            lambda p, n=name: list(litellm.responses(**target(p, n), input=QUESTION, stream=True)) and None,
        )
    drive.case(
        "openai embedding",
        lambda p: litellm.embedding(**target(p, "openai/text-embedding-3-small"), input=["a"]) and None,
    )
    drive.case(
        "gemini embedding",
        lambda p: litellm.embedding(**target(p, "gemini/gemini-embedding-001"), input=["a"]) and None,
    )
    drive.case("Router: retry, then fallback", router)
