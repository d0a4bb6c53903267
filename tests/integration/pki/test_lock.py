"""Two commands at once: the second one gets the name of the first, and changes nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pki.errors import Locked
from pki.files import exclusive_lock
from tests.unit.pki import kit

HOLD = """
import sys, pathlib
from pki.files import exclusive_lock
with exclusive_lock(pathlib.Path(sys.argv[1]), "bringup pki setup"):
    print("held", flush=True)
    sys.stdin.read()
"""

HOLD_WITH_A_CHILD = HOLD.replace('print("held"', 'print(__import__("subprocess").Popen(["sleep", "600"]).pid')


def test_a_child_that_outlives_a_killed_command_does_not_hold_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_WITH_A_CHILD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            holder.kill()
            holder.wait()
            os.kill(child, 0)  # it runs
            with exclusive_lock(path, "bringup site upgrade"):
                pass
        finally:
            os.kill(child, signal.SIGKILL)


def test_the_second_command_names_the_holder_of_the_lock(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, store.lock_file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = kit.snapshot(store.root)
        with pytest.raises(Locked, match=f"held by process {holder.pid}: bringup pki setup"), kit.open_session(store):
            pass
        assert kit.snapshot(store.root) == before
        holder.kill()
        holder.wait()
        with kit.open_session(store):
            pass
