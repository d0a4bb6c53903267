"""Jobs that run only what we allow, and are tried again only when that can help.

rq resolves a job's function by importing whatever path the job names: a client that can write to Redis would own the
workers. Here a name is looked up in a given table, and everything else that a job can make rq import or call (an
instance, callbacks, webhooks) is ignored.
"""

import errno
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from rq.exceptions import DeserializationError
from rq.job import Job, JobStatus, Retry, parse_job_id

from bringup import backoff, errors, log, model
from bringup.connections.redis_client import redis_now
from bringup.settings import Settings

if TYPE_CHECKING:
    from redis import Redis

# Retries that rq counts down: more than any job can use up. What bounds a job is its run's own time, not a count.
_UNLIMITED = 1_000_000_000
# What rq writes for a job of ours. Without the others it can import or call nothing (callbacks, webhooks), tries
# nothing again by itself (retries_left, repeats_left), and unpacks nothing but the data (exc_info, result).
_FIELDS = {
    *(b"data", b"created_at", b"origin", b"description", b"worker_name", b"status", b"meta"),
    *(b"enqueued_at", b"started_at", b"ended_at", b"last_heartbeat"),
    *(b"timeout", b"result_ttl", b"failure_ttl", b"ttl", b"number_of_retries"),
}
# Bytes of a job's data, unpacked. A lease of which every field is as long as it may be takes 10 KB; without a bound a
# zlib bomb in Redis would fill a worker's memory.
_MAX_DATA = 256 * 1024
# How the kernel says that a process or its host has no more files, processes, memory, buffers or disk space.
_SHORT_OF = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT}
# CPython raises a bare RuntimeError; only its text distinguishes it from others.
_NO_THREAD = "can't start new thread"


class Task:
    """One execution of a job, as the job's function sees it.

    The API accepts the steps of the latest execution alone, by its ``fencing_token``: one that was thought dead and
    continues cannot undo what the next one does.

    Args:
        job: as rq has it.
    """

    def __init__(self, job: "AllowedJob") -> None:
        self._job = job
        self.fencing_token = uuid4().hex

    def count(self, what: str) -> int:
        """Count ``what`` across all executions of this job; returns how often it was counted until now.

        Saved at once: an execution that is killed after this has used up its try.
        """
        self._job.meta[what] = int(self._job.meta.get(what, 0)) + 1
        self._job.save_meta()
        return int(self._job.meta[what])

    def retry_in_s(self, error: errors.TransientError) -> float:
        """Seconds until the job runs again when ``error`` ends this execution; asked again, the same."""
        return self._job.retry_in_s(error)

    def seconds_since_first(self, what: str) -> float:
        """Seconds since an execution of this job first asked this; 0 for the first.

        By Redis's clock: the next execution may be on another host, and hosts need not agree about the time.
        """
        now = redis_now(self._job.connection).timestamp()
        first = self._job.meta.setdefault(f"first_{what}", now)
        self._job.save_meta()
        return max(0.0, now - float(first))


# What a job calls: with its `Task`, and its keyword arguments.
JobFunction = Callable[..., None]


class AllowedJob(Job):
    """An rq job that runs one of ``functions``, called with its `Task` and the job's keyword arguments.

    Retries are doubled from ``retry_min_s`` to ``retry_max_s`` seconds. `job_class` sets all three.
    """

    functions: ClassVar[Mapping[str, JobFunction]] = {}
    retry_min_s: ClassVar[float]
    retry_max_s: ClassVar[float]
    is_stored = True  # whether it has a hash (workers.job_records)

    @classmethod
    def fetch(cls, id: str, connection: "Redis | None" = None, serializer: Any = None) -> "AllowedJob":  # noqa: A002
        """Read a job from Redis.

        Args:
            id: of the job.
            connection: to Redis.
            serializer: of the queue: JSON, never pickle.

        Raises:
            JobRefused: no worker can read it, or may run it.
        """
        try:
            job = cls(parse_job_id(id), connection=connection, serializer=serializer)
        except (TypeError, ValueError) as error:
            raise errors.JobRefused(f"{id!r} is no id of a job: {error}") from error
        job.refresh()  # type: ignore[no-untyped-call]
        job._check()
        return job

    def restore(self, raw_data: Any) -> None:
        """Read the job from the fields of its hash, and only from those that a job of ours has.

        Raises:
            JobRefused: they cannot be read.
        """
        fields = {name: value for name, value in raw_data.items() if name in _FIELDS}
        try:
            _check_size(fields.get(b"data", b""))
            super().restore(fields)
        except (MemoryError, OSError, ImportError):
            raise  # errors of this host, and not of the job
        except Exception as error:
            raise errors.JobRefused(f"job {self.id} cannot be read: {type(error).__name__}: {error}") from error

    def save_meta(self) -> None:
        """Save what was counted; with all else of the job, where it has no hash."""
        if self.is_stored:
            super().save_meta()  # type: ignore[no-untyped-call]
        else:
            self.store()

    def store(self) -> None:
        """Give the job a hash, if it has none while it runs: its id does not say all of it any more."""
        if not self.is_stored:
            fields = {**self.to_dict(), "status": JobStatus.STARTED.value}
            self.connection.hset(self.key, mapping=fields)
            self.is_stored = True

    def _check(self) -> None:
        """Raises JobRefused: what it wants to run cannot be read, or is not on the allow-list."""
        try:
            self._allowed_function()
            self._allowed_arguments()
        except DeserializationError as error:
            raise errors.JobRefused(f"job {self.id} cannot be read: its data is no JSON of a job") from error

    def _execute(self) -> Retry | None:
        with log.bound(job_id=self.id, run_id=self.id.partition("_")[0]):
            try:
                with host_errors():
                    self._allowed_function()(Task(self), **self._allowed_arguments())
            except errors.TransientError as error:
                return self._retry_after(error)
            except errors.SettingsError as error:
                # A file of this host cannot be read, a certificate perhaps: no fault of the job.
                return self._retry_after(errors.HostShortage(str(error)))
        return None

    def _allowed_function(self) -> JobFunction:
        # Looked up and never imported. An instance would be unpickled, and its methods called.
        function = self.functions.get(str(self.func_name))
        if function is None or self.instance is not None:
            raise errors.JobRefused(f"job {self.id} asks for {self.func_name!r}, which is not on the allow-list")
        return function

    def _allowed_arguments(self) -> dict[str, Any]:
        """Raises JobRefused. A run id becomes part of a URL that is requested with our token: only one of ours may."""
        if self.args or not isinstance(self.kwargs, dict):
            raise errors.JobRefused(f"job {self.id} carries arguments that no job of ours has")
        if "run_id" in self.kwargs and not re.fullmatch(model.RUN_ID, str(self.kwargs["run_id"])):
            raise errors.JobRefused(f"job {self.id} names a run that cannot be")
        return self.kwargs

    def retry_in_s(self, error: errors.TransientError) -> float:
        """Seconds until the job runs again after ``error``: as the other side asked, else with backoff.

        The error keeps them: they are chosen by chance, and what was posted must come true.
        """
        if error.retry_in_s is None:
            error.retry_in_s = backoff.backoff_s(self.number_of_retries or 0, self.retry_min_s, self.retry_max_s)
        return error.retry_in_s

    def _retry_after(self, error: errors.TransientError) -> Retry:
        wait_s, tries = self.retry_in_s(error), self.number_of_retries or 0
        log.get("workers").info("will be tried again", why=str(error), in_s=round(wait_s, 1), tries=tries + 1)
        return Retry(max=_UNLIMITED, interval=max(1, round(wait_s)))


def _check_size(data: bytes) -> None:
    """Raises ValueError: unpacked it would be larger than any job of ours, a zlib bomb perhaps."""
    # Unpacked up to the bound and no further: 256 KB of zlib can be 256 MB of data.
    unpacked = len(data)
    with suppress(zlib.error):  # rq takes what is not compressed as it is
        unpacked = len(zlib.decompressobj().decompress(data, _MAX_DATA + 1))
    if max(len(data), unpacked) > _MAX_DATA:
        raise ValueError(f"its data is larger than {_MAX_DATA} bytes")


def job_class(settings: Settings, functions: Mapping[str, JobFunction]) -> type[AllowedJob]:
    """The job class for one process: rq wants a class, so what it works with becomes class attributes.

    Args:
        settings: bound the time between two tries.
        functions: the allow-list, by the name that a job has in Redis.
    """
    attributes = {"functions": functions, "retry_min_s": settings.retry_min_s, "retry_max_s": settings.retry_max_s}
    return type("BoundJob", (AllowedJob,), attributes)


@contextmanager
def host_errors() -> Iterator[None]:
    """Translate what the block raises because this host is short of something.

    Raises:
        HostShortage: the job is tried again, and nothing is concluded about it.
    """
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        if not is_shortage(error):
            raise
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise errors.HostShortage(
            f"this host is short of something: {why}; see its limits (ulimit -a) and memory"
        ) from error


def is_shortage(error: BaseException) -> bool:
    """Whether this host was short of file descriptors, memory, threads or disk."""
    if isinstance(error, OSError):
        return error.errno in _SHORT_OF
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and str(error) == _NO_THREAD)
