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
from farebox.core.metering import Meter
from farebox.instruments.audit import Audit
from farebox.instruments.hook import Hook, HookState, Instrument, WireOptions
from farebox.instruments.observation import settle_open
from farebox.instruments.registry import CARRYING, INSTRUMENTS
from farebox.instruments.wrapper import Layer

__all__ = ["Installed", "WireOptions", "install", "layers"]

State = Literal["hooked", "waiting", "missing", "other_release", "absent", "faulty", "undone"]

_lock: Final = threading.RLock()
"""Held while attributes of an SDK are exchanged; never while user code runs."""


class _Seat:
    """One hook of one installation: where it sits, and how it got there.

    The first installation to reach a function wraps it; later ones join the same wrapper and take over when the first leaves.
    """

    def __init__(self, instrument: Instrument, hook: Hook, layer: Layer) -> None:
        self.instrument = instrument
        self.hook = hook
        self.state: State = "waiting"
        self.detail = ""
        self._layer = layer
        self._meter = layer.meter
        self._options = layer.options
        self._parent: Any = None
        self._name = ""

    def sit(self, module: ModuleType) -> None:
        """Wrap the function, or join the wrapper that is there; nothing when this was undone meanwhile."""
        with _lock:
            if self.state == "waiting":
                self.state, self.detail = attempt(self._wrap, module, on_error=lambda error: ("faulty", repr(error)))

    def _wrap(self, module: ModuleType) -> tuple[State, str]:
        from wrapt import FunctionWrapper

        *path, self._name = self.hook.attribute.split(".")
        self._parent = module
        for part in path:
            self._parent = getattr(self._parent, part, None)
        # Read from `vars`: restoring what `getattr` gives would turn a descriptor into something else.
        found = None if self._parent is None else vars(self._parent).get(self._name)
        if found is None and self.hook.only:
            return "other_release", f"{self.hook.target} is there in {self.hook.only}"
        if found is None:
            return "missing", f"{self.hook.target} is not there in this version"
        layer = next((layer for layer in layers(found) if layer.hook.around == self.hook.around), None)
        if layer is None:
            wrapped: Any = FunctionWrapper(found, self._layer.wrapper())
            wrapped._self_farebox = self._layer  # noqa: SLF001 - wrapt's word for an attribute of the wrapper itself
            setattr(self._parent, self._name, wrapped)
            self._layer.replaces(found, wrapped)
            layer = self._layer
        self._layer = layer
        layer.holders.append(self)
        if layer.holders[0] is self:
            self._take()
        return "hooked", "" if found is layer.ours or layer.original is found else "under another patcher"

    def _take(self) -> None:
        self._layer.meter, self._layer.options, self._layer.active = self._meter, self._options, True

    def leave(self) -> None:
        """Let the next installation take over; after the last, put the very original back where ours is on top.

        Where another patcher stands above, calls pass through from then on.
        """
        with _lock:
            if self.state not in {"hooked", "waiting"}:
                return
            self.state, self.detail = "undone", ""
            layer = self._layer
            if self not in layer.holders:
                return
            layer.holders.remove(self)
            if layer.holders:
                layer.holders[0]._take()  # noqa: SLF001 - a seat like this one
                return
            layer.active = False
            if vars(self._parent).get(self._name) is layer.ours:
                setattr(self._parent, self._name, layer.original)


def layers(function: Any) -> Iterator[Layer]:
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
        audit: what counts the requests below them, or None.
    """

    def __init__(self, seats: Sequence[_Seat], audit: Audit | None = None) -> None:
        self._seats = tuple(seats)
        self.audit = audit

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
                only=seat.hook.only,
            )
            for seat in self._seats
        ]

    def undo(self) -> None:
        """Take every hook back; the second time nothing happens."""
        for seat in reversed(self._seats):  # what stands above another of ours goes first
            contained("undo a hook", seat.leave)
        if self.audit is not None:
            contained("undo an audit", self.audit.undo)


def install(
    names: Sequence[str],
    *,
    meter: Callable[[], Meter | None],
    options: WireOptions,
    carry: bool = False,
    audit: Audit | None = None,
) -> Installed:
    """Hook SDKs, now where they are imported and otherwise when they will be. Imports no SDK itself.

    Args:
        names: instruments (`registry.INSTRUMENTS`); empty: every one, silently passing over SDKs that are not installed.
        meter: gives the meter that calls report to, asked at each call; None: nothing is metered.
        options: what may be changed on the wire.
        carry: whether threads and pools carry the scope of the code that started the work.
        audit: counts the requests below the hooks; None: nothing is counted.

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
    if audit is not None:
        instruments += audit.instruments()
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
    if audit is not None:
        contained("audit", audit.watch_existing)
    # Registered late, so that it runs before whatever writes events away at exit; registering twice would only run it twice.
    atexit.unregister(settle_open)
    atexit.register(settle_open)
    return Installed(seats, audit)


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
