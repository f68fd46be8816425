"""OpenAI's statement: through the SDK's admin resources and by plain HTTP, exactly, and whatever line items are called."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from bill_worlds import DAY, DAYS, FIRST, NOW, call

from farebox.reconcile import openai, openai_sdk
from farebox.reconcile.pages import Clock, Pages, StatementError
from farebox.reconcile.sources import openai_reader
from farebox.reconcile.transport import HTTP
from farebox.reconcile_settings import BillSource
from farebox.testing.billing.causes import OtherCalls
from farebox.testing.billing.traffic import Used


def reader(world):
    return openai_reader("openai", BillSource(key_env="TEST_ADMIN_KEY", url=world.billing.openai_url), world.clock())


def answer(rows, start=FIRST // 10**9):
    return {
        "object": "page",
        "data": [{"object": "bucket", "start_time": start, "end_time": start + 86_400, "results": rows}],
        "has_more": False,
        "next_page": None,
    }


def lines(world, part, *rows):
    """What is read of these results."""
    world.billing.answer_next(body=answer(list(rows)))
    ((day, found),) = reader(world).read(part, DAYS[0], DAYS[0])
    assert day == DAYS[0]
    return found


@pytest.fixture
def busy(world):
    world.meter(
        call(FIRST + 5, "openai", "gpt-5-mini", {"input": 700, "cache_read": 300, "output": 41, "web_search": 2}),
        call(FIRST + 6, "openai", "gpt-5-mini", {"input": 7, "output": 3}, batch=True),
        call(FIRST + 7, "openai", "gpt-6.1-sol", {"input": 90, "cache_write_30m": 60, "output": 5}, tier="flex"),
        call(FIRST + DAY, "openai", "text-embedding-3-small", {"input": 12_345}),
    )
    world.billing.inject(
        OtherCalls((Used("openai", "gpt-5-mini", FIRST + 9, {"input": 10, "output": 1}),), key="key_2")
    )
    return world


@pytest.mark.parametrize("sdk", [True, False], ids=["SDK", "HTTP"])
def test_usage_has_model_tier_interface_and_key(busy, monkeypatch, sdk):
    monkeypatch.setattr(openai_sdk, "available", lambda: sdk)
    found = dict(reader(busy).read("completions", DAYS[0], DAYS[1]))

    usage = {(line.model, line.tier, line.batch, line.key): line for line in found[DAYS[0]].usage}
    assert usage["gpt-5-mini", "default", False, "key_ours"].units == {"input": 700, "cache_read": 300, "output": 41}
    assert usage["gpt-5-mini", "default", True, "key_ours"].units == {"input": 7, "output": 3}
    assert usage["gpt-6.1-sol", "flex", False, "key_ours"].units == {"input": 90, "cache_write_30m": 60, "output": 5}
    assert usage["gpt-5-mini", "default", False, "key_2"].requests == 1
    assert found[DAYS[1]].usage == ()
    agents = {request.headers["user-agent"] for request in busy.billing.requests}
    assert agents == ({agent for agent in agents if agent.startswith("OpenAI/")} if sdk else {"farebox"})


@pytest.mark.parametrize("sdk", [True, False], ids=["SDK", "HTTP"])
def test_both_ways_read_the_same_in_every_part(busy, monkeypatch, sdk):
    monkeypatch.setattr(openai_sdk, "available", lambda: sdk)
    found = {part: list(reader(busy).read(part, DAYS[0], DAYS[-1])) for part in reader(busy).parts()}

    assert [day for day, _ in found["costs"]] == DAYS
    money = {line.item: line.amount for line in found["costs"][0][1].money}
    assert money["web search tool calls"] == Decimal("0.02")
    assert sum(line.units["web_search"] for line in found["web_search_calls"][0][1].usage) == 2
    ((embedding,),) = [lines.usage for _, lines in found["embeddings"] if lines.usage]
    assert (embedding.model, embedding.units, embedding.untold) == ("text-embedding-3-small", {"input": 12_345}, True)
    result = busy.day("openai")
    assert result.complete
    assert {cause.kind for cause in result.causes} <= {"other_key", "rounding"}


def test_an_sdk_without_admin_resources_is_passed_by(monkeypatch):
    assert openai_sdk.available()
    with monkeypatch.context() as older:
        older.delattr("openai.resources.admin.organization.usage.Usage.file_search_calls")
        assert not openai_sdk.available()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not openai_sdk.available()

    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.util.find_spec", absent)
    assert not openai_sdk.available()


def test_more_days_than_a_page_holds_are_read_page_by_page(busy):
    until = "2027-01-20"
    found = [day for day, _ in reader(busy).read("completions", DAYS[0], until)]
    assert (found[0], found[-1], len(found)) == (DAYS[0], until, 64)
    pages = [request.one("page") for request in busy.billing.requests]
    assert pages[0] is None
    assert len(set(pages)) == 3


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        ("12.50", "12.50"),
        (0.06, "0.06"),
        (7, "7"),
        ("0.000000123456789012", "0.000000123456789012"),
        ("1,234.5", "1234.5"),
    ],
)
@pytest.mark.parametrize("sdk", [True, False], ids=["SDK", "HTTP"])
def test_amounts_are_exact_whether_they_are_numbers_or_texts(world, monkeypatch, value, exact, sdk):
    monkeypatch.setattr(openai_sdk, "available", lambda: sdk)
    found = lines(world, "costs", {"amount": {"value": value, "currency": "usd"}, "line_item": "gpt-5, input_tokens"})
    assert [line.amount.as_tuple() for line in found.money] == [Decimal(exact).as_tuple()]


@pytest.mark.parametrize(
    ("item", "model", "units", "kind"),
    [
        ("gpt-6-astra, input_tokens", "gpt-6-astra", ("input",), "tokens"),
        ("gpt-5-mini, cached input", "gpt-5-mini", ("cache_read",), "tokens"),
        ("ft:gpt-4.1:acme, inc:x, output", "ft:gpt-4.1:acme, inc:x", ("output",), "tokens"),
        ("gpt-audio, audio_output_tokens", "gpt-audio", ("output_audio",), "tokens"),
        ("gpt-6.1-sol, cache write 12h", "gpt-6.1-sol", ("cache_write_12h",), "tokens"),
        ("gpt-5, something new", "gpt-5", (), "tokens"),
        ("web search tool calls", None, ("web_search", "web_search_preview"), "tool"),
        ("Completions", None, (), "other"),
        ("Credit grant", None, (), "credit"),
        (None, None, (), "other"),
    ],
)
def test_line_items_are_read_by_their_words(world, item, model, units, kind):
    found = lines(world, "costs", {"amount": {"value": 1, "currency": "usd"}, "line_item": item})
    assert [(line.model, line.units, line.kind) for line in found.money] == [(model, units, kind)]


def test_usage_without_details_counts_by_its_totals(world):
    row = {
        "input_tokens": 1000,
        "output_tokens": 50,
        "input_cached_tokens": 300,
        "num_model_requests": 4,
        "model": "gpt-5",
    }
    ((line,),) = [lines(world, "completions", row).usage]
    assert line.units == {"input": 700, "cache_read": 300, "output": 50}
    row |= {
        "input_text_tokens": 600,
        "input_audio_tokens": 100,
        "input_cached_text_tokens": 300,
        "output_audio_tokens": 50,
    }
    ((line,),) = [lines(world, "completions", row).usage]
    assert line.units == {"input": 600, "input_audio": 100, "cache_read": 300, "output_audio": 50}


@pytest.mark.parametrize(
    ("part", "row", "said"),
    [
        ("costs", {"line_item": "x"}, "amount is missing"),
        ("costs", {"amount": {"value": "much", "currency": "usd"}}, "amount.value is 'much'"),
        ("costs", {"amount": {"value": True, "currency": "usd"}}, "amount.value is True"),
        ("costs", {"amount": {"value": 1, "currency": "eur"}}, "the currency is 'eur'"),
        ("completions", {"output_tokens": 1}, "input_tokens is missing"),
        ("completions", {"input_tokens": -1}, "input_tokens is -1"),
        ("completions", {"input_tokens": 1, "output_tokens": 1, "input_cached_tokens": 5}, "5 cached"),
        ("completions", {"input_tokens": 1, "output_tokens": 1, "model": 7}, "model is 7"),
        ("completions", "a text", "a result is 'a text'"),
        ("images", {}, "images is missing"),
    ],
)
def test_a_line_that_is_not_understood_is_named_and_the_others_are_read(world, part, row, said):
    good = (
        {"amount": {"value": 1, "currency": "usd"}, "line_item": "gpt-5, input"}
        if part == "costs"
        else {"input_tokens": 1, "output_tokens": 1, "images": 1, "new_field": {"x": 1}}
    )
    found = lines(world, part, row, good)
    assert len(found.usage) + len(found.money) == 1
    ((problem,),) = [found.problems]
    assert said in problem
    assert DAYS[0] in problem


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "no JSON"),
        ({"object": "page"}, "no list `data`"),
        ({"data": [{"results": []}]}, "no start_time"),
        ({"data": [], "has_more": True, "next_page": None}, "next_page leads nowhere"),
    ],
)
def test_an_answer_of_another_shape_ends_the_part_with_a_sentence(world, body, said):
    world.billing.answer_next(body=body)
    with pytest.raises(StatementError, match=said):
        list(reader(world).read("costs", DAYS[0], DAYS[0]))
    world.billing.answer_next(body=answer(None))
    ((_, found),) = reader(world).read("costs", DAYS[0], DAYS[0])
    assert "results is missing" in found.problems[0]


def test_what_one_page_says_of_the_next_cannot_go_in_circles(world):
    body = {"data": [], "has_more": True, "next_page": "page_x"}
    world.billing.answer_next(times=2, body=body)
    with pytest.raises(StatementError, match="nowhere new"):
        list(reader(world).read("costs", DAYS[0], DAYS[0]))


def test_a_reader_of_pages_may_be_driven_by_hand(world):
    transport = HTTP(world.billing.openai_url, {"Authorization": f"Bearer {world.billing.admin_key}"})
    pages = Pages(transport, Clock(lambda: NOW, world.slept.append), key=world.billing.admin_key, hint="")
    assert [day for day, _ in openai.read(pages, "costs", DAYS[0], DAYS[1])] == DAYS[:2]
    assert json.dumps(world.slept) == "[]"
