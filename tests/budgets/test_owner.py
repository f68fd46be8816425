from __future__ import annotations

import os
import subprocess
import sys

import pytest

from farebox.budgets.owner import is_dead, this_process

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells when a process began")


def test_this_process_lives_and_one_that_ended_is_dead():
    code = "import sys; from farebox.budgets.owner import this_process; sys.stdout.write(this_process()); sys.stdout.flush(); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        owner = os.read(child.stdout.fileno(), 1000).decode()
        assert f" {child.pid} " in owner
        assert not is_dead(owner)
        child.kill()
        child.wait()
    assert is_dead(owner)
    assert not is_dead(this_process())


def test_another_process_of_the_same_number_is_not_taken_for_it():
    machine, number, started = this_process().rsplit(" ", 2)
    assert is_dead(f"{machine} {number} {int(started) + 1}")


def test_of_another_machine_nobody_can_tell():
    assert not is_dead("elsewhere 1 1")
    assert not is_dead("")
