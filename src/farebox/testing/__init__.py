"""What tests of programs that call language models need: a provider on loopback. Imports testing, when a name is first used.

`FakeProvider` speaks the wire formats of OpenAI, Anthropic and Google, counts real tokens and remembers what it billed;
`FakeBilling` serves usage and costs of the same traffic, as their billing interfaces do. With
pytest, the fixtures `farebox_provider` and `farebox_calls` come by themselves; pytest loads this package in every run where farebox
is installed, so it must cost nothing until then.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from farebox.testing.bill import Billed
    from farebox.testing.billing.provider import FakeBilling
    from farebox.testing.provider import FakeProvider
    from farebox.testing.wire import Received

__all__ = ["Billed", "FakeBilling", "FakeProvider", "Received"]

_HOMES: Final = {
    "Billed": "farebox.testing.bill",
    "FakeBilling": "farebox.testing.billing.provider",
    "FakeProvider": "farebox.testing.provider",
    "Received": "farebox.testing.wire",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'farebox.testing' has no attribute {name!r}: it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
