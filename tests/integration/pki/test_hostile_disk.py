"""Real obstacles: a directory that cannot be written, a full disk, a kill at any time, two commands at once."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pki.store import Store
from tests.integration.pki.forked import Ended, Forked
from tests.unit.pki import kit

NOBODY = 65534


def run(folder: Path, words: str, user: int | None = None) -> Ended:
    done = Forked(folder, words, user).ended()
    assert "Traceback" not in done.stderr
    return done


def test_a_command_killed_at_any_time_is_repaired_by_the_next(tmp_path: Path) -> None:
    """SIGKILL from outside, at random times while `setup --force` holds the lock."""
    dice = random.Random(5280)  # noqa: S311 - reproducible, nothing secret
    (tmp_path / "ready").mkdir()
    ready = kit.init_pki(tmp_path / "ready" / "pki", datetime.now(UTC))
    ends: list[int] = []
    # On a machine that stalls the command may be faster than the signal.
    while (len(ends) < 8 or ends.count(-signal.SIGKILL) <= 4) and len(ends) < 40:
        folder = tmp_path / str(len(ends))
        store = kit.copy_of(ready, folder / "pki")
        command = Forked(folder, "setup --force")
        while str(command.process.pid) not in store.lock_file.read_text() and command.process.is_alive():
            time.sleep(0.001)
        time.sleep(dice.uniform(0, 0.08))
        command.process.kill()
        ends.append(command.ended().returncode)
        kit.set_up_again(store, datetime.now(UTC))
        assert kit.failures(store, datetime.now(UTC)) == {}
    assert ends.count(-signal.SIGKILL) > 4


def test_of_many_setups_at_once_one_makes_the_pki_and_the_others_say_who_does(tmp_path: Path) -> None:
    commands = [Forked(tmp_path, "setup") for _ in range(4)]
    ends = [command.ended() for command in commands]
    assert {end.returncode for end in ends} <= {0, 3}
    assert 0 in {end.returncode for end in ends}
    for end in ends:
        assert end.returncode == 0 or ("is held by process" in end.stderr and "setup" in end.stderr)
    assert sum("Made in" in end.stdout for end in ends) == 1
    assert kit.failures(Store(tmp_path / "pki"), datetime.now(UTC)) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize(
    "words", ["setup", "issue run --name a", "renew --force", "revoke worker", "crl", "rollover start"]
)
def test_a_directory_of_another_user_is_one_message_and_stays_as_it_is(tmp_path: Path, words: str) -> None:
    open_to_all(tmp_path)
    store = kit.init_pki(tmp_path / "pki", datetime.now(UTC))
    before = kit.snapshot(store.root)
    done = run(tmp_path, words, NOBODY)
    assert done.returncode in {1, 3}
    assert str(Path("pki")) in done.stderr
    assert "fix:" in done.stderr
    assert kit.snapshot(store.root) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize(
    ("words", "codes"), [("verify", {1}), ("show", {0}), ("show --all", {3}), ("rollover status", {3})]
)
def test_what_another_user_may_not_look_at_is_one_message(tmp_path: Path, words: str, codes: set[int]) -> None:
    open_to_all(tmp_path)
    kit.init_pki(tmp_path / "pki", datetime.now(UTC))
    assert run(tmp_path, words, NOBODY).returncode in codes


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with room for a PKI and a half."""
    folder = tmp_path / "disk"
    folder.mkdir()
    assert shutil.which("mount"), "mount is not installed"
    words: list[str | Path] = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", folder]
    mounted = subprocess.run(words, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"this user may not mount a small disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_one_message_and_loses_nothing(disk: Path) -> None:
    store = kit.init_pki(disk / "pki", datetime.now(UTC))
    fill(disk)
    before = kit.snapshot(store.root)
    done = run(disk, "setup --force")
    assert done.returncode == 3
    assert "No space left on device" in done.stderr
    assert "make room" in done.stderr
    assert kit.snapshot(store.root) == before
    (disk / "filler").unlink()
    assert run(disk, "setup --force").returncode == 0
    assert kit.failures(store, datetime.now(UTC)) == {}


def test_a_read_only_directory_is_one_message_and_can_be_verified(disk: Path) -> None:
    kit.init_pki(disk / "pki", datetime.now(UTC))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for words in ("setup --force", "renew --force", "crl"):
        done = run(disk, words)
        assert done.returncode == 3
        assert "Read-only file system" in done.stderr
        assert "remount it for writing" in done.stderr
    assert run(disk, "verify").returncode == 0


def open_to_all(folder: Path) -> None:
    """Let another user reach a folder of the test's own: pytest keeps them to their owner."""
    for one in (folder, folder.parent, folder.parent.parent):
        one.chmod(0o755)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return
