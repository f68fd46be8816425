from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest

from farebox.dashboard import build


@pytest.fixture
def started(written):
    """The command as a person runs it, on a port that is free; gives the address that it prints."""
    command = [sys.executable, "-m", "farebox", "dashboard", "--ledger", os.fspath(written), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)


def test_it_prints_the_address_with_its_token_and_answers_there(started):
    address, process = started
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(address.replace("/?", "/api/totals?")) as answer:
        assert b'"calls"' in answer.read()
        assert "token" not in answer.url
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert out == ""
    assert address.partition("token=")[2] not in err
    assert "Traceback" not in err


def test_it_ends_at_once_and_quietly_while_a_page_is_open(started):
    address, process = started
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(address.replace("/?", "/api/events?")) as stream:
        assert stream.readline() == b"event: version\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert "Traceback" not in err
    assert "ERROR" not in err


def test_it_ends_well_by_ctrl_c(farebox_command, written, monkeypatch):
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    said = []

    def visit():
        request = urllib.request.Request(
            f"http://localhost:{port}/api/totals?range=all", headers={"Authorization": "Bearer a-token-that-is-given"}
        )
        while not said:
            with contextlib.suppress(OSError), urllib.request.urlopen(request) as answer:
                said.append(answer.read())
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setenv("FAREBOX_DASHBOARD_TOKEN", "a-token-that-is-given")
    visitor = threading.Thread(target=visit)
    visitor.start()
    done = farebox_command("dashboard", "--ledger", str(written), "--host", "localhost", "--port", str(port))
    visitor.join()
    assert b'"Totals"' in said[0]
    assert done.exit_code == 0
    assert done.stdout == f"http://localhost:{port}/?token=a-token-that-is-given\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "farebox.example"])
def test_it_listens_to_other_machines_only_if_that_is_said(farebox_command, host):
    done = farebox_command("dashboard", "--host", host)
    assert done.exit_code == 2
    assert "add --expose if that is meant" in done.stderr


def test_a_short_token_is_refused(farebox_command):
    done = farebox_command("dashboard", "--token", "short")
    assert (done.exit_code, "give 16 characters or more" in done.stderr) == (2, True)


def test_a_port_that_is_taken_is_said(farebox_command, started):
    port = re.search(r":(\d+)/", started[0])[1]
    done = farebox_command("dashboard", "--port", port)
    assert done.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use): name another port" in done.stderr


def test_without_the_extra_it_says_how_to_get_it(farebox_command, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "farebox.dashboard.serving", raising=False)
    done = farebox_command("dashboard")
    assert (done.exit_code, "pip install 'farebox[dashboard]'" in done.stderr) == (1, True)


def test_the_page_is_built_by_the_command_or_it_says_why_not(farebox_command, monkeypatch, tmp_path):
    monkeypatch.setattr(build, "BUILT", tmp_path)
    made = []
    monkeypatch.setattr(build, "build", lambda: made.append(1))
    assert farebox_command("dashboard", "--build").stdout == f"The page is in {tmp_path}.\n"
    assert made
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    done = farebox_command("dashboard", "--build")
    assert done.exit_code == 1
    assert "the page was not built: Node.js and npm are not on the PATH" in done.stderr


def test_the_page_can_be_built_and_the_extra_is_named_where_it_is_not_installed(tmp_path):
    code = """
import sys
sys.modules["starlette"] = sys.modules["uvicorn"] = None
from farebox.cli import main
import farebox.dashboard
try:
    farebox.dashboard.app
except farebox.FareboxError as error:
    print(error)
assert not hasattr(farebox.dashboard, "other")
main(["dashboard", "--build"], standalone_mode=False)
main(["dashboard"], standalone_mode=False)
"""
    environment = {**os.environ, "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "starlette is not installed: pip install 'farebox[dashboard]'\n"
    assert "farebox: the page was not built: Node.js and npm are not on the PATH" in done.stderr
    assert "Traceback" not in done.stderr
