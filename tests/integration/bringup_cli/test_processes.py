"""A command in a process of its own: its exit status, and that a light one imports nothing only the services need."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("flask", "spectree", "gunicorn", "gevent", "sushy", "rq")


def test_a_configuration_that_is_wrong_is_two_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REDIS_USETLS=true\n")
    done = subprocess.run(
        [sys.executable, "-m", "bringup", "config"], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "did you mean REDIS_USE_TLS?" in done.stderr


def test_a_process_that_is_started_without_standard_files_logs_into_nothing() -> None:
    """The next file that it opens, such as a connection to Redis, would be its standard error."""
    program = (
        "import os, sys\n"
        "from bringup_cli import root\n"
        "from bringup import log\n"
        "sys.argv = ['bringup', '--version']\n"
        "try:\n"
        "    root.main()\n"
        "except SystemExit as end:\n"
        "    log.configure()\n"
        "    log.get('test').warning('a line')\n"
        "    os._exit(77 if end.code == 0 and os.pipe()[0] > 2 else 1)\n"
    )
    done = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, program], check=False)
    assert done.returncode == 77


@pytest.mark.parametrize("words", [["--version"], ["config", "--help"], ["devices", "--help"]])
def test_a_light_command_imports_no_service(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from bringup_cli.root import cli\n"
        f"cli.main({words!r}, standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
