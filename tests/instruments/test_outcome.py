"""An error says how the call ended and whether it can have been billed."""

from __future__ import annotations

import asyncio

import pytest

from farebox.instruments import outcome


class SdkError(Exception):
    def __init__(self, **members):
        super().__init__("no")
        vars(self).update(members)


def caused(error, cause):
    error.__cause__ = cause
    return error


class ConnectError(Exception):
    pass


class ReadTimeout(Exception):  # noqa: N818 - the name that the transport gave it
    pass


class APITimeoutError(Exception):
    status_code = 408  # litellm's own word for a timeout


class Request:
    def __init__(self, count):
        self.headers = {"x-stainless-retry-count": count}


@pytest.mark.parametrize(
    ("error", "billable"),
    [
        (SdkError(status_code=400), False),
        (SdkError(status_code=503), False),
        (SdkError(code=429), False),
        (SdkError(code="rate_limited"), True),
        (SdkError(status_code=200), True),
        (SdkError(body={"message": "x"}), True),
        (caused(SdkError(), ConnectError()), False),
        (caused(SdkError(), caused(Exception(), ConnectionRefusedError())), False),
        (caused(SdkError(), ReadTimeout()), True),
        (ConnectError(), False),
        (APITimeoutError(), True),
        (ValueError(), True),
    ],
)
def test_only_an_error_that_proves_it_was_not_billed(error, billable):
    assert outcome.of(error).billable is billable
    assert outcome.of(error).status == "error"


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, GeneratorExit, SystemExit])
def test_what_is_no_error_is_a_cancellation(kind):
    ended = outcome.of(kind())
    assert (ended.status, ended.billable) == ("cancelled", True)


@pytest.mark.parametrize(("pieces", "billable"), [(0, False), (1, True)])
def test_an_error_event_was_billed_when_pieces_came_before(pieces, billable):
    assert outcome.of(SdkError(body={"message": "x"}), streaming=True, pieces=pieces).billable is billable


def test_an_error_that_came_up_through_the_building_of_a_request_was_not_billed():
    def _build_request():
        raise TypeError("not serialisable")

    with pytest.raises(TypeError) as caught:
        _build_request()
    assert outcome.of(caught.value).billable is False


@pytest.mark.parametrize(
    "error", [SdkError(completion={"usage": {"a": 1}}), SdkError(status_code=200, body={"usage": {"a": 1}})]
)
def test_an_error_that_carries_the_answer_was_billed(error):
    ended = outcome.of(error)
    assert (ended.answer, ended.billable) == ({"usage": {"a": 1}}, True)


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (SdkError(request=Request("2")), 3),
        (SdkError(response=type("R", (), {"request": Request("1")})()), 2),
        (SdkError(request=Request("many")), 1),
        (SdkError(request=object()), 1),
        (SdkError(), 1),
    ],
)
def test_the_attempts_are_read_from_the_request(error, attempts):
    assert outcome.of(error).attempts == attempts


def test_a_chain_of_causes_without_end_is_left():
    first, second = SdkError(), SdkError()
    first.__cause__, second.__cause__ = second, first
    assert outcome.of(first).billable is True
