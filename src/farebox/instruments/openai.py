"""What is done to the openai SDK, 1.66 and later: its hooks; the endpoints stand in files of their own. Imports core only.

Contracts held by tests against openai 1.66.2, 1.109.1, 2.54.0 and 3.54.0.
"""

from __future__ import annotations

from typing import Final

from farebox.core import semconv
from farebox.instruments import openai_jobs, openai_media, openai_text
from farebox.instruments.hook import Hook, Instrument
from farebox.instruments.stainless import Stainless

ENDPOINTS: Final = (*openai_text.ENDPOINTS, *openai_media.ENDPOINTS, *openai_jobs.ENDPOINTS)

INSTRUMENT: Final = Instrument(
    name="openai",
    distribution="openai",
    package="openai",
    hooks=(
        Hook("openai._base_client", "SyncAPIClient.request", "call"),
        Hook("openai._base_client", "AsyncAPIClient.request", "coroutine"),
    ),
    dialect=Stainless(ENDPOINTS, own=semconv.OPENAI),
)
