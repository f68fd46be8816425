from __future__ import annotations

from farebox.ledger.locate import SCHEMA_VERSION
from farebox.ledger.migrations import MIGRATIONS


def test_the_number_in_the_header_is_that_of_the_last_migration():
    assert len(MIGRATIONS) == SCHEMA_VERSION
