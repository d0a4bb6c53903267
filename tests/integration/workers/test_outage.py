"""Redis is killed under the workers and comes back on the same data."""

import time

import pytest

from bringup.model import JobKind, RunState
from tests.conftest import RedisServer
from tests.integration.workers.conftest import MakeSite, StartWorker
from tests.integration.workers.site import STOPS_WITHIN_S, Site, WorkerProcess, eventually

OUTAGE_S = 10
GIVEN_AWAY_AFTER_S = 11  # by when a silent worker's job has been put back: workers.in_flight, workers.reaper
THREADS_AND_LOOPS = 16 + 5


def wait_out(seconds: float, *workers: WorkerProcess) -> None:
    """Time passes; the workers live."""
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() > until or not all(worker.lives for worker in workers), seconds + 60, "time")
    for worker in workers:
        assert worker.lives, worker.log


def connections(site: Site) -> int:
    return len(site.redis.client_list())


def blocked(site: Site) -> int:
    """How many clients wait for a job."""
    return int(site.redis.info("clients")["blocked_clients"])


def assert_told_once(worker: WorkerProcess, outages: int) -> None:
    assert worker.log.count("waiting for Redis;") == outages, worker.log
    eventually(lambda: worker.log.count("Redis is back") == outages, 60, "it reports that it works again")
    assert "Traceback" not in worker.log, worker.log


@pytest.mark.slow
def test_an_outage_of_redis_ends_no_worker_loses_no_job_and_gives_none_away(
    own_redis: RedisServer, make_site: MakeSite, start_worker: StartWorker
) -> None:
    site = make_site(own_redis, REDIS_TIMEOUT_S="2")
    busy = start_worker(site).ready()
    through = site.gate.hold("after", "BMC PUT /m0/power", "'Off'")  # held across the outage, and longer
    within = site.gate.hold("after", "BMC PUT /m1/power", "'Off'")  # continues, and ends, within the outage
    for number in (0, 1):
        site.queues.add_lease(site.lease(number))
    for held in (through, within):
        eventually(held.reached.is_set, 60, "the machine is being switched")
    idle = start_worker(site).ready()
    wait_out(2, busy, idle)
    before = connections(site)

    own_redis.kill()
    wait_out(OUTAGE_S / 2, busy, idle)
    within.released.set()
    wait_out(OUTAGE_S / 2, busy, idle)
    own_redis.start()
    back_at = time.monotonic()

    eventually(lambda: site.run(1).state is RunState.WAITING, 60, "the job that ended in the outage is done again")
    site.queues.add_lease(site.lease(2))
    eventually(lambda: site.known(2) and site.run(2).state is RunState.WAITING, 60, "new leases are served")
    wait_out(max(0.0, back_at + GIVEN_AWAY_AFTER_S + 2 - time.monotonic()), busy, idle)
    assert site.posted(0, "boot_started") == 1, "the job of a live worker was given to another"
    through.released.set()
    eventually(lambda: site.run(0).state is RunState.WAITING, 60, "the job that was held continues")
    assert site.posted(0, "boot_started") == 1
    for number in range(3):
        machine = site.machines[f"m{number}"]
        assert (machine.off_count, machine.on_count) == (1, 1), f"m{number}"
    assert connections(site) <= before + 10, "connections grow with each outage"
    for worker in (busy, idle):
        assert_told_once(worker, 1)
        status, seconds = worker.terminate()
        assert (status, seconds < STOPS_WITHIN_S) == (0, True), worker.log


def test_workers_that_start_without_redis_wait_for_it_and_leak_no_connection(
    own_redis: RedisServer, make_site: MakeSite, start_worker: StartWorker
) -> None:
    site = make_site(own_redis)
    site.queues.add_lease(site.lease(0))
    own_redis.kill()
    worker = start_worker(site)
    eventually(lambda: "waiting for Redis; nothing is lost" in worker.log, 60, "it reports that it waits")
    own_redis.start()
    eventually(lambda: site.known(0) and site.run(0).state is RunState.WAITING, 60, "the lease is served")
    for _ in range(2):
        own_redis.kill()
        wait_out(0.5, worker)
        own_redis.start()
        wait_out(1, worker)
    eventually(lambda: blocked(site) == len(JobKind), 60, "a thread listens to each queue")
    site.queues.add_lease(site.lease(1))
    eventually(lambda: site.known(1) and site.run(1).state is RunState.WAITING, 60, "the lease is served")
    assert connections(site) <= THREADS_AND_LOOPS + 25, "connections grow"
    assert "Traceback" not in worker.log, worker.log
