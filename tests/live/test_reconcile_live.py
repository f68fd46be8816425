"""The billing interfaces as they are today. Off by default: `OPENAI_ADMIN_KEY=... pytest -m live tests/live -s`. Reads three days, changes nothing."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from farebox.ledger.registry import open_ledger
from farebox.reconcile.run import reconcile

KEYS = {"openai": "OPENAI_ADMIN_KEY", "anthropic": "ANTHROPIC_ADMIN_KEY"}


@pytest.mark.live
@pytest.mark.parametrize("provider", KEYS)
def test_a_real_statement_is_understood_whole(provider, tmp_path):
    key = os.environ.get(KEYS[provider])
    if not key:
        pytest.skip(f"needs {KEYS[provider]}")
    since = (datetime.now(UTC) - timedelta(days=5)).date().isoformat()
    until = (datetime.now(UTC) - timedelta(days=3)).date().isoformat()
    path = tmp_path / "ledger.db"
    with open_ledger(path) as ledger:
        found = reconcile(ledger, path, providers=[provider], since=since, until=until)
    for result in found.results:
        print(result.day, result.status, "billed", result.billed)
        for row in result.tokens:
            print("  ", row.model, row.tier, "batch" if row.batch else "", row.unit, row.billed)
        for item in result.money:
            print("  ", item.item, item.billed)
        for cause in result.causes:
            print("  ", cause.kind, cause.model, cause.what, cause.amount)
    assert found.gaps == ()
    assert all(result.complete and not result.unexplained for result in found.results)
    assert all(key not in file.read_bytes().decode("latin-1") for file in tmp_path.iterdir())
