"""The inventory file of an API host: what counts while it is read again."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.state import inventory_file
from api.state.inventory_cache import InventoryRead, read_directly
from api.state.inventory_file import InventoryFile
from bringup import files
from bringup.errors import InventoryError, NotYet
from tests.integration.workers.site import eventually

WITHIN_S = 60


def text_of(*names: str, padding: int = 0) -> str:
    entries = (
        f'[[device]]\nname = "{name}"\nbmc_mac = "02:00:00:00:00:{number:02x}"\nbmc = "simulated://127.0.0.1:9/{name}"\n'
        for number, name in enumerate(names)
    )
    return "".join(entries) + "#" * padding


class Reader:
    """Stands in for the process that reads a large file; it waits while it is held."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.held.set()
        self.entered = threading.Event()
        self.calls = 0
        self.fails: OSError | None = None

    def __call__(self, path: Path, _cache: Path, signature: files.Signature) -> InventoryRead | None:
        self.calls += 1
        self.entered.set()
        assert self.held.wait(WITHIN_S)
        if self.fails:
            raise self.fails
        return read_directly(path) if files.signature(path) == signature else None


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    made = Reader()
    monkeypatch.setattr(inventory_file, "read_by_another", made)
    yield made
    made.held.set()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "devices.toml"
    made.write_text(text_of("a"))
    return made


@pytest.fixture
def file(path: Path, reader: Reader) -> InventoryFile:
    made = InventoryFile(path, path.with_name("cache"))
    assert names(made) == ["a"]
    return made


def names(file: InventoryFile) -> list[str]:
    return list(file.inventory().by_name)


def is_read(file: InventoryFile, expected: list[str]) -> Callable[[], bool]:
    return lambda: names(file) == expected and not is_pending(file)


def is_pending(file: InventoryFile) -> bool:
    try:
        file.require_unchanged()
    except NotYet:
        return True
    return False


def edit_while_held(path: Path, file: InventoryFile, reader: Reader, text: str) -> None:
    reader.held.clear()
    path.write_text(text)
    file.current()
    assert reader.entered.wait(WITHIN_S)


def test_a_small_file_counts_from_the_moment_it_is_written(path: Path, file: InventoryFile, reader: Reader) -> None:
    path.write_text(text_of("a", "b"))
    assert names(file) == ["a", "b"]
    assert not is_pending(file)
    assert reader.calls == 0


def test_the_old_content_serves_while_a_large_file_is_read(path: Path, file: InventoryFile, reader: Reader) -> None:
    edit_while_held(path, file, reader, text_of("a", "b", padding=70_000))
    assert names(file) == ["a"]
    with pytest.raises(NotYet, match="is being read"):
        file.require_unchanged()
    reader.held.set()
    eventually(is_read(file, ["a", "b"]), WITHIN_S, "the new content counts")
    assert reader.calls == 1


def test_a_large_file_that_is_wrong_replaces_nothing_and_is_an_error(
    path: Path, file: InventoryFile, reader: Reader
) -> None:
    edit_while_held(path, file, reader, text_of("a", padding=70_000) + "\nwrong")
    assert names(file) == ["a"]
    assert is_pending(file)
    reader.held.set()

    def is_wrong() -> bool:
        try:
            file.current()
        except InventoryError:
            return True
        return False

    eventually(is_wrong, WITHIN_S, "the error is visible")
    with pytest.raises(InventoryError):
        file.require_unchanged()
    path.write_text(text_of("c", padding=70_000))

    def is_right() -> bool:
        return not is_wrong() and is_read(file, ["c"])()

    eventually(is_right, WITHIN_S, "it can be read again")


def test_a_large_file_that_is_gone_is_an_error_at_once(path: Path, file: InventoryFile) -> None:
    path.unlink()
    with pytest.raises(InventoryError, match="does not exist"):
        file.current()


def test_a_change_while_a_large_file_is_read_is_read_too(path: Path, file: InventoryFile, reader: Reader) -> None:
    edit_while_held(path, file, reader, text_of("b", padding=70_000))
    path.write_text(text_of("b", "c", padding=80_000))
    assert names(file) == ["a"]
    reader.held.set()
    eventually(is_read(file, ["b", "c"]), WITHIN_S, "the last content counts")


def test_where_no_process_can_read_it_the_api_does(path: Path, file: InventoryFile, reader: Reader) -> None:
    reader.fails = OSError("no space left")
    path.write_text(text_of("b", padding=70_000))
    file.current()
    eventually(is_read(file, ["b"]), WITHIN_S, "the new content counts")


def test_the_first_reading_is_waited_for(path: Path, reader: Reader) -> None:
    path.write_text(text_of("b", padding=70_000))
    assert names(InventoryFile(path, path.with_name("cache"))) == ["b"]
    assert reader.calls == 1


def test_what_was_read_before_a_process_began_is_not_read_again(path: Path, reader: Reader) -> None:
    path.write_text(text_of("b", padding=70_000))
    first = read_directly(path)
    assert InventoryFile(path, path.with_name("cache"), first).current() is first
    assert reader.calls == 0


def test_threads_that_wait_for_the_first_reading_do_not_read_it_again(path: Path, reader: Reader) -> None:
    path.write_text(text_of("b", padding=70_000))
    file, found = InventoryFile(path, path.with_name("cache")), list[list[str]]()
    reader.held.clear()
    threads = [threading.Thread(target=lambda: found.append(names(file)), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert reader.entered.wait(WITHIN_S)
    reader.held.set()
    for thread in threads:
        thread.join(WITHIN_S)
    assert found == [["b"]] * 4
    assert reader.calls == 1


def test_a_file_that_was_wrong_is_read_again_after_a_while_although_it_has_not_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, is_wrong = 0.0, True

    def read(path: Path) -> InventoryRead:
        if is_wrong:
            raise InventoryError(["the disk did not answer"])
        return read_directly(path)

    monkeypatch.setattr(inventory_file, "read_directly", read)
    file = InventoryFile(path, path.with_name("cache"), clock=lambda: now)
    with pytest.raises(InventoryError):
        file.current()
    is_wrong = False
    with pytest.raises(InventoryError):
        file.current()
    now = files.RETRY_S
    assert names(file) == ["a"]
