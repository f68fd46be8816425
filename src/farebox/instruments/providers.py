"""Who bills a call: the host decides, then the client's class, then the SDK. Imports core only.

Ids are those of the price book where it has one. Hosts were checked 2026-11-22 against the book's own patterns.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from farebox.core import semconv
from farebox.instruments.hook import Place, WireOptions


class Host(msgspec.Struct, frozen=True):
    """One row: a host name or the end of one, and who bills there.

    Attributes:
        suffix: the host's name, of which subdomains count too; with a leading hyphen the end of a name.
        provider: who bills.
        takes_usage_option: known to accept `stream_options.include_usage`. Hosts that send usage unasked say False:
            asking could only fail (Mistral answered 422, openai-agents-python#442).
    """

    suffix: str
    provider: str
    takes_usage_option: bool = False


HOSTS: Final[tuple[Host, ...]] = (
    Host("api.openai.com", semconv.OPENAI, takes_usage_option=True),
    Host("openai.azure.com", semconv.AZURE, takes_usage_option=True),
    Host("cognitiveservices.azure.com", semconv.AZURE, takes_usage_option=True),
    Host("services.ai.azure.com", semconv.AZURE, takes_usage_option=True),
    Host("azure-api.net", semconv.AZURE),
    Host("api.anthropic.com", semconv.ANTHROPIC),
    Host("generativelanguage.googleapis.com", semconv.GOOGLE, takes_usage_option=True),
    Host("aiplatform.googleapis.com", semconv.GOOGLE_VERTEX, takes_usage_option=True),
    Host("-aiplatform.googleapis.com", semconv.GOOGLE_VERTEX, takes_usage_option=True),
    Host("rep.googleapis.com", semconv.GOOGLE_VERTEX, takes_usage_option=True),
    Host("openrouter.ai", "openrouter", takes_usage_option=True),
    Host("api.groq.com", "groq", takes_usage_option=True),
    Host("api.deepseek.com", "deepseek", takes_usage_option=True),
    Host("api.x.ai", "x-ai", takes_usage_option=True),
    Host("api.mistral.ai", "mistral"),
    Host("api.together.ai", "together"),
    Host("api.together.xyz", "together"),
    Host("api.fireworks.ai", "fireworks"),
    Host("api.cerebras.ai", "cerebras", takes_usage_option=True),
    Host("api.perplexity.ai", "perplexity"),
    Host("api.moonshot.ai", "moonshotai", takes_usage_option=True),
    Host("api.moonshot.cn", "moonshotai", takes_usage_option=True),
    Host("api.novita.ai", "novita"),
    Host("api.z.ai", "zai"),
    Host("open.bigmodel.cn", "zhipuai"),
    Host("api.minimax.io", "minimax"),
    Host("api.minimaxi.com", "minimax"),
    Host("api.cohere.ai", "cohere"),
    Host("api.cohere.com", "cohere"),
    Host("api.voyageai.com", "voyageai"),
    Host("inference.baseten.co", "baseten"),
    Host("modal.run", "modal"),
    Host("api.githubcopilot.com", "github-copilot"),
    Host("cloud.databricks.com", "databricks"),
    Host("azuredatabricks.net", "databricks"),
    Host("oai.endpoints.kepler.ai.cloud.ovh.net", "ovhcloud"),
    Host("api.arcee.ai", "arcee"),
    Host("api.avian.io", "avian"),
    Host("api.doubleword.ai", "doubleword"),
    Host("api.meta.ai", "meta"),
    # Hosts that the price book has no prices of: their calls are named as theirs, and not priced as OpenAI's.
    Host("ollama.com", "ollama"),
    Host("api.ai21.com", "ai21"),
    Host("api.deepinfra.com", "deepinfra"),
    Host("api.sambanova.ai", "sambanova"),
    Host("api.studio.nebius.ai", "nebius"),
    Host("api.studio.nebius.com", "nebius"),
    Host("api.tokenfactory.nebius.com", "nebius"),
    Host("api.hyperbolic.xyz", "hyperbolic"),
    Host("router.huggingface.co", "huggingface"),
    Host("endpoints.huggingface.cloud", "huggingface"),
    Host("integrate.api.nvidia.com", "nvidia"),
    Host("dashscope.aliyuncs.com", "alibaba"),
    Host("dashscope-intl.aliyuncs.com", "alibaba"),
    Host("api.siliconflow.cn", "siliconflow"),
    Host("api.siliconflow.com", "siliconflow"),
    Host("api.lambda.ai", "lambda"),
    Host("inference.do-ai.run", "digitalocean"),
    Host("models.github.ai", "github"),
    Host("models.inference.ai.azure.com", "github"),
    Host("api.scaleway.ai", "scaleway"),
    Host("api.upstage.ai", "upstage"),
    Host("api.featherless.ai", "featherless"),
    Host("api.friendli.ai", "friendli"),
    Host("api.inference.net", "inference-net"),
    Host("volces.com", "volcengine"),
    Host("qianfan.baidubce.com", "baidu"),
    Host("api.hunyuan.cloud.tencent.com", "tencent"),
    Host("api.stepfun.com", "stepfun"),
    Host("api.cloudflare.com", "cloudflare"),
    Host("ai-gateway.vercel.sh", "vercel"),
    Host("llm.chutes.ai", "chutes"),
    Host("amazonaws.com", semconv.AWS_BEDROCK),
    Host("api.aws", semconv.AWS_BEDROCK),
)

CLIENTS: Final[Mapping[str, str]] = {
    "BaseAzureClient": semconv.AZURE,
    "BedrockOpenAI": semconv.AWS_BEDROCK,
    "AsyncBedrockOpenAI": semconv.AWS_BEDROCK,
    "BaseBedrockClient": semconv.AWS_BEDROCK,
    "BaseMantleClient": semconv.AWS_BEDROCK,
    "BaseVertexClient": semconv.GOOGLE_VERTEX,
    "BaseGoogleCloudClient": semconv.GOOGLE_VERTEX,
    "BaseFoundryClient": semconv.AZURE,
}
"""Client classes (or their bases, by name: no SDK is imported) that fix the provider whatever the host: a proxy in front of it bills alike."""

RESIDENCIES: Final = frozenset({"us", "eu", "ae", "au", "in", "jp"})
"""First labels of OpenAI's regional hosts (`eu.api.openai.com`), which are its data residencies."""

AZURE_USAGE_SINCE: Final = "2024-09-01"
"""Azure OpenAI answers 400 to `stream_options` under an older api-version (openai-python#1469)."""

_BY_SUFFIX: Final = {row.suffix: row for row in HOSTS}
_BY_END: Final = tuple(row for row in HOSTS if row.suffix.startswith("-"))


def host(address: str) -> Host | None:
    """The row of a host name, by its longest known end; None when it is not known."""
    name = address
    while name:
        row = _BY_SUFFIX.get(name)
        if row is not None:
            return row
        name = name.partition(".")[2]
    return next((row for row in _BY_END if address.endswith(row.suffix)), None)


def place(client: Any, address: str | None, *, own: str, options: WireOptions) -> Place:
    """Where a client of an SDK sends its calls.

    An unknown or loopback host keeps the SDK's own provider, so that a proxy or a gateway is priced as what stands
    behind it; `address` says which host it was.

    Args:
        client: the SDK's client.
        address: host name of its base URL.
        own: the provider that the SDK is made for.
        options: more hosts that take the usage option.
    """
    row = host(address) if address else None
    by_class = next((CLIENTS[kind.__name__] for kind in type(client).__mro__ if kind.__name__ in CLIENTS), None)
    provider = by_class or (row.provider if row else own)
    takes = (row is not None and row.takes_usage_option) or address in options.usage_hosts
    version = getattr(client, "_api_version", None)
    if provider == semconv.AZURE and isinstance(version, str) and version[:2] == "20":
        takes = takes and version[:10] >= AZURE_USAGE_SINCE
    return Place(provider, address, extra=_extra(client, address, row), takes_usage_option=takes)


class Places:
    """The places of clients, each found out once for as long as its base URL stays the same."""

    def __init__(self) -> None:
        # By id, beside a weak reference: a third of the time of a WeakKeyDictionary, and clients need not be hashable.
        self._known: dict[int, tuple[weakref.ref[Any], Any, WireOptions, Place]] = {}

    def of(self, client: Any, base: Any, *, own: str, options: WireOptions) -> Place:
        """The place of a client whose base URL is `base`: text, or an object with a `host`."""
        key = id(client)
        known = self._known.get(key)
        if known is not None and known[0]() is client and known[1] is base and known[2] is options:
            return known[3]
        address = urlsplit(base).hostname if isinstance(base, str) else getattr(base, "host", None)
        found = place(client, address, own=own, options=options)
        self._known[key] = (weakref.ref(client, lambda _dead: self._known.pop(key, None)), base, options, found)
        return found


def _extra(client: Any, address: str | None, row: Host | None) -> dict[str, str] | None:
    extra: dict[str, str] = {}
    for name in ("aws_region", "region", "location"):
        region = getattr(client, name, None)
        if isinstance(region, str) and region:
            extra["location"] = region
            break
    if address and row is not None and row.provider == semconv.OPENAI:
        label = address.partition(".")[0]
        if label in RESIDENCIES:
            extra["data_residency"] = label
    return extra or None
