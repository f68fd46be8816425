"""Admin keys: read when they are needed, from a variable or a file; never stored, logged or shown. Imports core.errors and reconcile_settings."""

from __future__ import annotations

import os
from pathlib import Path

from farebox.reconcile.pages import StatementError
from farebox.reconcile_settings import BillSource


def admin_key(source: BillSource, variable: str, hint: str) -> str:
    """The key.

    Args:
        source: what the settings say.
        variable: the provider's usual variable.
        hint: what kind of key is needed.

    Raises:
        StatementError: there is none.
    """
    if source.key_file is not None:
        path = Path(source.key_file).expanduser()
        try:
            found = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise StatementError(f"the key file {path} cannot be read ({why}): {hint}") from None
        if not found or any(character.isspace() for character in found):
            raise StatementError(f"the key file {path} holds no key: {hint}")
        return found
    name = source.key_env or variable
    found = os.environ.get(name, "").strip()
    if not found:
        raise StatementError(f"no admin key: set {name}, or reconcile.key_file in farebox.toml; {hint}")
    return found
