"""The clock goes forward only, and the hardware clock is compared as it was."""

from agent.clock import HardwareClock, set_forward

EPOCH = 1_800_000_000


def test_a_clock_before_the_image_is_set_to_the_images_time() -> None:
    written: list[float] = []
    assert set_forward(EPOCH, 1_000_000, written.append)
    assert written == [EPOCH]


def test_a_clock_is_never_set_back() -> None:
    written: list[float] = []
    for now in (EPOCH, EPOCH + 1, EPOCH + 10**9):
        assert not set_forward(EPOCH, now, written.append)
    assert written == []


def test_the_offset_is_of_the_hardware_clock_and_not_of_what_was_set() -> None:
    an_hour_late = HardwareClock(at_start=1_795_424_400 - 3600, monotonic=5)
    assert an_hour_late.offset("Mon, 23 Nov 2026 09:00:30 GMT", monotonic=35) == -3600


def test_no_date_means_no_offset() -> None:
    for date in ("", "yesterday", "Mon, 99 Nov 2026 09:00:30 GMT", "Mon, 23 Nov 99999999 09:00:30 GMT"):
        assert HardwareClock(0, 0).offset(date, 0) is None
