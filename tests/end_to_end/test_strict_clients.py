"""What a client adds to a request outside its body: middleware that may send it again, and headers that choose its price."""

from __future__ import annotations

import pytest

import farebox

CALL = {"model": "claude-haiku-4-5", "max_tokens": 300, "messages": [{"role": "user", "content": "Tell me."}]}


def test_a_strict_budget_refuses_a_client_with_middleware_and_a_hard_one_does_not(provider):
    anthropic = pytest.importorskip("anthropic")
    if not hasattr(anthropic.Anthropic, "with_middleware"):
        pytest.skip("this release has no middleware")
    farebox.instrument()
    with provider.anthropic_client(max_retries=0) as client:
        twice = client.with_middleware(lambda request, call_next: (call_next(request), call_next(request))[1])
        with farebox.track_budget(1, strength="strict") as budget:
            with pytest.raises(farebox.BudgetExceeded, match="middleware that may send it again"):
                twice.messages.create(**CALL)
            client.messages.create(**CALL)
        assert budget.total_spent > 0
        with farebox.track_budget(1):
            twice.messages.create(**CALL)
    assert len(provider.billed) == 3


HEADER = {"X-Amzn-Bedrock-Service-Tier": "priority"}


@pytest.mark.parametrize(("given", "extra"), [({"default_headers": HEADER}, {}), ({}, {"extra_headers": HEADER})])
def test_a_strict_budget_refuses_a_header_that_chooses_a_tier(provider, given, extra):
    pytest.importorskip("anthropic")
    farebox.instrument()
    with provider.anthropic_client(max_retries=0, **given) as client:
        refused = pytest.raises(farebox.BudgetExceeded, match="X-Amzn-Bedrock-Service-Tier")
        with farebox.track_budget(1, strength="strict"), refused:
            client.messages.create(**CALL, **extra)
        with farebox.track_budget(1):
            client.messages.create(**CALL, **extra)
    assert provider.billed
