"""Renderers: exact where machines read, legible where people do, harmless in both."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from farebox.core.money import Money
from farebox.reports import render
from farebox.reports.report import Column, Table

COLUMNS = (
    Column("tenant_id", "tenant"),
    Column("calls", "calls", "count"),
    Column("share", "share", "percent"),
    Column("cost", "cost", "money"),
)


def table(*rows, totals=None, notes=()):
    return Table(title="Spend by tenant", columns=COLUMNS, rows=rows, totals=totals, notes=notes)


def drawn(value):
    target = io.StringIO()
    Console(file=target, width=120).print(render.to_terminal(value))
    return target.getvalue()


ACME = ("acme", 1234, Decimal("0.25"), Money("0.000123"))


def test_json_keeps_money_exact_and_unknown_null():
    data = json.loads(render.to_json(table(ACME, ("x", 1, None, None), totals=ACME, notes=("A note.",))))
    assert data["rows"][0] == {"tenant_id": "acme", "calls": 1234, "share": 0.25, "cost": "0.000123"}
    assert data["rows"][1]["cost"] is None
    assert data["totals"]["calls"] == 1234
    assert (data["title"], data["notes"]) == ("Spend by tenant", ["A note."])
    assert json.loads(render.to_json(table(ACME)))["totals"] is None


def test_csv_has_a_heading_exact_money_and_empty_unknowns():
    assert render.to_csv(table(ACME, ("x", 1, None, None))) == (
        "tenant_id,calls,share,cost\nacme,1234,0.25,0.000123\nx,1,,\n"
    )


@given(st.text(min_size=1))
def test_no_csv_cell_runs_as_a_formula_and_every_printable_text_survives(text):
    _, row = csv.reader(io.StringIO(render.to_csv(table((text, 1, None, None))), newline=""))
    assert row[0][0] not in "=+-@\t\r"
    if text.isprintable():
        assert row[0] in (text, f"'{text}")


def test_small_money_shows_two_digits_that_count_and_large_money_its_cents():
    assert "$0.00012" in drawn(table(ACME))
    assert "$12,345.68" in drawn(table(("a", 1, None, Money("12345.678"))))
    assert "$0.00" in drawn(table(("a", 1, None, Money(0))))
    assert "$0.000000001" in drawn(table(("a", 1, None, Money("0.000000001"))))


def test_people_read_unknown_thousands_and_percent():
    text = drawn(
        table(ACME, ("x", 1, None, None), totals=("total", 1235, Decimal(1), Money("0.000123")), notes=("Mind.",))
    )
    for part in ("1,234", "25.0%", "unknown", "total", "100.0%", "! Mind."):
        assert part in text


def test_an_empty_table_says_so():
    assert "No calls." in drawn(table())


def test_names_cannot_draw_or_move_the_cursor():
    evil = "[bold]a\x1b[2J\u202eb"
    text = drawn(table((evil, 1, None, None), notes=(evil,)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]a" in text


def test_markdown_escapes_what_would_break_the_table():
    text = render.to_markdown(table(("a|b<i>", 1, None, Money(1)), totals=ACME, notes=("Mind | this.",)))
    assert "| a\\|b&lt;i> | 1 |  | $1.00 |" in text
    assert text.splitlines()[2:4] == ["| tenant | calls | share | cost |", "| --- | ---: | ---: | ---: |"]
    assert text.endswith("- Mind \\| this.\n")
    assert render.to_markdown(table(ACME)).endswith(" |\n")
