"""Google's wire format, a file per subject. Imports nothing."""

from __future__ import annotations
