"""What is done to the openai SDK, 1.66 and later: its hooks; the endpoints stand in files of their own. Imports core only.

Contracts held by tests against openai 1.66.2, 1.109.1, 2.54.0 and 3.54.0.
"""

from __future__ import annotations

from typing import Final

from farebox.core import semconv
from farebox.instruments import openai_jobs, openai_media, openai_text
from farebox.instruments.hook import Hook, Instrument
from farebox.instruments.retries import before_retry
from farebox.instruments.stainless import Stainless

ENDPOINTS: Final = (*openai_text.ENDPOINTS, *openai_media.ENDPOINTS, *openai_jobs.ENDPOINTS)

RETRIES: Final = (
    ("SyncAPIClient._sleep_for_retry", "newer releases"),
    ("AsyncAPIClient._sleep_for_retry", "newer releases"),
    ("SyncAPIClient._retry_request", "older releases"),
    ("AsyncAPIClient._retry_request", "older releases"),
)
"""What is called before a retry, and in which releases."""

INSTRUMENT: Final = Instrument(
    name="openai",
    distribution="openai",
    package="openai",
    hooks=(
        Hook("openai._base_client", "SyncAPIClient.request", "call"),
        Hook("openai._base_client", "AsyncAPIClient.request", "coroutine"),
        *(Hook("openai._base_client", name, around=before_retry, only=when) for name, when in RETRIES),
    ),
    dialect=Stainless(ENDPOINTS, own=semconv.OPENAI),
)
