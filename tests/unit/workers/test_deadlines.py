"""A job that takes longer than it may is ended, and no other one."""

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from rq.timeouts import JobTimeoutException

from workers.deadlines import Deadlines

JOIN_S = 60


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def in_a_thread(deadlines: Deadlines, timeout: float, until: Callable[[], bool]) -> tuple[threading.Thread, list[str]]:
    """A thread that works until ``until``, and what ended it."""
    entered, ended = threading.Event(), ["it ended by itself"]

    def work() -> None:
        try:
            with deadlines.penalty(timeout, JobTimeoutException, job_id="x"):
                entered.set()
                while not until():
                    pass
        except JobTimeoutException as error:
            ended[0] = str(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert entered.wait(JOIN_S)
    return thread, ended


def test_a_job_beyond_its_deadline_is_ended_and_one_before_it_is_not() -> None:
    clock, done = Clock(), threading.Event()
    deadlines = Deadlines(clock)
    late, late_ended = in_a_thread(deadlines, 10, done.is_set)
    early, early_ended = in_a_thread(deadlines, 20, done.is_set)
    deadlines.enforce()
    assert late.is_alive()
    clock.now = 10
    deadlines.enforce()
    late.join(JOIN_S)
    assert late_ended == ["the job took longer than the 10 s that it may take"]
    assert early.is_alive()
    done.set()
    early.join(JOIN_S)
    assert early_ended == ["it ended by itself"]


def test_a_job_that_has_ended_is_not_ended_again() -> None:
    clock = Clock()
    deadlines = Deadlines(clock)
    with deadlines.penalty(10, JobTimeoutException):
        pass
    clock.now = 11
    deadlines.enforce()
    assert not deadlines._due


def test_a_job_that_fails_has_no_deadline_any_more() -> None:
    clock = Clock()
    deadlines = Deadlines(clock)
    with suppress(ValueError), deadlines.penalty(10, JobTimeoutException):
        raise ValueError
    assert not deadlines._due


def test_a_job_is_ended_once_and_not_while_it_takes_its_deadline_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, raised = Clock(), []
    deadlines = Deadlines(clock)
    # `cancel` waits for this lock: else the error could be raised in the next job of the thread.
    monkeypatch.setattr("workers.deadlines._raise_in", lambda *_: raised.append(deadlines._lock.locked()))
    deadlines.set(10, JobTimeoutException)
    clock.now = 10
    deadlines.enforce()
    deadlines.enforce()
    assert raised == [True]


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_job_without_a_bound_gets_no_deadline(timeout: int) -> None:
    deadlines = Deadlines(Clock())
    with deadlines.penalty(timeout, JobTimeoutException):
        assert not deadlines._due


def test_a_deadline_starts_no_thread_that_could_keep_the_process_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    started_by: list[threading.Thread] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started_by.append(threading.current_thread())
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    with Deadlines(Clock()).penalty(3600, JobTimeoutException):
        # Threads of other tests' applications in this process may start some of their own.
        assert threading.current_thread() not in started_by
