from __future__ import annotations

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from farebox.core.identity import is_stable, new_id, stable_id


def test_an_id_is_a_uuid_of_version_7_and_says_its_millisecond():
    now = time.time_ns()
    found = uuid.UUID(new_id(now))
    assert found.version == 7
    assert found.variant == uuid.RFC_4122
    assert found.int >> 80 == now // 1_000_000


def test_ids_of_later_milliseconds_sort_later():
    assert new_id(1_000_000_000_000_000_000) < new_id(1_000_000_000_001_000_000)


def test_ids_are_unique_in_one_millisecond_and_across_threads():
    now = 1_790_000_000_000_000_000
    with ThreadPoolExecutor(8) as pool:
        parts = pool.map(lambda _: [new_id(now) for _ in range(2_000)], range(8))
    ids = [one for part in parts for one in part]
    assert len(set(ids)) == 16_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_never_repeats_its_parents_ids():
    now = 1_790_000_000_000_000_000
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, "\n".join(new_id(now) for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = set(os.read(reader, 65_536).decode().split())
    ours = {new_id(now) for _ in range(100)}
    os.close(reader)
    os.close(writer)
    assert len(theirs) == 100
    assert not theirs & ours


def test_a_stable_id_is_the_same_for_the_same_names_in_every_process():
    found = uuid.UUID(stable_id("openai", "resp_1", seconds=1_795_000_000))
    assert found.version == 8
    assert found.variant == uuid.RFC_4122
    assert found.int >> 80 == 1_795_000_000_000
    assert stable_id("openai", "resp_1", seconds=1_795_000_000) == str(found)


@pytest.mark.parametrize(
    "names", [("openai", "resp_2"), ("azure", "resp_1"), ("openairesp_1",), ("openai", "resp", "1")]
)
def test_other_names_give_another_stable_id(names):
    assert stable_id(*names, seconds=5) != stable_id("openai", "resp_1", seconds=5)


def test_only_stable_ids_may_be_told_of_again():
    assert is_stable(stable_id("a"))
    assert not is_stable(new_id(time.time_ns()))
    assert not is_stable("short")
