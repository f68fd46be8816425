"""Instead of the cost side of a client library: usage of every kind, actual or estimated, beside an unchanged query(). Runs offline."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import farebox
from farebox.testing import FakeProvider


class Clients:
    """A library over two providers. Only `query_with_tracking` knows of farebox."""

    def __init__(self, openai: Any, anthropic: Any) -> None:
        self.openai = openai
        self.anthropic = anthropic

    def query(self, prompt: str, model: str) -> str:
        """The answer alone, as ever."""
        if model.startswith("claude"):
            content = [{"type": "text", "text": prompt, "cache_control": {"type": "ephemeral"}}]
            answer = self.anthropic.messages.create(
                model=model, max_tokens=100, messages=[{"role": "user", "content": content}]
            )
            return str(answer.content[0].text)
        return str(self.openai.responses.create(model=model, input=prompt).output_text)

    def query_with_tracking(self, prompt: str, model: str) -> tuple[str, farebox.UsageMetrics]:
        """The answer, and what it used and cost."""
        found: tuple[str, farebox.UsageMetrics] = farebox.query_with_tracking(self.query, prompt, model)
        return found

    def streamed(self, prompt: str) -> str:
        """A stream that is left after its first piece: nobody knows exactly what the provider bills."""
        chat: dict[str, Any] = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": prompt}]}
        with self.openai.chat.completions.create(**chat, stream=True) as stream:
            return str(next(iter(stream)).choices[0].delta.content)


def show(what: str, metrics: farebox.UsageMetrics) -> None:
    """One line of usage, one of money."""
    print(
        f"{what}: {metrics.input_tokens} in ({metrics.cached_tokens} cached, {metrics.cache_write_tokens} written), "
        f"{metrics.output_tokens} out, thinking {metrics.thinking_tokens}"
    )
    print(f"  ${metrics.cost}, {'actual' if metrics.is_actual else 'not actual'}, source: {metrics.source}")


def main() -> None:
    """Ask two providers, leave a stream, and look at a rate and its source."""
    prompt = "What does a ticket to the lake cost? " * 600
    with tempfile.TemporaryDirectory() as directory, FakeProvider(reasoning_tokens=32) as provider:
        farebox.instrument(ledger=Path(directory) / "ledger.db")
        with provider.openai_client() as openai, provider.anthropic_client() as anthropic:
            clients = Clients(openai, anthropic)
            for model in ("gpt-5-mini", "claude-haiku-4-5", "claude-haiku-4-5"):
                _, metrics = clients.query_with_tracking(prompt, model)
                show(model, metrics)
            _, metrics = farebox.query_with_tracking(clients.streamed, prompt)
            show("a stream that was left", metrics)
        for line in farebox.price(
            {"input_tokens": 1, "output_tokens": 1}, provider="anthropic", model="claude-haiku-4-5"
        ).lines:
            print(f"rate of {line.unit}: ${line.rate} for {line.per} ({line.source})")
        farebox.uninstrument()
        farebox.shutdown()


if __name__ == "__main__":
    main()
