"""Nothing secret that our commands write in a checkout is offered to git."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from bringup_cli.root import cli

ROOT = Path(__file__).parents[3]
COMMANDS = (
    ("init",),
    ("--env-file", ".env.production", "init"),
    ("pki", "setup"),
    ("pki", "issue", "operator", "--name", "alice"),
    ("redis-conf",),
    ("redis-conf", "--folder", "host2"),
    ("operator", "add", "alice"),
)
NO_SECRET = {".gitignore", "devices.toml"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with our .gitignore, as the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    subprocess.run(["git", "init", "-q"], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    return tmp_path


def offered() -> set[str]:
    """What `git add --all` would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard"], check=True, capture_output=True, text=True
    )
    return set(listed.stdout.splitlines())


def simulate() -> None:
    """Until it has written DEVICES_FILE."""
    process = subprocess.Popen([sys.executable, "-m", "bringup", "simulate", "--machines", "2"])
    try:
        deadline = time.monotonic() + 180
        while not Path("devices.toml").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait()


def test_no_secret_that_our_commands_write_is_offered_to_git(checkout: Path) -> None:
    for words in COMMANDS:
        done = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert done.exit_code == 0, (words, done.output)
    simulate()
    assert offered() == NO_SECRET
    written = [path for path in checkout.rglob("*") if path.is_file() and ".git" not in path.parts]
    assert {"worker.env", "keeper.password", "users.acl", "redis.conf", "ca-key.pem", "operators.toml"} <= {
        path.name for path in written
    }


def test_without_the_list_they_would_be(checkout: Path) -> None:
    assert CliRunner().invoke(cli, ["init"]).exit_code == 0
    (checkout / ".gitignore").unlink()
    assert ".env" in offered()


def test_what_the_repository_ships_is_not_ignored() -> None:
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == ""
