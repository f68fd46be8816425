"""Names of a client library over several providers. May import the face's functions and everything below.

Such a library has `query()`, which stays as it is, and `query_with_tracking()`, which returns (answer, usage metrics) beside it.
"""

from __future__ import annotations

from farebox.answered import query_with_tracking

__all__ = ["query_with_tracking"]
