"""Renderers: exact where machines read, legible where people do, harmless in both."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
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


@settings(deadline=None)
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


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ms"),
        (999, "0.000999 ms"),
        (1_500_000, "1.5 ms"),
        (999_600_000, "1 s"),
        (12_345_000_000, "12.3 s"),
        (61_000_000_000, "1 min 1 s"),
        (3_600_000_000_000, "1 h"),
        (90_061_000_000_000, "1 d 1 h"),
    ],
)
def test_durations_are_read_by_people_and_stay_nanoseconds_for_machines(nanoseconds, text):
    table = Table(title="t", columns=(Column("took_ns", "took", "duration"),), rows=((nanoseconds,),))
    assert f"| {text} |" in render.to_markdown(table)
    assert json.loads(render.to_json(table))["rows"] == [{"took_ns": nanoseconds}]
    assert render.to_csv(table) == f"took_ns\n{nanoseconds}\n"


def test_moments_are_read_by_people_to_the_second_and_kept_for_machines():
    for moment in ("2026-11-25T19:19:07.476Z", "2026-11-25T19:19:07+00:00"):
        table = Table(title="t", columns=(Column("at", "at (UTC)", "time"),), rows=((moment,), ("2026-11",)))
        assert "| 2026-11-25 19:19:07 |\n| 2026-11 |" in render.to_markdown(table)
        assert json.loads(render.to_json(table))["rows"][0] == {"at": moment}


def test_money_that_is_owed_back_has_its_sign_in_front():
    table = Table(
        title="t",
        columns=(Column("cost", "cost", "money"), Column("n", "n", "number")),
        rows=((Money("-1.5"), Decimal("-2.25")),),
    )
    assert "| -$1.50 | -2.25 |" in render.to_markdown(table)
    assert render.to_csv(table) == "cost,n\n-1.5,-2.25\n"


def test_a_page_of_html_holds_all_of_it_escaped_and_loads_nothing():
    table = Table(
        title="<script>alert(1)</script>",
        columns=(Column("tenant", "tenant <b>"), Column("cost", "cost", "money")),
        rows=(('"><img src=x onerror=alert(1)>\x1b', Money("1")), ("plain", None)),
        totals=("total", Money("1")),
        notes=("a & b",),
    )
    page = render.to_html(table)
    for hostile in ("<script", "<img", "<b>", "\x1b", "src=", "href="):
        assert hostile not in page.replace("src=x", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert '<td>plain</td><td class="n">unknown</td>' in page
    assert '<tfoot><tr><td>total</td><td class="n">$1.00</td></tr></tfoot>' in page
    assert "<p>a &amp; b</p>" in page
    assert page.startswith("<!doctype html>")
    assert '<thead><tr><th scope="col">tenant &lt;b&gt;</th><th scope="col" class="n">cost</th></tr></thead>' in page
    empty = render.to_html(Table(title="t", columns=(Column("a", "a"),), rows=()))
    assert "<p>No calls.</p>" in empty
    assert "<tfoot>" not in empty


def test_details_go_from_the_right_where_there_is_no_room():
    wide = Table(
        title="t",
        columns=(
            Column("id", "id", "time", detail=True),
            Column("model", "model"),
            Column("more", "more", "time", detail=True),
            Column("cost", "cost", "money"),
        ),
        rows=(("i" * 36, "gpt-5", "m" * 20, Money("1")),),
    )

    def heading(width):
        return printed(wide, width).splitlines()[2].split()

    assert heading(79) == ["id", "model", "more", "cost"]
    assert "No room" not in printed(wide, 79)
    assert heading(70) == ["id", "model", "cost"]
    assert "No room here for: more. JSON and CSV have all columns." in printed(wide, 70)
    assert heading(20) == ["model", "cost"]


def printed(value, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(render.to_terminal(value, width))
    return console.file.getvalue()


@settings(deadline=None)
@given(
    st.integers(24, 200),
    st.lists(
        st.tuples(st.text("ab ç漢", max_size=30), st.integers(0, 10**12), st.integers(-(10**15), 10**15)),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 3),
)
def test_no_number_is_ever_cut_however_narrow_the_terminal(width, values, details):
    columns = (
        Column("name", "name"),
        *(Column(f"c{at}", f"count {at}", "count", detail=at < details) for at in range(4)),
        Column("cost", "cost", "money"),
        Column("took", "took", "duration"),
    )
    rows = tuple((name, *[count] * 4, Money.from_nano(nano), count) for name, count, nano in values)
    value = Table(title="t", columns=columns, rows=rows, totals=("total", *[1] * 4, Money("123456.78"), 5))
    text = " ".join(printed(value, width).split())
    for row in render.to_markdown(value).splitlines()[4:]:
        *_, last_count, cost, took = (cell.strip() for cell in row.strip("| ").split(" | "))
        assert cost in text
        assert last_count in text
        assert took in text


def test_a_name_makes_no_link_and_no_cell_in_markdown():
    name = "[x](javascript:alert(1)) | `y` <b> \\"
    page = render.to_markdown(Table(title=name, columns=(Column("a", "a"),), rows=((name,),)))
    safe = "\\[x](javascript:alert(1)) \\| \\`y\\` &lt;b> \\\\"
    assert page == f"## {safe}\n\n| a |\n| --- |\n| {safe} |\n"


def test_every_format_has_a_media_type_and_an_ending():
    assert {name: form.suffix for name, form in render.FORMATS.items()} == {
        "json": ".json",
        "csv": ".csv",
        "markdown": ".md",
        "html": ".html",
    }
    assert all("/" in form.media_type for form in render.FORMATS.values())


def test_the_next_page_is_named_in_json():
    table = Table(title="t", columns=(Column("a", "a"),), rows=(), cursor="5/x")
    assert json.loads(render.to_json(table))["cursor"] == "5/x"
