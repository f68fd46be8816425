"""The provider's bill against the ledger: statements are read, compared day by day, and each difference is given a cause.

May import pricing, ledger, config and what stands below them.
"""

from __future__ import annotations
