"""A file is written whole or not at all, and read again only when it has changed."""

import os
import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bringup import files
from bringup.errors import SettingsError
from bringup.files import RETRY_S, Reloaded, Signature, signature, write_atomically
from bringup.outages import Alarm


@pytest.fixture(params=[True, False])
def sole_writer(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_a_file_is_written_for_its_owner_alone(tmp_path: Path, *, sole_writer: bool) -> None:
    path = tmp_path / "state"
    path.write_text("before")
    path.chmod(0o644)
    write_atomically(path, "after", sole_writer=sole_writer)
    assert path.read_text() == "after"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_file_and_folder_are_on_disk_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    write_atomically(tmp_path / "state", b"text", sole_writer=True)
    assert synced == [str(tmp_path / ".state.new"), str(tmp_path)]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_earlier_content_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, *, sole_writer: bool
) -> None:
    path = tmp_path / "state"
    path.write_text("before")

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"os.{step}" if step == "fsync" else "pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "after", sole_writer=sole_writer)
    assert path.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / ".state.new").symlink_to(other)
    write_atomically(tmp_path / "state", "text", sole_writer=True)
    assert (other.read_text(), (tmp_path / "state").read_text()) == ("precious", "text")


def test_a_file_that_is_there_is_kept_where_it_may_not_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_atomically(path, "first", replace=False)
    with pytest.raises(FileExistsError):
        write_atomically(path, "second", replace=False)
    assert path.read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def _rewrite(path: Path) -> None:
    path.write_text("other")


def _replace(path: Path) -> None:
    """By a file of the same size and mtime, as ``cp -p`` and ``mv`` do."""
    before, fresh = path.stat(), path.with_name("fresh")
    fresh.write_text("txet")
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(path)


def _restore_mtime(path: Path) -> None:
    before = path.stat()
    path.write_text("txet")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _close_to_us(path: Path) -> None:
    path.chmod(0)


@pytest.mark.parametrize("change", [_rewrite, _replace, _restore_mtime, _close_to_us, Path.unlink])
def test_every_change_of_a_file_changes_its_signature(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    before = signature(path)
    assert before == signature(path)
    os.utime(path, ns=(0, 0))  # so that no clock tick can hide the change
    before = signature(path)
    change(path)
    assert signature(path) != before


def test_an_open_file_keeps_its_content_when_its_name_goes_to_another(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    with path.open() as file:
        before = Signature.of(os.fstat(file.fileno()))
        _replace(path)
        after = Signature.of(os.fstat(file.fileno()))
    assert (before.content == after.content, before == after) == (True, False)


class World:
    """A watched file, and what was loaded from it and logged of it."""

    def __init__(self, folder: Path, lines: Sequence[MutableMapping[str, Any]]) -> None:
        self.now = 0.0
        self.path = folder / "file"
        self.path.write_text("good 1")
        self.loads = 0
        self.changes: list[str] = []
        self.logged = lines
        alarm = Alarm("tests", "not usable", "usable again", file="file")
        self.reloaded = Reloaded(
            [self.path], self.load, alarm=alarm, changed=self.changes.append, clock=lambda: self.now
        )

    @property
    def lines(self) -> list[str]:
        return [line["event"] for line in self.logged]

    def load(self) -> str:
        self.loads += 1
        try:
            text = self.path.read_text()
        except OSError as error:
            raise SettingsError([f"{self.path}: {error.strerror}"]) from None
        if not text.startswith("good"):
            raise SettingsError([f"{self.path}: half-written"])
        return text


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with capture_logs() as lines:
        yield World(tmp_path, lines)


def test_a_file_is_loaded_once_while_it_does_not_change(world: World) -> None:
    assert {world.reloaded.current() for _ in range(20)} == {"good 1"}
    assert (world.loads, world.changes, world.lines) == (1, [], [])


def test_a_changed_file_is_loaded_by_the_next_call(world: World) -> None:
    world.reloaded.current()
    world.path.write_text("good 22")
    assert (world.reloaded.last_good(), world.reloaded.current()) == ("good 22", "good 22")
    assert (world.loads, world.changes) == (2, ["good 22"])


def test_the_last_good_content_is_there_while_the_file_is_half_written(world: World) -> None:
    world.reloaded.last_good()
    world.path.write_text("goo")
    assert world.reloaded.last_good() == "good 1"
    with pytest.raises(SettingsError, match="half-written"):
        world.reloaded.current()
    world.path.write_text("good 22")
    assert (world.reloaded.last_good(), world.reloaded.current()) == ("good 22", "good 22")


def test_a_broken_file_is_logged_once_and_its_repair_once(world: World) -> None:
    world.reloaded.last_good()
    world.path.write_text("")
    for second in range(5):
        world.now = second * RETRY_S
        world.reloaded.last_good()
    assert world.lines == ["not usable"]
    assert world.logged[0]["why"] == f"{world.path}: half-written"
    world.path.write_text("good 22")
    world.reloaded.last_good()
    world.reloaded.last_good()
    assert world.lines == ["not usable", "usable again"]


def test_another_reason_is_logged_again(world: World) -> None:
    world.reloaded.last_good()
    world.path.write_text("")
    world.reloaded.last_good()
    world.path.unlink()
    world.reloaded.last_good()
    assert world.lines == ["not usable", "not usable"]
    assert world.logged[1]["why"].endswith("No such file or directory")


def test_a_broken_file_is_loaded_again_once_a_second_though_it_does_not_change(world: World) -> None:
    world.reloaded.last_good()
    world.path.write_text("")
    for _ in range(50):
        world.reloaded.last_good()
    assert world.loads == 2
    world.now += RETRY_S
    world.reloaded.last_good()
    assert world.loads == 3


def test_a_large_broken_file_is_loaded_again_only_after_the_time_that_its_user_sets(world: World) -> None:
    reloaded = Reloaded([world.path], world.load, retry_s=60 * RETRY_S, clock=lambda: world.now)
    reloaded.last_good()
    world.path.write_text("")
    loads = []
    for passed in (0.0, RETRY_S, 58 * RETRY_S, RETRY_S):
        world.now += passed
        reloaded.last_good()
        loads.append(world.loads)
    assert loads == [2, 2, 2, 3]


def test_a_file_that_never_was_good_is_an_error_and_no_log_line(world: World) -> None:
    world.path.write_text("")
    for get in (world.reloaded.last_good, world.reloaded.current, world.reloaded.last_good):
        with pytest.raises(SettingsError, match="half-written"):
            get()
    assert world.lines == []
    world.path.write_text("good 22")
    assert world.reloaded.last_good() == "good 22"


def test_a_change_during_the_loading_is_loaded_by_the_next_call(world: World) -> None:
    load = world.load

    def slow() -> str:
        text = load()
        if world.loads == 1:
            world.path.write_text("good 22")
        return text

    reloaded = Reloaded([world.path], slow)
    assert [reloaded.current(), reloaded.current()] == ["good 1", "good 22"]


def test_the_last_good_content_does_not_wait_for_a_thread_that_loads(world: World) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow() -> str:
        if world.loads:
            begun.set()
            may_end.wait(60)
        return world.load()

    reloaded = Reloaded([world.path], slow)
    reloaded.last_good()
    world.path.write_text("good 22")
    loading = threading.Thread(target=reloaded.last_good)
    loading.start()
    assert begun.wait(60)
    assert reloaded.last_good() == "good 1"
    may_end.set()
    loading.join(60)
    assert reloaded.last_good() == "good 22"


def test_an_unexpected_error_is_passed_on_and_loading_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(files, "signature", _too_deep)
        with pytest.raises(RecursionError):
            world.reloaded.current()
    assert world.reloaded.current() == "good 1"


def _too_deep(_path: Path) -> Signature:
    raise RecursionError
