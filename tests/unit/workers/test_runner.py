"""No thread of a worker process keeps it from ending."""

import threading

from workers.worker import QueueWorker


def test_the_timer_of_a_job_does_not_keep_the_process_from_ending() -> None:
    penalty = QueueWorker.death_penalty_class(3600)  # type: ignore[no-untyped-call]
    others = set(threading.enumerate())  # another test of this process may have left a timer of its own
    with penalty:
        timers = [one for one in set(threading.enumerate()) - others if isinstance(one, threading.Timer)]
        assert timers
        assert all(timer.daemon for timer in timers)
