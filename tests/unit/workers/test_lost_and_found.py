"""The small parts that decide what is lost and how threads are shared out."""

import threading

import pytest

from bringup.model import JobKind
from workers.reaper import Suspects
from workers.runner import threads_of
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
