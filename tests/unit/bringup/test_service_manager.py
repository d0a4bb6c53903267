"""What a service reports to its service manager. Source: sd_notify(3)."""

import pytest

from bringup.service_manager import Notifier


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Heard(Notifier):
    """A notifier whose messages are kept instead of sent."""

    def __init__(self, clock: Clock, *, watchdog_s: float = 60.0) -> None:
        super().__init__("/run/notify", watchdog_s, clock=clock)
        self.messages: list[str] = []

    def _send(self, message: str) -> None:
        self.messages.append(message.splitlines()[0])


def test_ready_is_sent_once() -> None:
    heard = Heard(Clock())
    heard.ready()
    heard.ready()
    assert heard.messages == ["READY=1"]


def test_a_start_that_waits_is_prolonged_and_never_reported_as_alive() -> None:
    clock = Clock()
    heard = Heard(clock)
    for _ in range(3):
        heard.beat()
        clock.now += 6
    assert heard.messages == ["EXTEND_TIMEOUT_USEC=20000000"] * 3


def test_beats_are_sent_three_times_in_each_watchdog_interval_however_often_the_loop_turns() -> None:
    clock = Clock()
    heard = Heard(clock, watchdog_s=60)
    heard.ready()
    for _ in range(600):
        heard.beat()
        clock.now += 0.1
    assert heard.messages[1:] == ["WATCHDOG=1"] * 3


def test_without_a_watchdog_no_beat_is_sent() -> None:
    heard = Heard(Clock(), watchdog_s=0)
    heard.ready()
    heard.beat()
    assert heard.messages == ["READY=1"]


def test_the_address_is_removed_from_the_environment_so_that_no_child_can_report() -> None:
    environ = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1", "HOME": "/"}
    Notifier.taken_from(environ)
    assert environ == {"WATCHDOG_PID": "1", "HOME": "/"}


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}])
def test_a_service_works_without_a_service_manager(environ: dict[str, str]) -> None:
    notifier = Notifier.taken_from(environ)
    notifier.ready()
    notifier.beat()
    notifier.stopping()
