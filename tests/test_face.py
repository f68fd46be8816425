from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import farebox

SOURCE = Path(farebox.__file__).parent
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "misc"}


def face() -> ast.Module:
    return ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))


def test_all_is_sorted_and_every_name_is_there():
    assert farebox.__all__ == sorted(farebox.__all__)
    for name in farebox.__all__:
        assert getattr(farebox, name) is not None
    assert dir(farebox) == farebox.__all__


def test_the_table_of_homes_the_imports_for_type_checkers_and_all_agree():
    imported = {
        alias.name: node.module
        for guard in ast.walk(face())
        if isinstance(guard, ast.If)
        for node in guard.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == farebox._HOMES
    assert {*imported, "__version__"} == set(farebox.__all__)


def test_a_misspelt_name_is_told_the_likely_one():
    with pytest.raises(AttributeError, match="did you mean 'instrument'"):
        _ = farebox.instrumment
    with pytest.raises(AttributeError, match=r"no attribute 'zzz'$"):
        _ = farebox.zzz


def test_importing_farebox_loads_no_sdk_no_database_and_no_event_loop():
    code = "import farebox, sys; print(*sorted(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = {
        "openai",
        "anthropic",
        "google.genai",
        "pydantic",
        "asyncio",
        "sqlite3",
        "rich",
        "click",
        "wrapt",
        "msgspec",
    }
    assert "farebox" in loaded
    assert not loaded & heavy


def test_using_the_face_loads_no_sdk_and_starts_no_thread():
    code = (
        "import farebox, sys, threading\n"
        "with farebox.track_budget(1), farebox.tracked('t'): pass\n"
        "farebox.price({'prompt_tokens': 1}, provider='openai', model='gpt-4o-mini', api='chat.completions')\n"
        "assert threading.active_count() == 1\n"
        "print(*sorted(sys.modules))"
    )
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"openai", "anthropic", "google.genai", "pydantic", "sqlite3", "rich", "wrapt"}


def test_every_module_says_in_its_first_line_what_it_holds_and_may_import():
    for path in SOURCE.rglob("*.py"):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert docstring, path
        assert path.name == "__init__.py" or re.search(r"import|Imports", docstring.split("\n\n")[0]), (path, docstring)


def test_no_room_is_without_a_name_and_none_is_too_large():
    for path in SOURCE.rglob("*.py"):
        assert path.stem not in FORBIDDEN, path
        assert path.read_text(encoding="utf-8").count("\n") <= 400, path
