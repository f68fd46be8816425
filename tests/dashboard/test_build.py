"""The page is bundled when farebox is built, and farebox is built where that cannot be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from serving import NOW

from farebox.dashboard import app, build

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    """A clone without anything that was built."""
    copy = tmp_path / "project"
    shutil.copytree(
        PROJECT,
        copy,
        ignore=shutil.ignore_patterns(".git", ".*cache", "tests", "static", "__pycache__", "node_modules"),
    )
    return copy


@pytest.fixture
def no_npm(tmp_path):
    """An environment whose PATH has Python and no npm."""
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "python").symlink_to(sys.executable)
    return {**os.environ, "PATH": os.fspath(directory)}


def wheel(project, environment=None):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = (project / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist()), done.stdout + done.stderr


def test_a_wheel_has_the_page_and_the_licences_of_what_is_in_it(project):
    names, _ = wheel(project)
    assert {f"farebox/dashboard/static/{name}" for name in ("index.html", "app.js", "app.css", "licenses.txt")} <= names
    assert not any("node_modules" in name for name in names)
    static = project / "src/farebox/dashboard/static"
    licences = (static / "licenses.txt").read_text(encoding="utf-8")
    assert "preact" in licences
    assert "d3-shape" in licences
    assert "esbuild 0" not in licences
    script = (static / "app.js").read_text(encoding="utf-8")
    assert len(script) < 100_000
    assert "eval(" not in script


def test_without_npm_the_wheel_is_built_all_the_same_with_what_the_page_is_made_of(project, no_npm):
    names, said = wheel(project, no_npm)
    assert "farebox/dashboard/ui/package-lock.json" in names
    assert "farebox/dashboard/server.py" in names
    assert not any("/static/" in name for name in names)
    assert "farebox dashboard --build" in said


def test_what_is_built_already_is_not_built_again(project, no_npm):
    wheel(project)
    shutil.rmtree(project / "dist")
    names, said = wheel(project, no_npm)
    assert "farebox/dashboard/static/app.js" in names
    assert "--build" not in said


def test_other_sources_are_another_page(monkeypatch, tmp_path):
    sources, made = tmp_path / "ui", tmp_path / "static"
    shutil.copytree(build.UI, sources)
    monkeypatch.setattr(build, "UI", sources)
    assert not build.is_built(made)
    build.build(made)
    assert build.is_built(made)
    with (sources / "src" / "style.css").open("a", encoding="utf-8") as file:
        file.write("/* changed */")
    assert not build.is_built(made)


def test_a_bundle_that_fails_says_why_and_leaves_nothing(monkeypatch, tmp_path):
    sources, made = tmp_path / "ui", tmp_path / "static"
    shutil.copytree(build.UI, sources)
    (sources / "src" / "main.jsx").write_text("const", encoding="utf-8")
    monkeypatch.setattr(build, "UI", sources)
    with pytest.raises(build.BuildError, match="failed"):
        build.build(made)
    assert not made.exists()


def test_npm_that_does_not_end_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "_PATIENCE", 0.01)
    with pytest.raises(build.BuildError, match="npm did not end"):
        build.build(tmp_path / "static")


def test_where_it_may_not_write_it_says_so(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(build.BuildError, match="cannot be written"):
        build.build(tmp_path / "file" / "static")


def test_the_lock_pins_every_package_by_hash_and_names_no_registry():
    lock = json.loads((build.UI / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: about for name, about in lock["packages"].items() if name}
    assert len(packages) > 5
    for about in packages.values():
        assert about["integrity"].startswith("sha512-")
        assert "resolved" not in about


def test_a_page_that_was_not_built_says_how_to_and_the_numbers_are_there(
    serve, path, write, make_event, monkeypatch, tmp_path
):
    from farebox.dashboard import server
    from farebox.dashboard.assets import assets

    monkeypatch.setattr(server, "assets", lambda: assets(tmp_path / "nothing"))
    write(make_event(started_at=NOW))
    unbuilt = serve(app(path, token=None, clock=lambda: NOW))
    for path_ in ("/", "/app.js"):
        answer = unbuilt.ask(path_)
        assert (answer.status, "farebox dashboard --build" in answer.text) == (503, True)
    assert unbuilt.panel("totals").rows[0]["calls"] == 1


def test_a_registry_that_cannot_be_reached_is_given_up_in_good_time(monkeypatch, tmp_path):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_fetch_retry_mintimeout", "1")
    monkeypatch.setenv("npm_config_fetch_retry_maxtimeout", "1")
    with pytest.raises(build.BuildError, match="npm ci failed"):
        build.build(tmp_path / "static")
    assert not (tmp_path / "static").exists()
