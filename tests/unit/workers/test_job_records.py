"""A job has no hash while it runs only where its id says all of it: of any other something would be lost."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis

from bringup import model, queues
from workers import job_records

RUN_ID = "02-00-00-00-00-01-1767225600"
QUEUE = queues.open_queue("boots", Redis())


def boot_job(**kwargs: Any) -> Any:
    return queues.new_job(QUEUE, model.JobKind.BOOT, RUN_ID, {"run_id": RUN_ID} | kwargs)


def test_a_job_as_it_is_enqueued_is_all_in_its_id() -> None:
    assert job_records.is_whole_in_id(boot_job(), QUEUE)


@pytest.mark.parametrize(
    "change",
    [
        lambda job: setattr(job, "kwargs", {"run_id": RUN_ID, "more": 1}),
        lambda job: setattr(job, "kwargs", {"run_id": RUN_ID.replace("01-", "02-")}),
        lambda job: setattr(job, "_func_name", "workers.jobs.finish"),
        lambda job: job.meta.update(bmc_tries=1),
        lambda job: setattr(job, "number_of_retries", 1),
        lambda job: setattr(job, "ended_at", datetime.now(UTC)),
    ],
)
def test_a_job_that_is_more_than_its_id_keeps_its_hash(change: Callable[[Any], None]) -> None:
    job = boot_job()
    change(job)
    assert not job_records.is_whole_in_id(job, QUEUE)


def test_a_job_of_another_queue_keeps_its_hash() -> None:
    assert not job_records.is_whole_in_id(boot_job(), queues.open_queue("finishes", Redis()))
