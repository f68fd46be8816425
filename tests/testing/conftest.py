"""A loopback provider for each test, and clients that are closed again."""

from __future__ import annotations

import pytest

from farebox.testing import FakeProvider
from farebox.testing.plugin import farebox_calls, farebox_provider  # noqa: F401 - fixtures


@pytest.fixture
def provider():
    with FakeProvider() as running:
        yield running


@pytest.fixture
def openai_client(provider):
    with provider.openai_client(max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(provider):
    with provider.anthropic_client(max_retries=0) as client:
        yield client


@pytest.fixture
def genai_client(provider):
    client = provider.genai_client()
    yield client
    client.close()


@pytest.fixture
def valid():
    """Validates an SDK's object (the SDKs themselves take anything) and gives its members as the provider sent them."""

    def check(model):
        type(model).model_validate(model.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings="error"))
        return model.model_dump(mode="json", by_alias=True, exclude_unset=True)

    return check


@pytest.fixture
def vertex_client(provider):
    client = provider.genai_client(vertexai=True)
    yield client
    client.close()
