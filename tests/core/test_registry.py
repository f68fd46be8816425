from __future__ import annotations

import pytest

from farebox.core.errors import ConfigurationError
from farebox.core.registry import Registry


def test_a_name_is_imported_when_it_is_asked_for():
    registry = Registry("thing", rows={"deque": "collections:deque", "broken": "no_such_module:x"})
    assert registry["deque"].__name__ == "deque"
    assert list(registry) == ["deque", "broken"]
    assert len(registry) == 2
    assert "deque" in registry
    with pytest.raises(ModuleNotFoundError):
        registry["broken"]


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(ConfigurationError, match="thing 'dequeue' is not known: use one of deque"):
        Registry("thing", rows={"deque": "collections:deque"})["dequeue"]


def test_entry_points_add_names_and_never_replace_ours():
    registry = Registry("thing", group="pytest11", rows={"timeout": "collections:deque"})
    assert registry["timeout"].__name__ == "deque"
    assert len(registry) > 1
