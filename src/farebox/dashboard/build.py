"""The page's files, made from `ui/` and the npm packages that its lock names. Imports the standard library only: the build hook loads it alone.

No third-party code lies in the repository, and none is fetched when the dashboard runs: esbuild bundles what the lock pins, by hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

UI: Final = Path(__file__).parent / "ui"
BUILT: Final = Path(__file__).parent / "static"
"""Sources, and the files that are made of them."""

PLAIN: Final = ("index.html", "icon.svg")
MARK: Final = "source.sha256"
"""Says which sources the files were made of."""

_PATIENCE: Final = 180
"""Seconds that npm may take."""

_INSTALL: Final = (
    *("ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"),
    *("--fetch-retries=1", "--fetch-timeout=20000"),
)
_BUNDLE: Final = (
    *("src/main.jsx", "--bundle", "--minify", "--format=esm", "--target=es2022", "--legal-comments=none"),
    *("--jsx=automatic", "--jsx-import-source=preact", "--log-level=warning"),
)


class BuildError(Exception):
    """The page cannot be built here; the message says why."""


def is_built(target: Path = BUILT) -> bool:
    """Whether the files are those of these sources."""
    try:
        return (target / MARK).read_text(encoding="utf-8") == fingerprint()
    except OSError:
        return False


def fingerprint() -> str:
    """Hash of all sources."""
    found = hashlib.sha256()
    for path in sorted(path for path in UI.rglob("*") if path.is_file() and "node_modules" not in path.parts):
        found.update(f"{path.relative_to(UI).as_posix()}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def build(target: Path = BUILT) -> None:
    """Install what the lock pins into a directory of its own, bundle, and put the files in place.

    Raises:
        BuildError: Node.js, npm or its registry is not there, or the bundle fails.
    """
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise BuildError("Node.js and npm are not on the PATH: install them (18 or later)")
    with tempfile.TemporaryDirectory(prefix="farebox-ui-") as directory:
        work, made = Path(directory) / "ui", Path(directory) / "static"
        shutil.copytree(UI, work, ignore=shutil.ignore_patterns("node_modules"))
        _run([npm, *_INSTALL], work)
        made.mkdir()
        _run([node, "node_modules/esbuild/bin/esbuild", *_BUNDLE, f"--outfile={made / 'app.js'}"], work)
        for name in PLAIN:
            shutil.copy(work / name, made / name)
        (made / "licenses.txt").write_text(_licenses(work), encoding="utf-8")
        (made / MARK).write_text(fingerprint(), encoding="utf-8")
        _place(made, target)


def _run(command: Sequence[str], directory: Path) -> None:
    environment = {**os.environ, "NO_UPDATE_NOTIFIER": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - npm and node, by the path that was found
            command, cwd=directory, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{Path(command[0]).name} did not end: {error}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise BuildError(f"{Path(command[0]).name} {command[1]} failed: {' / '.join(lines[:4])}")


def _licenses(work: Path) -> str:
    """The licences of what is in the bundle, which ask to go with it."""
    parts = []
    for package in sorted((work / "node_modules").glob("*/package.json")):
        about = json.loads(package.read_text(encoding="utf-8"))
        if about["name"] == "esbuild":  # it makes the bundle, and is not in it
            continue
        texts = sorted(path for path in package.parent.iterdir() if path.name.lower().startswith("licen"))
        text = texts[0].read_text(encoding="utf-8").strip() if texts else str(about.get("license"))
        parts.append(f"{about['name']} {about['version']}\n\n{text}\n")
    return f"\n{'-' * 70}\n\n".join(parts)


def _place(made: Path, target: Path) -> None:
    """Put the files where they belong, the mark last: a build that was broken off does not pass for whole."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(made.iterdir(), key=lambda path: path.name == MARK):
            shutil.copy(path, target / path.name)
    except OSError as error:
        raise BuildError(f"{target} cannot be written ({error.strerror}): run it as who installed farebox") from error
