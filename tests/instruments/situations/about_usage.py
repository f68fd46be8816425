"""Everything that a usage object can say."""

from __future__ import annotations

from acts import all_of
from bills import exact
from situation import CLAUDE, GEMINI, GPT, HELLO, using

openai = using("openai")
anthropic = using("anthropic")
gemini = using("gemini")


def says(**usage):
    """The provider lays this over its usage object, and bills it."""
    return lambda provider: provider.answer_next(usage_extra=usage)


def message(client, **more):
    return client.messages.create(**{"model": CLAUDE, "messages": HELLO, "max_tokens": 50, **more})


# --- openai


@openai("usage: OpenAI cache writes of 30 minutes and 12 hours", given=says(input_tokens_details={
    "cache_write_tokens": 9, "cache_write_tokens_details": {"ttl_30m_tokens": 5, "ttl_12h_tokens": 4}
}), expect=(exact(cache_write_tokens=9),))  # fmt: skip
def a_response_that_writes_to_the_cache(client):
    return client.responses.create(model="gpt-5.6", input="How far is it from here to there?")


@openai("usage: audio", given=says(
    prompt_tokens_details={"audio_tokens": 7}, completion_tokens_details={"audio_tokens": 30}
))  # fmt: skip
def a_chat_completion_that_heard_and_spoke(client):
    return client.chat.completions.create(model="gpt-4o-audio-preview", messages=HELLO)


@openai("usage: reasoning", habits={"reasoning_tokens": 11}, expect=(exact(reasoning_tokens=11),))
def a_chat_completion_that_reasoned(client):
    return client.chat.completions.create(model=GPT, messages=HELLO)


@openai("usage: reasoning", habits={"reasoning_tokens": 11}, asks=True, expect=(exact(reasoning_tokens=11),))
def a_chat_stream_that_reasoned(client):
    return client.chat.completions.create(model=GPT, messages=HELLO, stream=True)


@openai("usage: reasoning", habits={"reasoning_tokens": 11}, expect=(exact(reasoning_tokens=11),))
def a_response_stream_that_reasoned(client):
    return client.responses.create(model=GPT, input="How far is it?", stream=True)


LONG = "The bus goes from here to there and back again. " * 250


@openai(expect=(exact(cache_read_tokens=0), exact()))
def a_prompt_that_comes_from_the_cache_the_second_time(client):
    conversation = [{"role": "user", "content": LONG}]
    first = yield client.chat.completions.create(model=GPT, messages=conversation)
    return first, (yield client.chat.completions.create(model=GPT, messages=conversation))


# --- anthropic


def marked(ttl):
    return [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": ttl}}]


@anthropic("usage: Anthropic cache writes of 5 minutes and 1 hour", expect=(exact(), exact(cache_write_tokens=0)))
def a_prompt_written_for_five_minutes_and_read(client):
    first = yield message(client, system=marked("5m"))
    return first, (yield message(client, system=marked("5m")))


@anthropic("usage: Anthropic cache writes of 5 minutes and 1 hour", expect=(exact(cache_read_tokens=0), exact()))
def a_prompt_written_for_an_hour_and_read(client):
    first = yield message(client, system=marked("1h"))
    return first, (yield message(client, system=marked("1h")))


@anthropic("usage: a message_delta that restates input and cache", expect=(exact(), exact(cache_write_tokens=0)))
def streams_whose_last_event_says_input_and_cache_again(client):
    stream = yield message(client, system=marked("1h"), stream=True)
    first = yield all_of(stream)
    stream = yield message(client, system=marked("1h"), stream=True)
    return first, (yield all_of(stream))


@anthropic("usage: Anthropic web search")
def a_message_that_searched_the_web(client):
    return message(client, tools=[{"type": "web_search_20250305", "name": "web_search"}])


@anthropic("usage: Anthropic web search")
def a_stream_that_searched_the_web(client):
    return message(client, tools=[{"type": "web_search_20250305", "name": "web_search"}], stream=True)


@anthropic("usage: Anthropic tier", given=says(service_tier="batch"), expect=(exact(service_tier="batch", batch=True),))
def a_message_of_the_batch_tier(client):
    return message(client)


@anthropic("usage: Anthropic speed", given=says(speed="fast"), expect=(exact(),))
def a_fast_message(client):
    return message(client, model="claude-opus-4-8")


@anthropic("usage: Anthropic geography", given=says(inference_geo="us"))
def a_message_that_stayed_in_a_place(client):
    return message(client)


TURN = {"type": "message", "input_tokens": 20, "output_tokens": 5, "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0}  # fmt: skip


@anthropic("usage: compaction iterations", given=says(input_tokens=20, output_tokens=5, iterations=[
    {**TURN, "type": "compaction", "input_tokens": 100, "output_tokens": 30}, TURN
]), expect=(exact(api="beta.messages", units={"input": 120, "output": 35}),))  # fmt: skip
def a_message_that_compacted_its_context(client):
    return client.beta.messages.create(model=CLAUDE, messages=HELLO, max_tokens=50)


@anthropic("usage: compaction iterations", given=says(input_tokens=20, output_tokens=5, iterations=[
    {**TURN, "type": "compaction", "input_tokens": 100, "output_tokens": 30}, TURN
]), expect=(exact(api="beta.messages", units={"input": 120, "output": 35}),))  # fmt: skip
def a_stream_that_compacted_its_context(client):
    return client.beta.messages.create(model=CLAUDE, messages=HELLO, max_tokens=50, stream=True)


@anthropic("usage: advisor_message iterations", given=says(input_tokens=20, output_tokens=5, iterations=[
    TURN, {**TURN, "type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 40, "output_tokens": 7}
]), expect=(exact(api="beta.messages", usage_notes=..., units={"input": 20, "output": 5}),))  # fmt: skip
def a_message_that_another_model_advised(client):
    return client.beta.messages.create(model=CLAUDE, messages=HELLO, max_tokens=50)


# --- google


def miles(place: str) -> int:
    """How far a place is.

    Args:
        place: its name.
    """
    return len(place)


@gemini(
    "usage: Gemini function-calling loop",
    habits={"function_calls": 2},
    expect=(exact(response_id=...), exact(response_id=...), exact()),
)
def a_loop_of_function_calls(client):
    chat = client.chats.create(model=GEMINI, config={"tools": [miles]})
    return (yield chat.send_message("How far is it?"))


@gemini("usage: reasoning", habits={"reasoning_tokens": 11}, expect=(exact(reasoning_tokens=11),))
def generated_content_that_thought(client):
    return client.models.generate_content(model=GEMINI, contents="How far is it?")


def chunk(usage, finish=None, **content):
    candidate = {"content": {"role": "model", **content}, "index": 0, **({"finishReason": finish} if finish else {})}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": GEMINI, "responseId": "gem-1"}


THOUGHT = {"promptTokenCount": 5, "thoughtsTokenCount": 9, "totalTokenCount": 14}
DROPPED = {"promptTokenCount": 5, "totalTokenCount": 9}


@gemini("usage: thoughts without candidates", expect=(exact(response_id="gem-1", reasoning_tokens=9),),
        given=lambda provider: provider.answer_next(body=chunk(THOUGHT, "MAX_TOKENS"), usage=THOUGHT))  # fmt: skip
def an_answer_that_only_thought(client):
    return client.models.generate_content(model=GEMINI, contents="How far is it?")


@gemini("usage: a last chunk that drops candidatesTokenCount",
        expect=(exact(response_id="gem-1", units={"input": 5, "output": 4}),),
        given=lambda provider: provider.answer_next(usage=DROPPED, events=[
            chunk({**DROPPED, "candidatesTokenCount": 3, "totalTokenCount": 8}, parts=[{"text": "fa"}]),
            chunk(DROPPED, "STOP", parts=[{"text": "r"}])]))  # fmt: skip
def a_last_chunk_that_drops_a_count(client):
    return client.models.generate_content_stream(model=GEMINI, contents="How far is it?")
