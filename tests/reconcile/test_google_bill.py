"""Google's export: SKUs read by their words, nested or flat, credits, other currencies, late rows."""

from __future__ import annotations

import csv
import json
from decimal import Decimal

import pytest
from bill_worlds import DAYS, FIRST, call

from farebox.reconcile import google, naming
from farebox.reconcile.pages import StatementError
from farebox.reconcile_settings import BillSource

SKU = "Generate content {} token count gemini 3.8 flash {}"


def row(sku, cost, amount, *, day=DAYS[0], service="Gemini API", given=(), **fields):
    return {
        "service": {"id": "AEFD-7695-64FA", "description": service},
        "sku": {"id": "0000", "description": sku},
        "usage_start_time": f"{day} 07:00:00 UTC",
        "usage_end_time": f"{day} 08:00:00 UTC",
        "cost": cost,
        "currency": "USD",
        "currency_conversion_rate": 1.0,
        "usage": {"amount": amount, "unit": "count"},
        "credits": [{"full_name": name, "amount": value} for name, value in given],
        "cost_type": "regular",
        **fields,
    }


def write(path, *rows):
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def read(path, provider="google"):
    usage, money, problems = [], [], []
    for _, lines in google.read(str(path), provider):
        usage += lines.usage
        money += lines.money
        problems += lines.problems
    return usage, money, problems


@pytest.mark.parametrize(
    ("sku", "model", "units", "tier", "batch"),
    [
        (SKU.format("input", "text"), "gemini-3.8-flash", {"input": 5}, None, False),
        (SKU.format("cached input", "text"), "gemini-3.8-flash", {"cache_read": 5}, None, False),
        (SKU.format("output", "text batch"), "gemini-3.8-flash", {"output": 5}, None, True),
        (SKU.format("input", "audio flex"), "gemini-3.8-flash", {"input_audio": 5}, "flex", False),
        (SKU.format("output", "text priority"), "gemini-3.8-flash", {"output": 5}, "priority", False),
        (
            "Generate content output token count Gemini 2.5 Pro long output text",
            "gemini-2.5-pro",
            {"output": 5},
            None,
            False,
        ),
        ("EmbedContent input token count for gemini-embedding-2 text", "gemini-embedding-2", {"input": 5}, None, False),
        ("Grounding with Google Search", None, {"google_search_queries": 5}, None, False),
        ("Cached content storage token hours", None, {}, None, False),
        ("Something new", None, {}, None, False),
    ],
)
def test_a_sku_is_read_by_its_words(tmp_path, sku, model, units, tier, batch):
    usage, money, problems = read(write(tmp_path / "a.jsonl", row(sku, 0.5, 5)))
    assert problems == []
    assert [(line.model, line.units, line.tier, line.batch) for line in usage] == (
        [(model, units, tier, batch)] if units else []
    )
    assert [(line.item, line.amount, line.model) for line in money] == [(sku, Decimal("0.5"), model)]


def test_rows_of_other_services_are_left_alone_and_vertex_is_a_provider_of_its_own(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        row(SKU.format("input", "text"), 1, 5),
        row("N1 core", 9, 5, service="Compute Engine"),
        row("Gemini 3.1 Flash Image Text Output - Predictions", 2, 7, service="Vertex AI"),
    )
    assert [line.amount for line in read(path)[1]] == [1]
    usage, money, _ = read(path, "google-vertex")
    assert [line.amount for line in money] == [2]
    assert [(line.model, line.units) for line in usage] == [("gemini-3.1-flash-image", {"output": 7})]


def test_credits_taxes_and_adjustments_are_lines_of_their_own(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        row(SKU.format("input", "text"), 1, 5, given=[("Free trial", -0.25), ("", "-0.1")]),
        row("Tax", 0.19, 0, cost_type="tax"),
        row("Refund", -3, 0, cost_type="adjustment"),
        row("Rounding error", 0.01, 0, cost_type="rounding_error"),
    )
    _, money, _ = read(path)
    assert [(line.kind, line.amount) for line in money] == [
        ("tokens", 1),
        ("credit", Decimal("-0.25")),
        ("credit", Decimal("-0.1")),
        ("tax", Decimal("0.19")),
        ("credit", -3),
        ("other", Decimal("0.01")),
    ]


def test_a_csv_has_the_same_names_flat(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "service.description",
                "sku_description",
                "usage_start_time",
                "cost",
                "currency",
                "usage_amount",
                "credits",
            ]
        )
        writer.writerow(
            [
                "Gemini API",
                SKU.format("input", "text"),
                "2026-11-18T23:30:00-02:00",
                "1.5",
                "USD",
                "1.2E3",
                '[{"name": "x", "amount": -0.5}]',
            ]
        )
    (day, lines), *_ = google.read(str(path), "google")
    assert day == DAYS[1]
    assert lines.usage[0].units == {"input": 1200}
    assert [line.amount for line in lines.money] == [Decimal("1.5"), Decimal("-0.5")]


def test_other_currencies_are_converted_by_the_exports_own_rate(tmp_path):
    euro = row(SKU.format("input", "text"), 0.9, 5, currency="EUR", currency_conversion_rate=0.9)
    assert [line.amount for line in read(write(tmp_path / "a.jsonl", euro))[1]] == [1]
    broken = row(SKU.format("input", "text"), 0.9, 5, currency="EUR", currency_conversion_rate=0)
    assert "currency_conversion_rate is 0" in read(write(tmp_path / "b.jsonl", broken))[2][0]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"usage_start_time": "yesterday"}, "usage_start_time is 'yesterday'"),
        ({"cost": None}, "cost is missing"),
        ({"usage": {"amount": -5}}, "usage.amount is -5"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path, fields, said):
    usage, _, problems = read(write(tmp_path / "a.jsonl", {**row(SKU.format("input", "text"), 1, 5), **fields}))
    assert usage == []
    assert said in problems[0]
    assert "a.jsonl, row 1" in problems[0]


def test_the_export_of_a_day_matches_the_ledger_and_names_its_credits(world, tmp_path):
    units = {"input": 100_000, "cache_read": 10_000, "output": 20_000}
    world.meter(call(FIRST, "google", "gemini-3.8-flash", units), bill=False)
    rates = {"input": "0.75", "cache_read": "0.075", "output": "3.75"}
    words = {"input": "input", "cache_read": "cached input", "output": "output"}
    rows = [
        row(SKU.format(words[unit], "text"), float(Decimal(rates[unit]) * number / 10**6), number)
        for unit, number in units.items()
    ]
    path = write(tmp_path / "a.jsonl", *rows)
    settings = world.settings(google=BillSource(files=str(path)))
    result = world.day("google", settings=settings)
    assert (result.status, result.complete, result.unexplained) == ("matched", True, 0)
    assert {cause.kind for cause in result.causes} <= {"rounding"}

    late = row("Adjusted", 0, 0, given=[("Promotion", -0.05)])
    write(tmp_path / "a.jsonl", *rows, late)
    result = world.day("google", settings=settings, again=True)
    assert [(cause.kind, cause.what, cause.amount) for cause in result.causes if cause.kind != "rounding"] == [
        ("credit", "Promotion", Decimal("-0.05"))
    ]


def test_a_row_without_a_day_makes_no_day_complete(world, tmp_path):
    path = write(tmp_path / "a.jsonl", {**row(SKU.format("input", "text"), 1, 5), "usage_start_time": "?"})
    done = world.reconcile("google", settings=world.settings(google=BillSource(files=str(path))))
    assert not any(result.complete for result in done.results)
    assert any("usage_start_time" in gap for gap in done.gaps)


def test_files_that_cannot_be_read_are_named(world, tmp_path):
    with pytest.raises(StatementError, match="there is no file at"):
        read(tmp_path / "none.csv")
    (tmp_path / "a.jsonl").write_text('{"service": ')
    with pytest.raises(StatementError, match="is damaged"):
        read(tmp_path / "a.jsonl")
    (tmp_path / "b.json").write_text("[5]")
    with pytest.raises(StatementError, match="a row is no object"):
        read(tmp_path / "b.json")
    (tmp_path / "c.csv").write_bytes(b"a,b\n\xff\xff\n")
    with pytest.raises(StatementError, match="cannot be read"):
        read(tmp_path / "c.csv")
    gaps = world.reconcile("google", settings=world.settings()).gaps
    assert any("--files google=PATH" in gap for gap in gaps)


def test_several_files_and_a_list_of_rows_are_read_too(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([row(SKU.format("input", "text"), 1, 5)]))
    write(tmp_path / "b.json", row(SKU.format("input", "text"), 2, 5))
    assert [line.amount for line in read(tmp_path / "*.json")[1]] == [1, 2]


def test_models_are_known_by_the_longest_name():
    assert naming.model_in("google", "x gemini 3.1 flash image y", DAYS[0]) == ("gemini-3.1-flash-image", "x  y")
    assert naming.model_in("google", "gemini nonsense", DAYS[0]) == (None, "gemini nonsense")
    assert naming.canonical("openai", None, DAYS[0]) == ""
    assert naming.canonical("openai", "Unknown-1", DAYS[0]) == "unknown-1"
    assert naming.canonical("openai", "gpt-99-2027-01-31", DAYS[0]) == "gpt-99"
    assert naming.canonical("anthropic", "claude-nova-20270131", DAYS[0]) == "claude-nova"
