"""The image of a run: any part of it is that part of the base image with the parameters written into it."""

import collections
import io
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.images.base_image import BaseImageFile
from api.images.delivery import CHUNK_BYTES, deliver, while_it_lives
from api.images.image_store import RunImage
from bringup.errors import SettingsError
from bringup.wire.machine import AREA_HEAD, AREA_SIZE

AREA = b'{"run_id":"x"}'.ljust(AREA_SIZE)


def base_file(folder: Path, before: bytes, behind: bytes) -> Path:
    path = folder / "base.iso"
    path.write_bytes(before + AREA_HEAD.ljust(AREA_SIZE) + behind)
    return path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunImage, bytes]:
    before, behind = os.urandom(CHUNK_BYTES + 12345), os.urandom(CHUNK_BYTES + 6789)
    base = BaseImageFile(base_file(tmp_path_factory.mktemp("iso"), before, behind)).current()
    return RunImage(base, AREA), before + AREA + behind


WHOLE = 3 * CHUNK_BYTES + 12345 + 6789


@given(start=st.integers(0, WHOLE + 10), count=st.integers(0, WHOLE + 10))
def test_any_read_equals_that_of_the_patched_file(image: tuple[RunImage, bytes], start: int, count: int) -> None:
    file, patched = image
    assert len(patched) == WHOLE
    file.seek(start)
    assert file.read(count) == patched[start : start + count]
    assert file.tell() == start + len(patched[start : start + count])


@given(start=st.integers(0, WHOLE), stop=st.integers(0, WHOLE))
def test_any_delivery_is_that_part_and_is_told_whole(image: tuple[RunImage, bytes], start: int, stop: int) -> None:
    file, patched = image
    told: list[tuple[int, int]] = []
    granted: list[None] = []
    chunks = list(deliver(file, range(start, stop), lambda a, b: told.append((a, b)), lambda: granted.append(None)))
    assert b"".join(chunks) == patched[start:stop]
    assert told == ([(start, stop)] if start < stop else [])
    assert len(granted) == len(chunks), "each chunk has its own time"


def test_only_what_was_taken_is_told(image: tuple[RunImage, bytes]) -> None:
    told: list[tuple[int, int]] = []
    delivery = deliver(image[0], range(WHOLE), lambda a, b: told.append((a, b)), lambda: None)
    next(delivery)
    next(delivery)
    getattr(delivery, "close")()  # noqa: B009 - an Iterator by its type, closed by the server as WSGI has it
    assert told == [(0, CHUNK_BYTES)], "the second chunk was given, and may be under way for ever"


def test_long_deliveries_are_told_while_they_go_on(tmp_path: Path) -> None:
    base = BaseImageFile(base_file(tmp_path, bytes(9 * 1024**2), b"")).current()
    told: list[tuple[int, int]] = []
    for _ in deliver(RunImage(base, AREA), range(base.size), lambda a, b: told.append((a, b)), lambda: None):
        pass
    mib = 1024**2
    assert told == [(0, 4 * mib), (4 * mib, 8 * mib), (8 * mib, base.size)]


def test_it_has_no_descriptor_that_a_server_could_send_instead(image: tuple[RunImage, bytes]) -> None:
    with pytest.raises(io.UnsupportedOperation):
        image[0].fileno()


def test_a_file_put_in_its_place_does_not_change_an_image_that_is_being_read(tmp_path: Path) -> None:
    path = base_file(tmp_path, b"old" * 1000, b"")
    file = BaseImageFile(path)
    reading = RunImage(file.current(), AREA)
    assert reading.read(3) == b"old"
    newer = tmp_path / "newer.iso"
    newer.write_bytes(path.read_bytes().replace(b"old", b"new"))
    newer.replace(path)
    assert reading.read(3) == b"old"
    assert RunImage(file.current(), AREA).read(3) == b"new"


def test_a_file_that_is_written_over_is_not_read_on(tmp_path: Path) -> None:
    path = base_file(tmp_path, b"old" * 1000, b"")
    base = BaseImageFile(path).current()
    delivery = deliver(RunImage(base, AREA), range(base.size), lambda _a, _b: None, lambda: None)
    assert next(delivery)[:3] == b"old"
    with path.open("r+b") as file:
        file.write(b"new" * 10)
    assert not base.is_intact()
    with pytest.raises(ConnectionResetError):
        next(delivery)


@pytest.mark.parametrize("before", [0, 1, 1024**2 - len(AREA_HEAD) + 1, 1024**2 - 1, 1024**2, 3 * 1024**2 + 7])
def test_the_area_is_found_wherever_it_lies(tmp_path: Path, before: int) -> None:
    assert BaseImageFile(base_file(tmp_path, bytes(before), b"")).current().area_at == before


def test_the_first_block_of_a_second_area_is_enough_to_refuse_it(tmp_path: Path) -> None:
    path = base_file(tmp_path, b"", AREA_HEAD)
    with pytest.raises(SettingsError, match="holds 2 areas"):
        BaseImageFile(path)


def test_a_slow_reader_is_asked_for_now_and_then_and_stopped_when_the_run_has_ended() -> None:
    clock, lives, closed = iter(range(100)), iter([True, False]), []

    def content() -> Generator[bytes, None, None]:
        try:
            yield from (b"chunk" for _ in range(100))
        finally:
            closed.append(True)

    taken = while_it_lives(content(), lambda: next(lives), lambda: float(next(clock)))
    with pytest.raises(ConnectionResetError):
        collections.deque(taken, maxlen=0)
    assert next(clock) < 20
    assert closed
