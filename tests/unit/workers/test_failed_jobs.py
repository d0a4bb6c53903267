"""A job that failed is on record as such; one whose Redis or host failed is not, and comes again."""

import errno
from typing import Any

import pytest
import redis
from rq import SimpleWorker

from bringup.settings import Settings
from workers import worker
from workers.worker import QueueWorker


def refused(code: str) -> redis.ResponseError:
    """An answer of Redis, as redis-py raises it."""
    error = redis.ResponseError("not now")
    error.status_code = code
    return error


class Ending:
    """A worker that ends executions, without a Redis; ``recorded``: the jobs that rq was given as failed."""

    def __init__(self, settings: Settings, patch: pytest.MonkeyPatch) -> None:
        self.recorded: list[str] = []
        self.refusal: Exception | None = None
        self._worker = QueueWorker.__new__(QueueWorker)
        self._worker._settings = settings
        patch.setattr(self._worker, "connection", None, raising=False)
        patch.setattr(worker, "check_writes", self._check)
        patch.setattr(SimpleWorker, "_finalize_failure", lambda _self, job, *_rest: self.recorded.append(job))

    def fail(self, error: Exception) -> None:
        """The execution of a job ends with ``error``."""
        job: Any = "a job"
        nothing: Any = None
        self._worker._finalize_failure(job, nothing, nothing, (type(error), error, None))

    def _check(self, _connection: object) -> None:
        if self.refusal:
            raise self.refusal


@pytest.fixture
def ending(fast_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Ending:
    return Ending(fast_settings, monkeypatch)


def test_a_job_that_failed_is_on_record(ending: Ending) -> None:
    ending.fail(ValueError("a defect"))
    assert ending.recorded == ["a job"]


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("gone"),
        redis.TimeoutError("slow"),
        refused("OOM"),
        OSError(errno.EMFILE, "Too many open files"),
        MemoryError(),
        RuntimeError("can't start new thread"),
    ],
    ids=repr,
)
def test_a_job_did_not_fail_where_redis_or_the_host_did(ending: Ending, error: Exception) -> None:
    with pytest.raises(type(error)):
        ending.fail(error)
    assert ending.recorded == []


def test_a_job_did_not_fail_where_redis_takes_no_record_of_it(ending: Ending) -> None:
    ending.refusal = redis.ResponseError("MISCONF Redis is configured to save RDB snapshots")
    with pytest.raises(redis.ResponseError):
        ending.fail(ValueError("a defect"))
    assert ending.recorded == []
