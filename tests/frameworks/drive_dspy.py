"""dspy: its own engine, and litellm."""

from __future__ import annotations

import dspy
from driving import QUESTION, Drive

ANSWER = "[[ ## answer ## ]]\nwide\n\n[[ ## completed ## ]]"


def openai(p, **more):
    return dspy.LM("openai/gpt-4o-mini", api_base=p.openai_base_url, api_key="key", cache=False, num_retries=0, **more)


def anthropic(p, **more):
    return dspy.LM("anthropic/claude-haiku-4-5", api_base=p.url, api_key="key", cache=False, num_retries=0, **more)


def predict(lm):
    with dspy.context(lm=lm):
        dspy.Predict("question -> answer")(question=QUESTION)


async def predict_async(lm):
    with dspy.context(lm=lm):
        await dspy.Predict("question -> answer").acall(question=QUESTION)


with Drive("dspy", "litellm", "openai") as drive:
    for make in (openai, anthropic):
        own = {"metered": False, "text": ANSWER}
        drive.case(f"{make.__name__} Predict, own engine", lambda p, make=make: predict(make(p)), **own)
        drive.case(
            f"{make.__name__} Predict, litellm", lambda p, make=make: predict(make(p, engine="litellm")), text=ANSWER
        )
        drive.case(
            f"{make.__name__} acall, litellm",
            lambda p, make=make: predict_async(make(p, engine="litellm")),
            text=ANSWER,
        )
