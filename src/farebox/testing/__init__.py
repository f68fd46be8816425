"""What tests of programs that call language models need: a provider on loopback. Imports the standard library and testing only.

`FakeProvider` speaks the wire formats of OpenAI, Anthropic and Google, counts real tokens and remembers what it billed. With
pytest, the fixtures `farebox_provider` and `farebox_calls` come by themselves.
"""

from __future__ import annotations

from farebox.testing.provider import FakeProvider
from farebox.testing.wire import Billed, Received

__all__ = ["Billed", "FakeProvider", "Received"]
