"""Being woken by the kernel."""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dhcp_tailer import watch as watch_module
from dhcp_tailer.watch import InotifyWatcher, PollingWatcher, watch


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that nobody ends is long enough to be noticed."""
    monkeypatch.setattr(watch_module, "LONGEST_WAIT_S", 300.0)


def waited(watcher: Any) -> float:
    started = time.monotonic()
    watcher.wait()
    return time.monotonic() - started


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("change", ["append", "create", "rename", "truncate"])
def test_every_change_of_the_file_wakes(log_file: Path, change: str) -> None:
    log_file.write_bytes(b"x")
    with watch(log_file) as watcher:
        match change:
            case "append":
                with log_file.open("ab") as file:
                    file.write(b"y")
            case "create":
                log_file.with_name(log_file.name + ".1").touch()
            case "rename":
                log_file.rename(f"{log_file}.1")
            case _:
                log_file.write_bytes(b"")
        assert waited(watcher) < 60


@pytest.mark.usefixtures("patient")
def test_a_change_between_the_look_and_the_wait_is_not_missed(log_file: Path) -> None:
    with watch(log_file) as watcher:
        log_file.touch()
        time.sleep(0.02)
        assert waited(watcher) < 60


@pytest.mark.usefixtures("patient")
def test_a_change_during_the_wait_ends_it_at_once(log_file: Path) -> None:
    with watch(log_file) as watcher:
        threading.Timer(0.1, log_file.touch).start()
        assert waited(watcher) < 60


def test_a_busy_directory_does_not_prolong_the_wait(log_file: Path) -> None:
    """Others log beside the leases without a pause; what must be done in between still comes to its turn."""
    over = threading.Event()

    def log_without_pause() -> None:
        while not over.is_set():
            log_file.with_name("another.log").write_bytes(b"x")

    busy = threading.Thread(target=log_without_pause)
    with watch(log_file) as watcher:
        busy.start()
        over_at_last = threading.Timer(60, over.set)
        over_at_last.start()
        took_s = waited(watcher)
        over_at_last.cancel()
        over.set()
        busy.join(60)
    assert took_s < 30


def test_other_files_of_the_directory_wake_nobody(log_file: Path) -> None:
    with watch(log_file) as watcher:
        log_file.with_name("syslog").touch()
        assert waited(watcher) >= 0.2


def test_where_nothing_can_be_watched_it_looks_again_and_says_so(tmp_path: Path, logged: Any) -> None:
    with watch(tmp_path / "nowhere" / "x.log") as watcher:
        assert isinstance(watcher, PollingWatcher)
    assert len(logged) == 1


def test_descriptors_are_given_back(log_file: Path) -> None:
    before = watches()
    for _ in range(50):
        InotifyWatcher(log_file).close()
        with pytest.raises(OSError, match="No such file"):
            InotifyWatcher(log_file.parent / "nowhere" / "x")
    assert watches() == before


def watches() -> set[str]:
    """The descriptors of inotify alone: those of other kinds come and go with other threads of the tests."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself, and what another thread closes
            if link.readlink().name == "anon_inode:inotify":
                found.add(link.name)
    return found
