"""The host names the provider, then the client's class, then the SDK."""

from __future__ import annotations

import pytest

from farebox.core import semconv
from farebox.instruments import providers
from farebox.instruments.hook import WireOptions


class Client:
    pass


def place(address, client=None, own="openai", **options):
    return providers.place(client or Client(), address, own=own, options=WireOptions(**options))


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("mine.openai.azure.com", "azure"),
        ("mine.services.ai.azure.com", "azure"),
        ("openrouter.ai", "openrouter"),
        ("api.groq.com", "groq"),
        ("api.deepseek.com", "deepseek"),
        ("api.x.ai", "x-ai"),
        ("api.mistral.ai", "mistral"),
        ("api.together.xyz", "together"),
        ("api.fireworks.ai", "fireworks"),
        ("api.cerebras.ai", "cerebras"),
        ("api.perplexity.ai", "perplexity"),
        ("generativelanguage.googleapis.com", "google"),
        ("us-east5-aiplatform.googleapis.com", "google-vertex"),
        ("aiplatform.us.rep.googleapis.com", "google-vertex"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws-bedrock"),
        ("127.0.0.1", "openai"),
        ("localhost", "openai"),
        ("gateway.example", "openai"),
        ("notapi.openai.com.example", "openai"),
        (None, "openai"),
    ],
)
def test_a_host_names_its_provider(address, provider):
    found = place(address)
    assert (found.provider, found.address) == (provider, address)


@pytest.mark.parametrize("own", ["openai", "anthropic", "google"])
def test_an_unknown_host_keeps_the_sdks_own_provider(own):
    assert place("gateway.example", own=own).provider == own


def test_a_cloud_client_is_its_cloud_behind_any_host():
    class BaseBedrockClient:
        aws_region = "eu-west-1"

    class Mine(BaseBedrockClient):
        pass

    found = place("127.0.0.1", Mine(), own="anthropic")
    assert (found.provider, found.extra) == (semconv.AWS_BEDROCK, {"location": "eu-west-1"})


@pytest.mark.parametrize(
    ("address", "residency"), [("eu.api.openai.com", "eu"), ("api.openai.com", None), ("us.api.openai.com", "us")]
)
def test_a_regional_host_of_openai_is_a_data_residency(address, residency):
    assert place(address).extra == ({"data_residency": residency} if residency else None)


@pytest.mark.parametrize(
    ("address", "takes"),
    [
        ("api.openai.com", True),
        ("api.groq.com", True),
        ("api.mistral.ai", False),
        ("127.0.0.1", False),
        ("mine.example", True),
    ],
)
def test_only_known_hosts_take_the_usage_option(address, takes):
    assert place(address, usage_hosts=frozenset({"mine.example"})).takes_usage_option is takes


def test_no_host_stands_twice():
    names = [row.suffix for row in providers.HOSTS]
    assert len(names) == len(set(names))


def test_a_place_is_found_out_again_when_the_base_url_changes():
    places, client, options = providers.Places(), Client(), WireOptions()
    first = places.of(client, "https://api.groq.com/v1", own="openai", options=options)
    again = places.of(
        client, "https://api.groq.com/v1".replace("groq", "x").replace("x.com", "x.ai"), own="openai", options=options
    )
    assert (first.provider, again.provider) == ("groq", "x-ai")
