"""`/metrics` says what plain SQL says."""

from __future__ import annotations

import re
import sqlite3
import sys

import pytest
from serving import NOW


def test_metrics_are_plain_sums_over_all_calls(dashboard, path, write, make_event):
    write(
        *(
            make_event(started_at=NOW - number * 10**13, request_model=f"m{number % 3}", cost_nano=number * 7)
            for number in range(50)
        ),
        make_event(started_at=NOW, cost_nano=None, cost_status="unpriced", tenant_id='a"\n<b>'),
    )
    answer = dashboard.ask("/metrics")
    assert answer.status == 200
    assert "text/plain" in answer.headers["content-type"] or "openmetrics" in answer.headers["content-type"]
    with sqlite3.connect(path) as connection:
        found = connection.execute(
            "SELECT request_model, sum(cost_nano), count(*) FROM calls WHERE cost_nano IS NOT NULL GROUP BY 1"
        ).fetchall()
    connection.close()
    costs = dict(
        re.findall(r'^farebox_cost_usd_total\{model="(m\d)",provider="openai"\} (\S+)$', answer.text, re.MULTILINE)
    )
    assert {name: round(float(value) * 1e9) for name, value in costs.items()} == {name: nano for name, nano, _ in found}
    write(make_event(started_at=NOW, request_model="m0", cost_nano=1_000_000_000))
    later = dashboard.ask("/metrics").text
    (value,) = re.findall(r'^farebox_cost_usd_total\{model="m0",provider="openai"\} (\S+)$', later, re.MULTILINE)
    assert float(value) == pytest.approx(float(costs["m0"]) + 1)


def test_without_the_client_library_it_says_how_to_get_it(dashboard, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    answer = dashboard.ask("/metrics")
    assert (answer.status, "farebox[prometheus]" in answer.json["error"]) == (501, True)
