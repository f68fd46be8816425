"""Applies instruments and undoes them: never twice, each hook alone. Imports core only, and wrapt when something is applied."""

from __future__ import annotations

import atexit
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from types import ModuleType
from typing import Any, Final, Literal

from farebox.core.errors import ConfigurationError
from farebox.core.guard import attempt, contained
from farebox.core.ports import Meter
from farebox.instruments.hook import Hook, HookState, Instrument, WireOptions
from farebox.instruments.observation import settle_open
from farebox.instruments.registry import CARRYING, INSTRUMENTS
from farebox.instruments.wrapper import Layer

__all__ = ["Installed", "WireOptions", "install"]

State = Literal["hooked", "waiting", "shared", "missing", "absent", "faulty", "undone"]

_lock: Final = threading.RLock()
"""Held while attributes of an SDK are exchanged; never while user code runs."""


class _Seat:
    """One hook of one installation: where it sits, and how it got there."""

    def __init__(self, instrument: Instrument, hook: Hook, layer: Layer) -> None:
        self.instrument = instrument
        self.hook = hook
        self.layer = layer
        self.state: State = "waiting"
        self.detail = ""
        self._parent: Any = None
        self._name = ""
        self._original: Any = None
        self._ours: Any = None

    def sit(self, module: ModuleType) -> None:
        """Wrap the function, unless this was undone meanwhile or somebody's wrapper of ours is in place already."""
        with _lock:
            if self.state != "waiting":
                return
            self.state, self.detail = attempt(self._wrap, module, on_error=lambda error: ("faulty", repr(error)))

    def _wrap(self, module: ModuleType) -> tuple[State, str]:
        from wrapt import FunctionWrapper

        *path, name = self.hook.attribute.split(".")
        parent: Any = module
        for part in path:
            parent = getattr(parent, part, None)
        # Read from `vars`: restoring what `getattr` gives would turn a descriptor into something else.
        original = vars(parent).get(name) if parent is not None else None
        if original is None:
            return "missing", f"{self.hook.target} is not there in this version"
        for layer in _layers(original):
            if layer.active:
                return "shared", "wrapped by an earlier installation, which goes on metering"
            # Another patcher stands above a wrapper of ours that was undone: it is woken, not doubled.
            layer.meter, layer.options, layer.active = self.layer.meter, self.layer.options, True
            self.layer = layer
            return "hooked", "under another patcher"
        wrapped: Any = FunctionWrapper(original, self.layer.wrapper())
        wrapped._self_farebox = self.layer  # noqa: SLF001 - wrapt's word for an attribute of the wrapper itself
        self._parent, self._name, self._original, self._ours = parent, name, original, wrapped
        setattr(parent, name, wrapped)
        return "hooked", ""

    def leave(self) -> None:
        """Put the very original back where ours is on top; where another patcher stands above, let calls pass through."""
        with _lock:
            if self.state == "hooked":
                self.layer.active = False
                if self._ours is not None and vars(self._parent).get(self._name) is self._ours:
                    setattr(self._parent, self._name, self._original)
            if self.state in {"hooked", "waiting", "shared"}:
                self.state, self.detail = "undone", ""


def _layers(function: Any) -> Iterator[Layer]:
    """Our layers under `function`, through whatever patchers keep `__wrapped__`."""
    for _ in range(32):
        if function is None:
            return
        layer = getattr(function, "_self_farebox", None)
        if isinstance(layer, Layer):
            yield layer
        function = getattr(function, "__wrapped__", None)


class Installed:
    """What one `install` did; undoes it.

    Args:
        seats: one per hook.
    """

    def __init__(self, seats: Sequence[_Seat]) -> None:
        self._seats = tuple(seats)

    def states(self) -> list[HookState]:
        """How each hook stands now."""
        return [
            HookState(
                instrument=seat.instrument.name,
                distribution=seat.instrument.distribution,
                version=_version(seat.instrument.distribution),
                target=seat.hook.target,
                state=seat.state,
                detail=seat.detail,
            )
            for seat in self._seats
        ]

    def undo(self) -> None:
        """Take every hook back; the second time nothing happens."""
        for seat in self._seats:
            contained("undo a hook", seat.leave)


def install(
    names: Sequence[str], *, meter: Callable[[], Meter | None], options: WireOptions, carry: bool = False
) -> Installed:
    """Hook SDKs, now where they are imported and otherwise when they will be. Imports no SDK itself.

    Args:
        names: instruments (`registry.INSTRUMENTS`); empty: every one, silently passing over SDKs that are not installed.
        meter: gives the meter that calls report to, asked at each call; None: nothing is metered.
        options: what may be changed on the wire.
        carry: whether threads and pools carry the scope of the code that started the work.

    Raises:
        ConfigurationError: a name is not known, or names an SDK that is not installed.
    """
    instruments: list[Instrument] = [INSTRUMENTS[name] for name in names or tuple(INSTRUMENTS)]
    for instrument in instruments if names else ():
        if not _present(instrument):
            raise ConfigurationError(
                f"{instrument.name!r} cannot be instrumented: {instrument.distribution} is not installed;"
                f" install it (pip install {instrument.distribution}) or leave the name out"
            )
    if carry:
        instruments += [CARRYING[name] for name in CARRYING]
    seats = [
        _Seat(instrument, hook, Layer(instrument, hook, meter, options))
        for instrument in instruments
        for hook in instrument.hooks
    ]
    for seat in seats:
        if _present(seat.instrument):
            _when_imported(seat)
        else:
            seat.state, seat.detail = "absent", f"{seat.instrument.distribution} is not installed"
    # Registered late, so that it runs before whatever writes events away at exit; registering twice would only run it twice.
    atexit.unregister(settle_open)
    atexit.register(settle_open)
    return Installed(seats)


def _present(instrument: Instrument) -> bool:
    if instrument.package in sys.modules:
        return True
    found = attempt(importlib.util.find_spec, instrument.package, on_error=lambda _error: None)
    return found is not None


def _when_imported(seat: _Seat) -> None:
    module = sys.modules.get(seat.hook.module)
    if module is not None:
        seat.sit(module)
        return
    from wrapt import register_post_import_hook

    register_post_import_hook(seat.sit, seat.hook.module)


def _version(distribution: str) -> str | None:
    return attempt(metadata.version, distribution, on_error=lambda _error: None)
