"""What prices a call beside its usage object: facts that only the caller knows. May import core only."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import msgspec


class PriceContext(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Facts outside the usage object.

    Attributes:
        data_residency: region of a data-residency endpoint, such as "eu" or "us".
        location: cloud region of the endpoint, such as "us-east5" or "global".
        billing_plan: "paid" or "free".
        ttl_seconds: how long the provider keeps cached content, for storage fees.
        tool_calls: calls of hosted tools by the provider's name (`web_search_call`, `file_search_call`, `google_search_queries`,
            ...), and `tools_used`, a list of tools.
        request: facts of the request where the answer has no usage: `input_characters`, `n`, `size`, `quality`, `seconds`.
        free_quota_exhausted: whether the account's free quota of searches is used up; None: not known.
    """

    data_residency: str | None = None
    location: str | None = None
    billing_plan: str | None = None
    ttl_seconds: int | float | None = None
    tool_calls: Mapping[str, Any] | None = None
    request: Mapping[str, Any] | None = None
    free_quota_exhausted: bool | None = None


NO_CONTEXT = PriceContext()


def context_of(given: PriceContext | Mapping[str, Any] | None) -> PriceContext:
    """A context from what a user passed.

    Raises:
        TypeError: a key is none of a context's; the message names the nearest.
    """
    if given is None:
        return NO_CONTEXT
    if isinstance(given, PriceContext):
        return given
    known = PriceContext.__struct_fields__
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(known)}"
            raise TypeError(f"{name!r} is no key of a price context: {remedy}")
    return PriceContext(**given)
