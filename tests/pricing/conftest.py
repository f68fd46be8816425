"""The published price data, written from the objects of the installed package as its publisher writes it."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest

from farebox import runtime


def as_published(value):
    """Any object of that package in the published JSON's words."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [as_published(one) for one in value]
    if isinstance(value, dict):
        return {name: as_published(one) for name, one in value.items()}
    if hasattr(value, "__dict__"):
        fields = {name.removesuffix("_"): as_published(one) for name, one in vars(value).items() if one is not None}
        return {name: one for name, one in fields.items() if name not in LEFT_OUT}
    return value


LEFT_OUT = {"extractors", "tiered", "model_match", "provider_match", "name", "description", "price_comments"}


@pytest.fixture(scope="session")
def published_rows():
    from genai_prices.data import providers

    # Through text and back, so that a test may change plain data.
    return json.dumps(as_published(providers), default=str)


@pytest.fixture
def own_data_directory(tmp_path, monkeypatch):
    """Stored books of this test's own, and a fresh choice of the book in force."""
    directory = tmp_path / "data"
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(directory))
    runtime.reset()
    yield directory
    runtime.reset()
