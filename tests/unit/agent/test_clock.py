"""The clock goes forward only, and the hardware clock is compared as it was."""

from pathlib import Path

from agent.clock import HardwareClock, set_forward
from tests.unit.agent.tree import Stage

EPOCH = 1_800_000_000


def set_forward_at(now: float, root: Path, *, refused: bool = False) -> tuple[list[float], list[str]]:
    """What was written to the clock of a machine, and to its console."""
    written: list[float] = []

    def set_clock(seconds: float) -> None:
        if refused:
            raise PermissionError(1, "Operation not permitted")
        written.append(seconds)

    stage = Stage(at=now)
    machine = stage.machine(root)
    set_forward(EPOCH, machine._replace(system=machine.system._replace(set_clock=set_clock)))
    return written, stage.lines


def test_a_clock_before_the_image_is_set_to_the_images_time(tmp_path: Path) -> None:
    written, lines = set_forward_at(1_000_000, tmp_path)
    assert written == [EPOCH]
    assert lines == ["bringup: the clock was 1799000000 s before this image was made: set forward"]


def test_a_clock_is_never_set_back(tmp_path: Path) -> None:
    for now in (EPOCH, EPOCH + 1, EPOCH + 10**9):
        assert set_forward_at(now, tmp_path) == ([], [])


def test_a_clock_that_cannot_be_set_is_reported_and_ends_nothing(tmp_path: Path) -> None:
    written, lines = set_forward_at(EPOCH - 60, tmp_path, refused=True)
    assert written == []
    assert lines == ["bringup: the clock is 60 s behind and cannot be set (Operation not permitted)"]


def test_the_offset_is_of_the_hardware_clock_and_not_of_what_was_set() -> None:
    an_hour_late = HardwareClock(at_start=1_795_424_400 - 3600, monotonic=5)
    assert an_hour_late.offset("Mon, 23 Nov 2026 09:00:30 GMT", monotonic=35) == -3600


def test_no_date_means_no_offset() -> None:
    for date in ("", "yesterday", "Mon, 99 Nov 2026 09:00:30 GMT", "Mon, 23 Nov 99999999 09:00:30 GMT"):
        assert HardwareClock(0, 0).offset(date, 0) is None
