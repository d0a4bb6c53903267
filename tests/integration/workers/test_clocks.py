"""Hosts whose clocks are an hour wrong: what is scheduled and what is judged goes by Redis's clock alone."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from bringup.connections.redis_client import redis_now
from bringup.model import JobKind
from bringup.queues import job_id_of
from tests.integration.workers.conftest import StartWorker
from tests.integration.workers.site import Site, eventually

OFFSETS = ["+1h", "-1h"]


def scheduled_in_s(site: Site, kind: JobKind, job_id: str) -> float | None:
    """In how many seconds a delayed job is due, by Redis's clock."""
    at = site.redis.zscore(site.queues.queue(kind).scheduled_job_registry.key, job_id)
    return None if at is None else float(at) - redis_now(site.redis).timestamp()


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_worker_with_a_wrong_clock_does_delayed_jobs_when_they_are_due(
    site: Site, start_worker: StartWorker, offset: str
) -> None:
    lease = site.lease(0)
    site.queues.add(JobKind.EXPIRE, lease.run_id, at=redis_now(site.redis) + timedelta(seconds=600))
    site.queues.add(JobKind.EXPIRE, site.lease(1).run_id, at=redis_now(site.redis) + timedelta(seconds=3))
    start_worker(site, clock=offset).ready()
    soon = job_id_of(JobKind.EXPIRE, site.lease(1).run_id)
    eventually(lambda: not site.is_scheduled(JobKind.EXPIRE, soon), 60, "what is due is done")
    later = scheduled_in_s(site, JobKind.EXPIRE, job_id_of(JobKind.EXPIRE, lease.run_id))
    assert later is not None
    assert 500 < later <= 600


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_worker_with_a_wrong_clock_tries_again_after_the_time_it_logs(
    site: Site, start_worker: StartWorker, offset: str
) -> None:
    lease = site.lease(0)
    held = site.gate.hold("before", "API PUT", lease.run_id)
    worker = start_worker(site, clock=offset).ready()
    site.queues.add_lease(lease)
    eventually(held.reached.is_set, 60, "the lease is posted")
    began = time.monotonic()
    held.drop()  # 503: it is tried again in a second or two
    eventually(lambda: site.known(0), 60, "the lease is posted again")
    assert time.monotonic() - began > 0.5
    assert worker.log.count("will be tried again") == 1, worker.log


def test_the_log_of_such_a_worker_shows_the_wrong_time(site: Site, start_worker: StartWorker) -> None:
    """So that the tests above can fail."""
    worker = start_worker(site, clock="+1h").ready()
    logged = datetime.fromisoformat(worker.log.split()[0])
    assert timedelta(minutes=50) < logged - datetime.now(UTC) < timedelta(minutes=70)
