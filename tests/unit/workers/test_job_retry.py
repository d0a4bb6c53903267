"""What is tried again, when, and what is not: decided by the class of the error."""

import errno
from typing import cast

import pytest
from redis import Redis
from rq.job import Retry
from rq.serializers import JSONSerializer

from bringup.errors import (
    ApiRejected,
    ApiUnavailable,
    BmcRejected,
    BmcUnavailable,
    JobRefused,
    NotYet,
    PermanentError,
    RedisUnavailable,
    SettingsError,
    TransientError,
)
from bringup.settings import Settings
from workers.job import AllowedJob, Task, job_class

RUN_ID = "02-00-00-00-00-01-1795426896"
FUNCTION = "workers.jobs.boot"


def job_that_raises(settings: Settings, error: Exception, tries: int = 0) -> AllowedJob:
    def fail(_task: Task, *, run_id: str) -> None:
        raise error

    kind = job_class(settings, {FUNCTION: fail})
    job = kind.create(
        FUNCTION, kwargs={"run_id": RUN_ID}, id=f"{RUN_ID}_boot", serializer=JSONSerializer, connection=_NOWHERE
    )
    job.number_of_retries = tries
    return cast("AllowedJob", job)


_NOWHERE = cast("Redis", object())  # no test here may reach a Redis


def wait_s(settings: Settings, error: Exception, tries: int = 0) -> float:
    retry = job_that_raises(settings, error, tries).perform()
    assert isinstance(retry, Retry)
    assert retry.max > 1_000_000
    return float(retry.intervals[0])


@pytest.mark.parametrize("kind", [RedisUnavailable, ApiUnavailable, BmcUnavailable, NotYet, TransientError])
def test_transient_errors_are_tried_again(fast_settings: Settings, kind: type[TransientError]) -> None:
    assert wait_s(fast_settings, kind("away")) >= 1


@pytest.mark.parametrize(
    "error",
    [
        PermanentError("no"),
        ApiRejected("no", kind="stale"),
        BmcRejected("no", reason="bmc_auth"),
        JobRefused("no"),
        ValueError("a bug"),
    ],
)
def test_everything_else_fails_at_once(fast_settings: Settings, error: Exception) -> None:
    with pytest.raises(type(error)):
        job_that_raises(fast_settings, error).perform()


@pytest.mark.parametrize(("tries", "base_s"), [(0, 5), (1, 10), (2, 20), (3, 30), (50, 30), (10**6, 30)])
def test_the_wait_doubles_up_to_its_limit_with_jitter(fast_settings: Settings, tries: int, base_s: int) -> None:
    waits = {wait_s(fast_settings, ApiUnavailable("away"), tries) for _ in range(200)}
    assert min(waits) >= int(base_s * 0.75)
    assert max(waits) <= round(base_s * 1.25)
    assert len(waits) > 1, "without jitter all come back at once"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files"),
        MemoryError(),
        RuntimeError("can't start new thread"),
        SettingsError(["API_TLS_CA: cannot be read"]),
    ],
)
def test_what_this_host_is_short_of_is_waited_for(fast_settings: Settings, error: Exception) -> None:
    assert wait_s(fast_settings, error) > 0


@pytest.mark.parametrize("bug", [OSError(errno.ENOENT, "No such file"), RuntimeError("a bug"), KeyError("a bug")])
def test_a_bug_is_not_taken_for_a_shortage(fast_settings: Settings, bug: Exception) -> None:
    with pytest.raises(type(bug)):
        job_that_raises(fast_settings, bug).perform()


@pytest.mark.parametrize(("said_s", "waited_s"), [(0, 1), (0.2, 1), (7, 7), (119.6, 120), (3600, 3600)])
def test_a_wait_that_the_other_side_asks_for_is_honoured(
    fast_settings: Settings, said_s: float, waited_s: float
) -> None:
    assert wait_s(fast_settings, NotYet("later", retry_in_s=said_s), tries=9) == waited_s


def test_a_job_that_worked_is_not_tried_again(fast_settings: Settings) -> None:
    kind = job_class(fast_settings, {FUNCTION: lambda _task, run_id: None})
    job = kind.create(
        FUNCTION, kwargs={"run_id": RUN_ID}, id=f"{RUN_ID}_boot", serializer=JSONSerializer, connection=_NOWHERE
    )
    assert job.perform() is None


@pytest.mark.parametrize("run_id", ["../devices/a/runs?x=", "", "r", 5, None, "02-00-00-00-00-01-1795426896/../x"])
def test_a_run_id_that_is_none_of_ours_never_reaches_a_url(fast_settings: Settings, run_id: object) -> None:
    kind = job_class(fast_settings, {FUNCTION: lambda _task, run_id: None})
    job = kind.create(FUNCTION, kwargs={"run_id": run_id}, id="x_boot", serializer=JSONSerializer, connection=_NOWHERE)
    with pytest.raises(JobRefused, match="cannot be"):
        job.perform()
