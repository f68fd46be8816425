from __future__ import annotations

from fractions import Fraction

import pytest

from farebox.budgets.bound import Bound, Clamp, Unbounded, bound
from farebox.core.event import CallRequest


def chat(model: str = "gpt-5-mini", **body: object) -> CallRequest:
    return CallRequest("openai", "chat", "chat.completions", model, {"model": model, "messages": said("hello"), **body})


def responses(**body: object) -> CallRequest:
    return CallRequest("openai", "chat", "responses", "gpt-5-mini", {"model": "gpt-5-mini", "input": "hello", **body})


def message(model: str = "claude-sonnet-4-5", provider: str = "anthropic", **body: object) -> CallRequest:
    whole = {"model": model, "max_tokens": 1000, "messages": said("hello"), **body}
    return CallRequest(provider, "chat", "messages", model, whole)


def content(**body: object) -> CallRequest:
    whole = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}], **body}
    return CallRequest("google", "generate_content", "generateContent", "gemini-2.5-flash", whole)


def said(text: str) -> list[dict[str, object]]:
    return [{"role": "user", "content": text}]


def bounded(request: CallRequest) -> Bound:
    found = bound(request)
    assert isinstance(found, Bound), found
    return found


def reason(request: CallRequest) -> str:
    found = bound(request)
    assert isinstance(found, Unbounded), found
    return found.reason


def test_a_text_counts_a_token_for_each_byte_beside_what_frames_it():
    plain = bounded(chat()).input_tokens
    assert bounded(chat(messages=said("hello" + "x" * 100))).input_tokens == plain + 100
    assert bounded(chat(messages=said("helloé"))).input_tokens == plain + 2
    assert plain >= len("hello") + 16


def test_an_output_cap_bounds_every_copy_with_a_margin():
    found = bounded(chat(max_completion_tokens=256, n=3))
    assert found.output_tokens == 3 * (256 + 32 + 64)
    assert found.output_tokens >= 3 * 280


def test_a_request_without_a_cap_is_bounded_by_what_the_model_can_give():
    found = bounded(chat())
    assert found.output_tokens == 128_000 + 16_000 + 64
    assert found.clamp is not None
    assert (found.clamp.path, found.clamp.stated, found.clamp.most) == (("max_completion_tokens",), None, 128_000)


def test_the_cap_is_lowered_where_the_request_has_it():
    clamp = bounded(chat(max_tokens=900)).clamp
    assert clamp is not None
    assert (clamp.path, clamp.stated, clamp.most) == (("max_tokens",), 900, 900)
    nested = bounded(content(generationConfig={"maxOutputTokens": 900, "candidateCount": 2})).clamp
    assert nested is not None
    assert (nested.path, nested.copies) == (("generationConfig", "maxOutputTokens"), 2)


def test_a_cap_stays_above_the_tokens_set_aside_for_thinking():
    thinking = {"type": "enabled", "budget_tokens": 2000}
    clamp = bounded(message(max_tokens=5000, thinking=thinking)).clamp
    assert clamp is not None
    assert clamp.least == 2001
    assert "not above the 2000 tokens" in reason(message(max_tokens=2000, thinking=thinking))


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (chat(web_search_options={}), "'web_search_options'"),
        (chat(max_tokens=1, max_completion_tokens=1), "two output caps"),
        (chat(max_tokens=0), "max_tokens=0"),
        (chat(modalities=["text", "audio"]), "modalities"),
        (chat(model="gpt-4o-search-preview"), "'gpt-4o-search-preview'"),
        (chat(messages=[{"role": "user", "content": [{"type": "file", "file": {"file_id": "x"}}]}]), "'file'"),
        (chat(messages=iter(said("once"))), "cannot be read before it is sent"),
        (responses(previous_response_id="resp_1"), "'previous_response_id'"),
        (responses(conversation="conv_1"), "'conversation'"),
        (responses(prompt={"id": "pmpt_1"}), "'prompt'"),
        (responses(background=True), "background=True"),
        (responses(reasoning={"mode": "pro"}), "reasoning.mode='pro'"),
        (responses(tools=[{"type": "web_search"}]), "'web_search'"),
        (responses(input=[{"type": "item_reference", "id": "x"}]), "'item_reference'"),
        (message(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "'web_search_20250305'"),
        (message(mcp_servers=[]), "'mcp_servers'"),
        (message(container="c"), "'container'"),
        (content(cachedContent="cachedContents/1"), "'cachedContent'"),
        (content(tools=[{"googleSearch": {}}]), "'googleSearch'"),
        (CallRequest("openai", "batch", "batches", None, {}), "batches requests to openai"),
        (CallRequest("openrouter", "chat", "chat.completions", "x/y", {}), "openrouter"),
    ],
)
def test_what_the_table_does_not_have_is_refused_with_its_name_and_a_remedy(request_, named):
    why = reason(request_)
    assert named in why
    assert "bound=" in why


def test_no_content_is_told_in_a_reason():
    assert "secret" not in reason(chat(max_tokens="secret " * 20))


def test_a_clamp_knows_the_largest_cap_that_fits():
    clamp = Clamp(("max_tokens",), None, 1, 4096, copies=2, share=Fraction(1, 8), extra=64)
    assert clamp.tokens(256) == 2 * (256 + 32 + 64)
    assert clamp.largest(clamp.tokens(256)) == 256
    assert clamp.largest(clamp.tokens(256) - 1) is None
    assert clamp.largest(clamp.tokens(256) - 1, least=1) == 255
    assert clamp.largest(1) is None


class Omit:
    """Named as the SDKs name their mark for an argument that was not given."""


class Block:
    """An SDK's model, as a program hands an answer back."""

    def model_dump(self, **_how: object) -> dict[str, object]:
        return {"type": "text", "text": "hello"}


def test_an_argument_that_was_not_given_is_no_key():
    assert bounded(message(container=Omit())) == bounded(message())


def test_an_answer_that_is_handed_back_as_the_sdks_model_is_read():
    block = {"type": "text", "text": "hello"}
    given = message(messages=[{"role": "assistant", "content": [Block()]}])
    assert bounded(given) == bounded(message(messages=[{"role": "assistant", "content": [block]}]))


def test_reasoning_that_is_handed_back_counts_and_a_mere_reference_to_it_is_refused():
    sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x" * 100}
    assert bounded(responses(input=[sealed])).input_tokens >= 400
    assert "'encrypted_content'" in reason(responses(input=[{"type": "reasoning", "id": "rs_1", "summary": []}]))


IMAGES = [
    (
        chat("gpt-4o"),
        chat(
            "gpt-4o", messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}]
        ),
    ),
    (
        message(),
        message(
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}}
                    ],
                }
            ]
        ),
    ),
]


@pytest.mark.parametrize(("without", "with_image"), IMAGES)
def test_an_image_counts_more_than_its_provider_makes_of_one(without, with_image):
    assert bounded(with_image).input_tokens >= bounded(without).input_tokens - len("hello") + 8192


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (
            chat("gpt-5.4", messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
            "the size of an image",
        ),
        (
            message(
                messages=[{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]
            ),
            "'file_id'",
        ),
        (
            message(
                messages=[
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "image",
                                "source": {"type": "base64", "media_type": "application/pdf", "data": "x"},
                            }
                        ],
                    }
                ]
            ),
            "has no proven ceiling",
        ),
        (message(messages=[{"role": "user", "content": [{"type": "document", "source": {}}]}]), "'document'"),
        (message(provider="aws-bedrock", cache_control={"type": "ephemeral"}), "'cache_control'"),
        (message(cache_control={"type": "ephemeral", "scope": "x"}), "'scope'"),
        (chat(service_tier=7), "not a word"),
        (chat(messages=[{"role": "user", "content": [{"type": "text", "text": 7}]}]), "not a text"),
        (chat(stop={"a": 1}), "holds dict"),
        (chat(n=True), "n=True"),
        (chat(tools=[{"type": "function", "function": {"parameters": object()}}]), "cannot be read as JSON"),
        (chat(messages=[object()]), "cannot be read before it is sent"),
        (responses(input=[{"type": "reasoning", "encrypted_content": 7}]), "not a text"),
        (content(generationConfig={"thinkingConfig": {"thinkingBudget": "much"}}), "no number of tokens"),
        (CallRequest("openai", "chat", "chat.completions", "gpt-5-mini", b"raw"), "the body is bytes"),
    ],
)
def test_what_is_odd_inside_is_refused_with_its_place(request_, named):
    assert named in reason(request_)


def test_prompts_of_a_list_are_answered_each_and_token_numbers_count_as_many():
    def completions(prompt: object, **more: object) -> CallRequest:
        model = "gpt-3.5-turbo-instruct"
        return CallRequest(
            "openai", "text_completion", "completions", model, {"prompt": prompt, "max_tokens": 8, **more}
        )

    one = bounded(completions("abc"))
    assert bounded(completions(["abc", "abc"], best_of=3)).output_tokens == 6 * one.output_tokens
    assert bounded(completions([1, 2, 3])).input_tokens == one.input_tokens
    assert bounded(completions([[1, 2, 3], [4]])).output_tokens == 2 * one.output_tokens
    unstated = bounded(
        CallRequest("openai", "text_completion", "completions", "gpt-3.5-turbo-instruct", {"prompt": "a"})
    )
    assert unstated.output_tokens == 16 + 2 + 64


def test_a_client_tool_of_the_providers_own_schema_counts_its_prompt():
    bash = {"type": "bash_20250124", "name": "bash"}
    assert bounded(message(tools=[bash])).input_tokens >= bounded(message()).input_tokens + 2048 + 2048


def test_text_that_the_provider_may_normalise_counts_as_what_it_becomes():
    ligature = "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"
    grown = (
        bounded(message(messages=said(ligature * 10))).input_tokens - bounded(message(messages=said(""))).input_tokens
    )
    assert grown == 33 * 10


def test_json_counts_as_it_is_and_as_it_is_escaped():
    def tool(text: str) -> int:
        return bounded(chat(tools=[{"type": "function", "function": {"name": "f", "description": text}}])).input_tokens

    assert tool("漢" * 10) - tool("") == 3 * 6 * 10
    assert tool("x" * 10) - tool("") == 3 * 10


def test_an_answer_that_is_handed_back_whole_may_have_empty_fields_that_no_request_has():
    given = {"role": "assistant", "content": "hello", "refusal": None, "reasoning_details": None, "annotations": []}
    assert isinstance(bound(chat(messages=[given])), Bound)
    assert "'reasoning_details'" in reason(chat(messages=[{**given, "reasoning_details": []}]))


def test_nothing_that_is_empty_at_the_top_counts():
    assert bounded(chat(tools=None, response_format=None)) == bounded(chat())


def test_an_image_may_be_a_mere_url_and_a_single_part_may_stand_alone():
    assert isinstance(
        bound(responses(input=[{"role": "user", "content": [{"type": "input_image", "image_url": "https://x"}]}])),
        Bound,
    )
    alone = content(systemInstruction={"parts": {"text": "hello"}})
    assert (
        bounded(alone).input_tokens == bounded(content(systemInstruction={"parts": [{"text": "hello"}]})).input_tokens
    )


def test_a_body_that_is_nested_without_end_is_refused():
    part: dict[str, object] = {"type": "tool_result", "tool_use_id": "t"}
    part["content"] = [part]
    assert "nested too deeply" in reason(message(messages=[{"role": "user", "content": [part]}]))


def test_a_cap_that_is_written_leaves_room_for_the_prompt():
    clamp = bounded(chat("gpt-4")).clamp
    assert clamp is not None
    assert (clamp.most, bounded(chat("gpt-4")).output_tokens) == (4096, clamp.tokens(8192))


def test_a_header_that_chooses_prices_is_refused_by_its_name():
    steered = message(provider="aws-bedrock")
    steered.extra = {"location": "us-east-1", "header": "X-Amzn-Bedrock-Service-Tier"}
    assert "'X-Amzn-Bedrock-Service-Tier'" in reason(steered)


PNG = "iVBORw0KGgoAAAANSUhEUgAABAAAAAMACAIAAAA="
"""The first bytes of a PNG of 1024 x 768 pixels."""


def test_an_image_of_a_model_without_a_most_counts_by_its_size():
    def shown(model: str, url: str) -> CallRequest:
        return chat(model, messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])

    plain = bounded(chat("gpt-5.4", messages=said(""))).input_tokens
    found = bounded(shown("gpt-5.4", f"data:image/png;base64,{PNG}")).input_tokens - plain
    assert found == 8 + 256 + 32 * 24 * 3
    gemini = content(contents=[{"parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]}])
    assert bounded(gemini).input_tokens >= 4096 + 4 * 3 * 258
    assert "cannot be read" in reason(shown("gpt-5.4", "https://example.com/a.png"))
