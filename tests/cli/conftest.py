"""The command as a person runs it, and a ledger to ask."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from farebox import runtime
from farebox.cli import main
from farebox.ledger.registry import open_ledger


@pytest.fixture
def farebox_command():
    """Run `farebox` in this process; the result has stdout, stderr and exit_code."""

    def run(*arguments):
        return CliRunner().invoke(main, arguments, prog_name="farebox")

    yield run
    runtime.reset()


@pytest.fixture
def written(tmp_path, make_event):
    """A ledger with three calls of two tenants."""
    path = tmp_path / "written.db"
    with open_ledger(path) as ledger:
        ledger.ingest(
            [
                make_event(tenant_id="acme", task_type="analysis", cost_nano=3_000_000),
                make_event(tenant_id="acme", task_type="search", cost_nano=1_000_000),
                make_event(tenant_id="globex", request_model="mystery", cost_nano=None, cost_status="unpriced"),
            ],
            journal="test",
            segment=0,
            offset=1,
        )
    return path
