from __future__ import annotations

import pytest

from farebox.instruments.hook import Answer, Endpoint
from farebox.instruments.openai_text import Completion
from farebox.instruments.paths import Paths, names

ROW = Answer(Completion)
PATHS = Paths(
    (
        Endpoint("completions", "a", "a", ROW),
        Endpoint("chat/completions", "b", "b", ROW),
        Endpoint("v1/messages", "c", "c", ROW),
        Endpoint("v1/messages?beta=true", "d", "d", ROW),
        Endpoint("responses", "e", "e", ROW),
        Endpoint("responses/{}", "f", "f", ROW, method="get"),
        Endpoint("threads/{}/runs/{}", "g", "g", ROW, method="get"),
        Endpoint("videos/{}/remix", "h", "h", ROW),
    )
)


@pytest.mark.parametrize(
    ("method", "url", "found"),
    [
        ("post", "/completions", "a"),
        ("POST", "/openai/v1/completions?x=1", "a"),
        ("post", "/chat/completions", "b"),
        ("post", "https://host/openai/v1/chat/completions", "b"),
        ("post", "/v1/messages", "c"),
        ("post", "/v1/messages?beta=true", "d"),
        ("post", "/v1/messages?other=1&beta=true", "d"),
        ("post", "/responses", "e"),
        ("get", "/responses/resp_1", "f"),
        ("GET", "/responses/resp_1?stream=true", "f"),
        ("get", "/v1/threads/t/runs/r", "g"),
        ("post", "/videos/v/remix", "h"),
        ("get", "/responses", None),
        ("get", "/responses/resp_1/input_items", None),
        ("get", "/threads/t/runs", None),
        ("post", "/responses/resp_1", None),
        ("post", "/xcompletions", None),
        ("delete", "/responses/resp_1", None),
        ("post", "", None),
    ],
)
def test_an_endpoint_is_found_by_method_and_the_end_of_its_path(method, url, found):
    endpoint = PATHS.find(method, url)
    assert (endpoint and endpoint.operation) == found


def test_the_ids_in_a_path_are_named_in_order():
    endpoint = PATHS.find("get", "/v1/threads/t_1/runs/r_2?x=1")
    assert names(endpoint, "https://host/v1/threads/t_1/runs/r_2?x=1") == ("t_1", "r_2")
