"""Calls as files: every value comes back, nothing in them runs, memory stays, and a file is whole or not there."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pyarrow import parquet

from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.ledger.registry import open_ledger
from farebox.reports.export import COLUMNS, WRITERS, export_calls, form_of


def exported(ledger, form, **asked):
    target = io.BytesIO()
    number = export_calls(ledger, target, form, **asked)
    return number, target.getvalue()


def stored(told):
    """Rows of `calls` as dicts, newest first."""
    names = COLUMNS[:1] + COLUMNS[3:]
    return [
        dict(zip(names, row, strict=True))
        for row in told.sql(", ".join(names), "ORDER BY started_at DESC, id DESC", kinds=True)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_csv_has_every_column_of_every_call_that_is_asked_for(told, seed):
    one = told(seed)
    number, text = exported(one.ledger, "csv", **one.asked)
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    expected = stored(one)
    assert number == len(rows) == len(expected)
    for row, call in zip(rows, expected, strict=True):
        assert row.pop("started")[:10] == datetime.fromtimestamp(call["started_at"] // 10**9, UTC).date().isoformat()
        cost = row.pop("cost_usd")
        assert cost == "" if call["cost_nano"] is None else Decimal(cost).scaleb(9) == call["cost_nano"]
        assert row == {name: "" if value is None else str(value) for name, value in call.items()}


@pytest.mark.parametrize("seed", range(6))
def test_json_lines_have_every_call_with_its_objects(told, seed):
    one = told(seed)
    number, text = exported(one.ledger, "jsonl", **one.asked)
    rows = [json.loads(line) for line in text.splitlines()]
    expected = stored(one)
    assert number == len(rows) == len(expected)
    for row, call in zip(rows, expected, strict=True):
        assert tuple(row) == COLUMNS
        assert (row["id"], row["cost_nano"], row["tenant_id"]) == (call["id"], call["cost_nano"], call["tenant_id"])
        assert row["units"] == (None if call["units"] is None else json.loads(call["units"]))
        assert row["stream"] is bool(call["stream"])
        assert row["cost_usd"] is None or Decimal(row["cost_usd"]).scaleb(9) == call["cost_nano"]


@pytest.mark.parametrize("seed", range(6))
def test_parquet_has_typed_columns_and_exact_money(told, seed):
    one = told(seed)
    number, content = exported(one.ledger, "parquet", **one.asked)
    table = parquet.read_table(io.BytesIO(content))
    rows, expected = table.to_pylist(), stored(one)
    assert number == len(rows) == len(expected)
    assert tuple(table.column_names) == COLUMNS
    assert [
        str(table.schema.field(name).type) for name in ("started", "cost_usd", "input_tokens", "batch", "units")
    ] == [
        "timestamp[us, tz=UTC]",
        "decimal128(38, 9)",
        "int64",
        "bool",
        "string",
    ]
    for row, call in zip(rows, expected, strict=True):
        assert row["cost_usd"] is None if call["cost_nano"] is None else row["cost_usd"].scaleb(9) == call["cost_nano"]
        assert {name: row[name] for name in call} == {
            **call,
            "stream": bool(call["stream"]),
            "batch": bool(call["batch"]),
        }


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t=", "\r=", "\n=", "＝"])  # noqa: RUF001 - spreadsheets take it
def test_text_that_a_spreadsheet_would_run_is_made_harmless_and_numbers_stay(ledger, store, make_event, beginning):
    store(make_event(tenant_id=f"{beginning}cmd()", duration_ns=-5, units={"seconds": -1.5}))
    (row,) = csv.DictReader(io.StringIO(exported(ledger, "csv")[1].decode()))
    assert row["tenant_id"].startswith("'")
    assert not any(mark in row["tenant_id"] for mark in "\t\r\n")
    assert row["duration_ns"] == "-5"
    line = json.loads(exported(ledger, "jsonl")[1])
    assert line["tenant_id"] == f"{beginning}cmd()"


def test_a_file_is_whole_or_not_there(ledger, store, make_event, tmp_path):
    store(make_event())
    target = tmp_path / "calls.csv"
    assert export_calls(ledger, target) == 1
    before = target.read_text()
    with pytest.raises(ConfigurationError, match=r"exists already: .*--force \(force=True\)"):
        export_calls(ledger, target)

    def broken(_count):
        raise RuntimeError("the power went out")

    with pytest.raises(RuntimeError):
        export_calls(ledger, target, force=True, progress=broken)
    assert target.read_text() == before
    assert export_calls(ledger, str(target), "jsonl", force=True) == 1
    assert target.read_text() != before
    with pytest.raises(ConfigurationError, match="cannot be written: No such file or directory"):
        export_calls(ledger, tmp_path / "nowhere" / "calls.csv")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_a_name_says_the_format():
    assert [form_of(f"a.{ending}") for ending in ("csv", "CSV", "jsonl", "ndjson", "json", "parquet")] == [
        *("csv", "csv", "jsonl", "jsonl", "jsonl", "parquet")
    ]
    with pytest.raises(ConfigurationError, match=r"end it in one of \.csv, \.jsonl, \.parquet"):
        form_of("calls")


def test_an_unknown_format_or_filter_is_refused_before_anything_is_made(ledger, tmp_path):
    with pytest.raises(ConfigurationError, match="export format 'xml' is not known"):
        export_calls(ledger, tmp_path / "calls.xml", "xml")
    with pytest.raises(ConfigurationError, match="'tenant' is no dimension"):
        export_calls(ledger, tmp_path / "calls.csv", where={"tenant": "acme"})
    assert not (tmp_path / "calls.csv").exists()


def test_without_pyarrow_parquet_names_the_extra(ledger, store, make_event, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'farebox\[parquet\]'"):
        export_calls(ledger, tmp_path / "calls.parquet", "parquet")
    assert not (tmp_path / "calls.parquet").exists()


def test_an_empty_ledger_gives_a_heading_and_no_lines(ledger):
    assert exported(ledger, "csv") == (0, (",".join(COLUMNS) + "\n").encode())
    assert exported(ledger, "jsonl") == (0, b"")
    assert parquet.read_table(io.BytesIO(exported(ledger, "parquet")[1])).num_rows == 0


MEASURE = """
import resource, sys
from farebox.ledger.registry import open_ledger
from farebox.reports.export import export_calls
ledger = open_ledger(sys.argv[1], read_only=True)
for since in (int(sys.argv[3]), None):
    with open("/dev/null", "wb") as nothing:
        print(export_calls(ledger, nothing, sys.argv[2], since=since), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
ledger.close()
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Fifty thousand calls."""
    path = tmp_path_factory.mktemp("large") / "ledger.db"
    with open_ledger(path) as ledger:
        start = 1_795_000_000_000_000_000
        for part in range(50):
            events = [
                CallEvent(
                    id=f"0198{part:04x}-0000-7000-8000-{number:012x}",
                    started_at=start + (part * 1000 + number) * 10**8,
                    provider="openai",
                    operation="chat",
                    request_model="gpt-5-mini",
                    tenant_id=f"tenant {number % 7}",
                    units={"input": number, "output": 5},
                    cost_nano=number,
                    cost_status="priced",
                )
                for number in range(1000)
            ]
            ledger.ingest(events, journal="test", segment=0, offset=part + 1)
    return path


@pytest.mark.parametrize("form", WRITERS)
def test_memory_does_not_grow_with_the_number_of_calls(large, form):
    latest = 1_795_000_000_000_000_000 + 39_999 * 10**8
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(large), form, str(latest)], capture_output=True, text=True, check=True
    )
    (few, small), (many, whole) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert (few, many) == (10_001, 50_000)
    # Kilobytes; the 50,000 events take 58,000 when they are held.
    assert whole - small < 16_000
