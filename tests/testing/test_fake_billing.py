"""The billing interfaces on loopback behave as the real ones are described: keys, limits, cursors, spellings, delays."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from farebox.ledger.registry import open_ledger
from farebox.testing import FakeBilling, FakeProvider
from farebox.testing.billing.causes import BilledOtherwise, Credit, Late, OtherRate, Rounded
from farebox.testing.billing.traffic import Used

FIRST = 1_794_960_000  # 2026-11-18T00:00:00Z
DAY = 86_400
USAGE = "/v1/organization/usage/completions"
COSTS = "/v1/organization/costs"
MESSAGES = "/v1/organizations/usage_report/messages"
COST_REPORT = "/v1/organizations/cost_report"


@pytest.fixture
def billing():
    with FakeBilling(now=lambda: FIRST + 5 * DAY) as running:
        running.bill(
            Used("openai", "gpt-5-mini", FIRST * 10**9, {"input": 700, "cache_read": 300, "output": 40}),
            Used("openai", "gpt-5-mini", FIRST * 10**9, {"input": 10, "output": 4}, batch=True, key="key_2"),
            Used("anthropic", "claude-opus-5", FIRST * 10**9, {"input": 100, "output": 40, "web_search": 2}),
        )
        yield running


@pytest.fixture
def ask(billing):
    def get(path, *parameters, key=None, version="2023-06-01", **more):
        key = billing.admin_key if key is None else key
        headers = {"Authorization": f"Bearer {key}"}
        if path.startswith("/v1/organizations/"):
            headers = {"x-api-key": key, **({"anthropic-version": version} if version else {})}
        query = urlencode([*parameters, *more.items()])
        try:
            with urlopen(Request(f"{billing.url}{path}?{query}", headers=headers), timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    return get


def test_dimensions_that_are_not_grouped_by_are_null(ask):
    status, page = ask(USAGE, start_time=FIRST, end_time=FIRST + DAY)
    ((result,),) = [bucket["results"] for bucket in page["data"]]
    assert (status, page["object"], page["has_more"], page["next_page"]) == (200, "page", False, None)
    assert [result[name] for name in ("model", "batch", "service_tier", "api_key_id", "project_id")] == [None] * 5
    assert (result["input_tokens"], result["input_cached_tokens"], result["num_model_requests"]) == (1010, 300, 2)
    assert result["object"] == "organization.usage.completions.result"


def test_arrays_are_spelt_with_brackets_or_repeated(ask):
    brackets = [("group_by[]", "model"), ("group_by[]", "batch")]
    plain = [("group_by", "model"), ("group_by", "batch")]
    assert ask(USAGE, *brackets, start_time=FIRST) == ask(USAGE, *plain, start_time=FIRST)
    _, page = ask(USAGE, *plain, start_time=FIRST, end_time=FIRST + DAY)
    assert [result["batch"] for result in page["data"][0]["results"]] == [False, True]


def test_days_without_use_are_there_and_a_page_holds_seven_of_them(ask):
    _, page = ask(USAGE, start_time=FIRST, end_time=FIRST + 9 * DAY)
    assert [len(bucket["results"]) for bucket in page["data"]] == [1, 0, 0, 0, 0, 0, 0]
    _, rest = ask(USAGE, start_time=FIRST, end_time=FIRST + 9 * DAY, page=page["next_page"])
    assert [bucket["start_time"] for bucket in rest["data"]] == [FIRST + 7 * DAY, FIRST + 8 * DAY]
    assert ask(USAGE, start_time=FIRST, end_time=FIRST + 9 * DAY, page=page["next_page"])[1] == rest
    assert ask(USAGE, start_time=FIRST, page="page_!")[0] == 400


@pytest.mark.parametrize(
    ("path", "parameters", "status"),
    [
        (USAGE, {"start_time": FIRST, "limit": 31}, 200),
        (USAGE, {"start_time": FIRST, "limit": 32}, 400),
        (USAGE, {"start_time": FIRST, "limit": 0}, 400),
        (USAGE, {}, 400),
        (COSTS, {"start_time": FIRST, "limit": 180}, 200),
        (COSTS, {"start_time": FIRST, "limit": 181}, 400),
        (COSTS, {"start_time": FIRST, "bucket_width": "1h"}, 400),
        (MESSAGES, {"starting_at": "2026-11-18T00:00:00Z", "limit": 31}, 200),
        (MESSAGES, {"starting_at": "2026-11-18T00:00:00Z", "limit": 32}, 400),
        (MESSAGES, {"starting_at": "soon"}, 400),
        (MESSAGES, {}, 400),
        ("/v1/organizations/other", {}, 404),
        ("/v1/other", {}, 404),
    ],
)
def test_limits_and_required_parameters(ask, path, parameters, status):
    assert ask(path, **parameters)[0] == status


def test_only_the_admin_key_may_read(ask):
    assert ask(USAGE, start_time=FIRST, key="")[0] == 401
    assert ask(USAGE, start_time=FIRST, key="nonsense")[0] == 401
    status, body = ask(USAGE, start_time=FIRST, key="sk-proj-1234567890")
    assert (status, body["error"]["type"]) == (403, "invalid_request_error")
    status, body = ask(MESSAGES, starting_at="2026-11-18", key="sk-ant-api03-1")
    assert (status, body["type"], body["error"]["type"]) == (403, "error", "permission_error")
    assert ask(MESSAGES, starting_at="2026-11-18", version=None)[0] == 400


def test_costs_are_numbers_or_texts_by_line_item_or_in_one(ask, billing):
    _, page = ask(COSTS, ("group_by", "line_item"), start_time=FIRST, end_time=FIRST + DAY)
    amounts = {result["line_item"]: result["amount"]["value"] for result in page["data"][0]["results"]}
    assert amounts["gpt-5-mini, cached_input_tokens"] == 7.5e-06
    billing.amounts_as_text = True
    billing.inject(Credit("openai", "2026-11-18", Decimal(-1)))
    _, page = ask(COSTS, start_time=FIRST, end_time=FIRST + DAY)
    ((result,),) = [bucket["results"] for bucket in page["data"]]
    assert (result["line_item"], result["amount"]) == (None, {"value": "-0.99973225", "currency": "usd"})
    assert ask(COSTS, start_time=FIRST + DAY, end_time=FIRST + 2 * DAY)[1]["data"][0]["results"] == []


def test_anthropics_costs_are_cents_with_fractions_and_parsed_only_by_description(ask, billing):
    billing.inject(Credit("anthropic", "2026-11-18", Decimal("-0.5"), "Promotion"))
    at = {"starting_at": "2026-11-18T00:00:00Z", "ending_at": "2026-11-19T00:00:00Z"}
    _, page = ask(COST_REPORT, ("group_by[]", "description"), **at)
    rows = {row["description"]: row for row in page["data"][0]["results"]}
    assert rows["claude-opus-5 Usage - Output Tokens"]["amount"] == "0.1"
    assert rows["Web Search Usage"]["amount"] == "2"
    assert rows["Promotion"]["amount"] == "-50"
    _, page = ask(COST_REPORT, **at)
    assert {row["description"] for row in page["data"][0]["results"]} == {None}


def test_a_planned_answer_comes_once_and_an_error_is_the_providers_own(ask, billing):
    billing.answer_next(429, headers={"Retry-After": "3"})
    billing.answer_next(body={"anything": 1})
    status, body = ask(MESSAGES, starting_at="2026-11-18")
    assert (status, body["error"]["type"]) == (429, "rate_limit_error")
    assert ask(USAGE)[1] == {"anything": 1}
    assert [request.path for request in billing.requests] == [MESSAGES, USAGE]


def test_a_change_says_what_it_is_worth_day_by_day(billing):
    (dearer,) = billing.inject(OtherRate("openai", "2026-11-18", "gpt-5-mini", Fraction(2), frozenset({"output"})))
    assert (dearer.provider, dearer.day, dearer.amount) == ("openai", "2026-11-18", Fraction(84, 10**6))
    (batch,) = billing.inject(BilledOtherwise(lambda used: used.provider == "anthropic", batch=True))
    assert batch.amount == Fraction(-75, 10**5)
    (rounded,) = billing.inject(Rounded("anthropic", 3))
    assert rounded.amount == Fraction(-75, 10**5)
    (late,) = billing.inject(Late("anthropic", FIRST * 10**9, (FIRST + DAY) * 10**9))
    assert late.amount == Fraction(-1, 50)
    billing.catch_up()
    assert len(billing.account.calls("anthropic", "2026-11-18")) == 1


def test_tokens_of_a_commitment_are_in_the_usage_and_not_in_the_costs(ask, billing):
    billing.inject(BilledOtherwise(lambda used: used.provider == "anthropic", tier="priority"))
    at = {"starting_at": "2026-11-18T00:00:00Z", "ending_at": "2026-11-19T00:00:00Z"}
    _, page = ask(MESSAGES, ("group_by[]", "service_tier"), **at)
    assert [(row["service_tier"], row["output_tokens"]) for row in page["data"][0]["results"]] == [("priority", 40)]
    _, page = ask(COST_REPORT, ("group_by[]", "description"), **at)
    assert [row["cost_type"] for row in page["data"][0]["results"]] == ["web_search"]


def test_it_bills_what_a_provider_on_loopback_billed_or_a_ledger_has(tmp_path, make_event):
    with FakeProvider() as provider, provider.openai_client() as client, FakeBilling() as billing:
        client.responses.create(model="gpt-5-mini", input="How many are we?")
        billing.bill_provider(provider.billed)
        today = datetime.now(UTC).date().isoformat()
        (used,) = billing.account.calls("openai", today)
        assert (used.model, used.units["output"]) == ("gpt-5-mini", provider.billed[0].usage["output_tokens"])
        with open_ledger(tmp_path / "ledger.db") as ledger:
            unknown = make_event(units=None, cost_status="estimated")
            ledger.ingest([make_event(started_at=FIRST * 10**9), unknown], journal="t", segment=0, offset=1)
            billing.bill_ledger(ledger)
        assert len(billing.account.calls("openai", "2026-11-18")) == 1


def test_it_says_when_it_does_not_run():
    with pytest.raises(RuntimeError, match="does not run"):
        _ = FakeBilling().url
    FakeBilling().stop()
