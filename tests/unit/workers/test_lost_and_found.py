"""The small parts that decide what is lost, what is away, and how threads are shared out."""

import threading

import pytest
import structlog

from bringup.errors import ApiUnavailable, RedisUnavailable
from bringup.model import JobKind
from workers.outages import Outages, Side
from workers.runner import threads_of
from workers.sweep import Suspects
from workers.worker import QueueWorker


class Clock:
    """Goes on when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_looks_lost_is_acted_upon_only_when_it_keeps_looking_so() -> None:
    clock = Clock()
    suspects = Suspects(4, clock)
    assert suspects.confirmed(["a"]) == []
    clock.now += 3.9
    assert suspects.confirmed(["a", "b"]) == []
    clock.now += 0.2
    assert suspects.confirmed(["a", "b"]) == ["a"]


def test_what_was_seen_well_in_between_is_suspected_anew() -> None:
    clock = Clock()
    suspects = Suspects(4, clock)
    suspects.confirmed(["a"])
    clock.now += 3
    suspects.confirmed([])
    clock.now += 3
    assert suspects.confirmed(["a"]) == []


def test_after_an_error_nothing_seen_before_it_counts() -> None:
    clock = Clock()
    suspects = Suspects(4, clock)
    suspects.confirmed(["a"])
    suspects.clear()
    clock.now += 60
    assert suspects.confirmed(["a"]) == []


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []

    class Log:
        def warning(self, event: str, **_: object) -> None:
            said.append(event)

        info = warning

    monkeypatch.setattr(structlog.stdlib, "get_logger", lambda _name: Log())
    return said


def test_an_outage_is_told_once_and_its_end_once_however_many_threads_meet_it(lines: list[str]) -> None:
    outages = Outages()
    began_at = outages.now()
    barrier = threading.Barrier(16)

    def meet() -> None:
        barrier.wait(5)
        outages.met(RedisUnavailable("away"), began_at)
        barrier.wait(5)
        outages.got_through([Side.REDIS], outages.now())

    threads = [threading.Thread(target=meet) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert lines == ["waiting; nothing is lost", "working again"]


def test_every_outage_is_told(lines: list[str]) -> None:
    clock = Clock()
    outages = Outages(clock)
    for _ in range(3):
        clock.now += 1
        outages.met(RedisUnavailable("away"), clock.now)
        clock.now += 1
        outages.got_through([Side.REDIS], clock.now)
    assert len(lines) == 6


def test_a_step_that_began_before_the_outage_does_not_end_it(lines: list[str]) -> None:
    clock = Clock()
    outages = Outages(clock)
    began_before = clock.now
    clock.now += 1
    outages.met(RedisUnavailable("away"), clock.now)
    outages.got_through([Side.REDIS], began_before)
    assert lines == ["waiting; nothing is lost"]


def test_a_step_that_began_before_the_end_of_the_outage_does_not_tell_it_again(lines: list[str]) -> None:
    clock = Clock()
    outages = Outages(clock)
    outages.met(RedisUnavailable("away"), clock.now)
    began_in_it = clock.now
    clock.now += 5
    outages.got_through([Side.REDIS], clock.now)
    outages.met(RedisUnavailable("away"), began_in_it)
    assert lines == ["waiting; nothing is lost", "working again"]


def test_redis_that_answers_says_nothing_of_the_api(lines: list[str]) -> None:
    outages = Outages()
    outages.met(ApiUnavailable("away"), outages.now())
    outages.got_through([Side.REDIS], outages.now())
    assert lines == ["waiting; nothing is lost"]


@pytest.mark.parametrize("concurrency", [4, 5, 7, 8, 16, 33, 256])
def test_every_queue_has_a_thread_and_no_thread_is_wasted(concurrency: int) -> None:
    threads = threads_of(concurrency)
    assert set(threads) == set(JobKind)
    assert min(threads.values()) >= 1
    assert sum(threads.values()) == concurrency


def test_the_timer_of_a_job_does_not_keep_the_process_from_ending() -> None:
    penalty = QueueWorker.death_penalty_class(3600)  # type: ignore[no-untyped-call]
    with penalty:
        timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        assert timers
        assert all(timer.daemon for timer in timers)
