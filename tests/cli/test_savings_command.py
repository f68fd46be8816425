"""`farebox savings`: what it prints, and what it can be asked."""

from __future__ import annotations

import json

import pytest

from farebox.ledger.registry import open_ledger


@pytest.fixture
def routed(tmp_path, make_event):
    path = tmp_path / "routed.db"
    with open_ledger(path) as ledger:
        events = [
            make_event(tenant_id=tenant, baseline_model="gpt-5", baseline_cost_nano=nano)
            for tenant, nano in (("acme", 4_500_000), ("globex", 400_000))
        ]
        ledger.ingest(events, journal="test", segment=0, offset=1)
    return path


def test_savings_are_a_table_with_their_methods_below(farebox_command, routed):
    result = farebox_command("savings", "--ledger", str(routed))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "$0.0031" in result.stdout
    assert "! routing: the same usage priced on the baseline model" in result.stdout


def test_savings_by_tenant_may_be_losses(farebox_command, routed):
    result = farebox_command("savings", "--by", "tenant", "--json", "--ledger", str(routed))
    rows = {row["tenant_id"]: row["saved"] for row in json.loads(result.stdout)["rows"]}
    assert rows == {"acme": "0.0036", "globex": "-0.0005"}
    only = farebox_command("savings", "--where", "method=prompt_cache", "--ledger", str(routed))
    assert "No savings" in only.stdout
