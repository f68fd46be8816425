"""What the loopback provider keeps between requests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from farebox.testing import FakeProvider


def test_a_job_that_many_look_at_at_once_is_billed_once():
    with FakeProvider(job_polls=20) as provider, provider.openai_client() as client, ThreadPoolExecutor(16) as pool:
        begun = client.responses.create(model="m", input="x", background=True)
        looks = list(pool.map(lambda _: client.responses.retrieve(begun.id).status, range(40)))
        assert (looks.count("queued"), looks.count("completed")) == (19, 21)
        assert len(provider.billed) == 1


def test_a_look_that_fails_is_no_look(provider, openai_client):
    begun = openai_client.responses.create(model="m", input="x", background=True)
    provider.answer_next(503)
    with pytest.raises(openai.InternalServerError):
        openai_client.responses.retrieve(begun.id)
    assert provider.billed == []
    assert openai_client.responses.retrieve(begun.id).status == "completed"
    assert len(provider.billed) == 1


def test_a_job_is_billed_though_the_look_that_finds_it_done_hangs_or_is_cut(provider, openai_client):
    first = openai_client.responses.create(model="m", input="x", background=True)
    provider.answer_next(hang=30)
    with pytest.raises(openai.APITimeoutError):
        openai_client.with_options(timeout=0.2).responses.retrieve(first.id)
    second = openai_client.responses.create(model="m", input="x", background=True)
    provider.cut_next_stream(after=2)
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnected|connection error"):
        list(openai_client.responses.retrieve(second.id, stream=True))
    assert [(entry.usage["output_tokens"], entry.stated) for entry in provider.billed] == [(40, False), (40, False)]
    assert openai_client.responses.retrieve(first.id).usage.output_tokens == 40
    assert len(provider.billed) == 2


def test_an_id_of_another_kind_is_not_found(openai_client):
    file = openai_client.files.create(file=("a", b"x"), purpose="user_data")
    with pytest.raises(openai.NotFoundError, match=file.id):
        openai_client.responses.retrieve(file.id)
