"""Jobs that run only what we allow, and are tried again only when that can help.

rq resolves a job's function by importing whatever path the job names; whoever can write to Redis would own
the workers. Here a name is looked up in a given table, and everything else that a job can make rq import or
call (an instance, callbacks, webhooks) is ignored.
"""

import random
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import uuid4

from rq.job import Job, Retry

from bringup import log
from bringup.errors import JobRefused, TransientError
from bringup.model import RUN_ID
from bringup.settings import Settings

_FOR_EVER = 1_000_000_000


class Task:
    """One execution of a job, as the job's function sees it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.owner = uuid4().hex

    def count(self, what: str) -> int:
        """Count ``what`` across all executions of this job; returns how often it was counted by now."""
        self._job.meta[what] = int(self._job.meta.get(what, 0)) + 1
        self._job.save_meta()  # type: ignore[no-untyped-call]
        return int(self._job.meta[what])

    def seconds_since_first(self, what: str) -> float:
        """Seconds since an execution of this job first asked this; 0 for the first. By the clock of the wall."""
        first = self._job.meta.setdefault(f"first_{what}", time.time())
        self._job.save_meta()  # type: ignore[no-untyped-call]
        return max(0.0, time.time() - float(first))


JobFunction = Callable[..., None]


class AllowedJob(Job):
    """An rq job that runs one of ``functions``, called with its `Task` and the job's keyword arguments."""

    functions: ClassVar[Mapping[str, JobFunction]] = {}
    retry_min_s: ClassVar[float]
    retry_max_s: ClassVar[float]

    def restore(self, raw_data: Any) -> None:
        """Read the job from Redis, without what could make rq import or call anything, or try it again by itself.

        Raises:
            JobRefused: it cannot be read.
        """
        try:
            super().restore(raw_data)
        except Exception as error:
            raise JobRefused(f"job {self.id} cannot be read: {type(error).__name__}: {error}") from error
        self._success_callback_name = self._failure_callback_name = self._stopped_callback_name = None
        self.webhooks = []
        self.repeats_left = self.retries_left = None
        self.rate_limit_key = self.rate_limit_concurrency = None

    def _execute(self) -> Retry | None:
        with log.bound(job_id=self.id, run_id=self.id.partition("_")[0]):
            try:
                self._allowed_function()(Task(self), **self._allowed_arguments())
            except TransientError as error:
                return self._retry_after(error)
        return None

    def _allowed_function(self) -> JobFunction:
        function = self.functions.get(str(self.func_name))
        if function is None or self.instance is not None:
            raise JobRefused(f"job {self.id} asks for {self.func_name!r}, which is not on the allow-list")
        return function

    def _allowed_arguments(self) -> dict[str, Any]:
        """Raises JobRefused. A run id becomes part of a URL that bears our token: only one of ours may."""
        if self.args or not isinstance(self.kwargs, dict):
            raise JobRefused(f"job {self.id} carries arguments that no job of ours has")
        if "run_id" in self.kwargs and not re.fullmatch(RUN_ID, str(self.kwargs["run_id"])):
            raise JobRefused(f"job {self.id} names a run that cannot be")
        return self.kwargs

    def _retry_after(self, error: TransientError) -> Retry:
        tries = self.number_of_retries or 0
        backoff_s = min(self.retry_min_s * 2 ** min(tries, 10), self.retry_max_s)
        wait_s = error.retry_in_s if error.retry_in_s is not None else backoff_s * random.uniform(0.75, 1.25)  # noqa: S311
        log.get("workers").info("will be tried again", why=str(error), in_s=round(wait_s, 1), tries=tries + 1)
        return Retry(max=_FOR_EVER, interval=max(1, round(wait_s)))


def job_class(settings: Settings, functions: Mapping[str, JobFunction]) -> type[AllowedJob]:
    """The job class for one process: rq wants a class, so what it works with becomes class attributes."""
    attributes = {"functions": functions, "retry_min_s": settings.retry_min_s, "retry_max_s": settings.retry_max_s}
    return type("BoundJob", (AllowedJob,), attributes)
