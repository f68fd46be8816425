"""What `instrument()` hands out: a handle on the hooks that it put in force. Imports core.errors only."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from farebox.core.errors import ConfigurationError

if TYPE_CHECKING:
    from farebox.instruments.audit import AuditReport


class Instrumentation:
    """The hooks that one `instrument()` put in force; as a context manager it removes them at the end.

    Attributes:
        names: the instruments asked for.
    """

    def __init__(self, names: tuple[str, ...], installed: Any, removed: Callable[[Any], object]) -> None:
        self.names = names
        self._installed = installed
        self._removed = removed

    @property
    def states(self) -> list[Any]:
        """What is hooked, what waits for its SDK to be imported, and what found nothing to hook."""
        return [] if self._installed is None else self._installed.states()

    def audit(self) -> AuditReport:
        """What left below the hooks since they were put in force, with `audit=True`.

        Raises:
            ConfigurationError: no audit was asked for.
        """
        if self._installed is None or self._installed.audit is None:
            raise ConfigurationError("nothing was audited: call farebox.instrument(audit=True)")
        report: AuditReport = self._installed.audit.report()
        return report

    def undo(self) -> None:
        """Remove these hooks; again is nothing."""
        installed, self._installed = self._installed, None
        if installed is not None:
            installed.undo()
            self._removed(installed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.undo()
