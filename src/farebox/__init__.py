"""farebox sees, bounds and explains what a Python program spends on language models."""

from __future__ import annotations
