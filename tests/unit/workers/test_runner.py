"""How the threads of a process are shared out, and that none keeps it from ending."""

import threading

import pytest

from bringup.model import JobKind
from workers.runner import threads_of
from workers.worker import QueueWorker


@pytest.mark.parametrize("concurrency", [4, 5, 7, 8, 16, 33, 256])
def test_every_queue_has_a_thread_and_no_thread_is_wasted(concurrency: int) -> None:
    threads = threads_of(concurrency)
    assert set(threads) == set(JobKind)
    assert min(threads.values()) >= 1
    assert sum(threads.values()) == concurrency


def test_the_timer_of_a_job_does_not_keep_the_process_from_ending() -> None:
    penalty = QueueWorker.death_penalty_class(3600)  # type: ignore[no-untyped-call]
    others = set(threading.enumerate())  # another test of this process may have left a timer of its own
    with penalty:
        timers = [one for one in set(threading.enumerate()) - others if isinstance(one, threading.Timer)]
        assert timers
        assert all(timer.daemon for timer in timers)
