"""What is done to other people's SDKs. May import core and extraction only."""

from __future__ import annotations
