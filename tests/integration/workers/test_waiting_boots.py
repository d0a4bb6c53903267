"""A run that is given a boot slot boots, whatever becomes of the job that had asked for one."""

from rq.job import Job

from bringup.model import JobKind, RunState
from bringup.queues import job_id_of
from tests.conftest import RedisServer
from tests.integration.workers.conftest import MakeSite, StartWorker
from tests.integration.workers.site import Hold, Site, eventually

WITHIN_S = 90


def refused_and_held(site: Site) -> Hold:
    """Machine 0 boots; the answer to 1, that it must wait, is on its way to its worker, which has the job in hand."""
    site.queues.add_lease(site.lease(0))
    eventually(lambda: site.known(0) and site.run(0).state is RunState.WAITING, WITHIN_S, "m0 boots")
    held = site.gate.hold("after", "boot_started", site.lease(1).run_id)
    site.queues.add_lease(site.lease(1))
    eventually(held.reached.is_set, WITHIN_S, "m1 asks")
    site.abort(0)
    eventually(lambda: site.posted(1, "boot_slot_given"), WITHIN_S, "m1 gets the slot")
    return held


def boots(site: Site) -> bool:
    return site.run(1).state is RunState.WAITING


def test_a_boot_job_enqueued_while_the_one_before_it_runs_is_not_lost(
    make_site: MakeSite, shared_redis: RedisServer, start_worker: StartWorker, settings: object
) -> None:
    site = make_site(shared_redis, MAX_CONCURRENT_BOOTS="1")
    start_worker(site).ready()
    held = refused_and_held(site)
    # In hand by another thread, or on the queue: both are one job, under one id.
    held.released.set()
    eventually(lambda: boots(site), WITHIN_S, "m1 boots")
    assert site.posted(1, "powered_on") == 1


def test_a_boot_job_that_has_expired_on_its_queue_is_restored(
    make_site: MakeSite, shared_redis: RedisServer, start_worker: StartWorker, settings: object
) -> None:
    site = make_site(shared_redis, MAX_CONCURRENT_BOOTS="1")
    worker = start_worker(site).ready()
    held = refused_and_held(site)
    worker.kill()
    site.redis.delete(Job.key_for(job_id_of(JobKind.BOOT, site.lease(1).run_id)))
    held.released.set()
    start_worker(site).ready()
    eventually(lambda: boots(site), WITHIN_S, "m1 boots")
    assert site.posted(1, "powered_on") == 1


def test_a_slot_given_while_no_worker_runs_is_used_by_the_next_one(
    make_site: MakeSite, shared_redis: RedisServer, start_worker: StartWorker, settings: object
) -> None:
    site = make_site(shared_redis, MAX_CONCURRENT_BOOTS="1")
    worker = start_worker(site).ready()
    held = refused_and_held(site)
    worker.kill()
    held.released.set()
    site.redis.delete("rq:queue:boots", "rq:queue:boots:intermediate")
    start_worker(site).ready()
    eventually(lambda: boots(site), WITHIN_S, "m1 boots")
