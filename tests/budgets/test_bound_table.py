from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from farebox.budgets import bound_page
from farebox.budgets.bound_table import table
from farebox.budgets.bound_walk import READERS
from farebox.core import semconv
from farebox.pricing.rate import UNITS

ROWS = table()
REVIEWED = [
    ROWS.margin,
    *ROWS.models,
    *(feature for endpoint in ROWS.endpoints for feature in endpoint.feature),
]
PAGE = Path(__file__).parents[2] / "docs" / "strict.md"


@pytest.mark.parametrize(
    "row", REVIEWED, ids=lambda row: getattr(row, "feature", None) or str(getattr(row, "names", ""))
)
def test_every_row_says_where_it_is_from_when_that_was_checked_and_how_sure_it_is(row):
    assert row.source.startswith(("https://", "recorded exchanges"))
    assert date.fromisoformat(row.checked) >= date(2026, 11, 25)
    assert row.confidence in {"documented", "measured", "secondary"}


def test_every_word_of_a_row_has_a_reader_and_every_node_is_used():
    used = set()
    for endpoint in ROWS.endpoints:
        for provider in endpoint.providers:
            for api in endpoint.apis:
                found = ROWS.endpoint(provider, api)
                assert found is not None
                walk(found[1], used)
    assert used == {node.name for node in ROWS.nodes}


def walk(keys, used):
    for rule in keys.values():
        assert rule.kind in READERS
        if rule.kind in {"node", "nodes", "parts"} and rule.argument.name not in used:
            used.add(rule.argument.name)
            for inner in (rule.argument.keys, *rule.argument.kinds.values()):
                walk(inner, used)


def test_every_interface_is_one_that_requests_name_and_every_write_has_a_price():
    names = {value for name, value in vars(semconv).items() if name.startswith("API_")}
    for endpoint in ROWS.endpoints:
        assert set(endpoint.apis) <= names
        for unit in (*endpoint.writes, *(unit for feature in endpoint.feature for unit in feature.writes)):
            assert unit in semconv.CACHE_WRITE_UNITS
            assert unit in UNITS
        assert endpoint.output == bool(endpoint.write_cap)


def test_the_cap_that_is_written_is_one_that_is_read():
    for endpoint in ROWS.endpoints:
        found = ROWS.endpoint(endpoint.providers[0], endpoint.apis[0])
        assert found is not None
        keys = found[1]
        for at, name in enumerate(endpoint.write_cap):
            rule = keys[name]
            if at == len(endpoint.write_cap) - 1:
                assert rule.kind == "cap"
            else:
                keys = rule.argument.keys


def test_no_model_stands_in_two_rows_with_one_name():
    patterns = [(provider, name) for row in ROWS.models for provider in row.providers for name in row.names]
    assert len(patterns) == len(set(patterns)), json.dumps(patterns)


def test_the_page_has_the_table_as_it_is():
    page = PAGE.read_text(encoding="utf-8")
    assert page == bound_page.written(page, ROWS) + "\n", "run python -m farebox.budgets.bound_page docs/strict.md"


def test_the_page_is_written_from_the_table_and_what_stands_before_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{bound_page.MARK}\nold", encoding="utf-8")
    bound_page.main(str(page))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Before\n")
    assert text.partition(bound_page.MARK)[2] == PAGE.read_text(encoding="utf-8").partition(bound_page.MARK)[2]


def test_the_programs_of_the_page_run(capsys):
    blocks = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    assert blocks
    for block in blocks:
        exec(block.partition("```")[0], {})
    assert "never above" in capsys.readouterr().out
