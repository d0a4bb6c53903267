"""The end of a worker process: stopped, idle or in the middle of things, and refused at its start."""

from bringup.model import RunState
from tests.conftest import RedisServer
from tests.integration.workers.conftest import MakeSite, StartWorker
from tests.integration.workers.site import STOPS_WITHIN_S, Site, eventually


def test_an_idle_worker_stops_in_time_and_leaves_no_name_behind(site: Site, start_worker: StartWorker) -> None:
    worker = start_worker(site).ready()
    eventually(lambda: site.redis.scard("rq:workers") == 16, 60, "all threads are registered")
    status, seconds = worker.terminate()
    assert (status, seconds < STOPS_WITHIN_S) == (0, True), worker.log
    assert site.redis.scard("rq:workers") == 0


def test_a_worker_with_a_blocked_job_stops_in_time_and_the_job_is_not_lost(
    site: Site, start_worker: StartWorker
) -> None:
    worker, other = start_worker(site).ready(), None
    held = site.gate.hold("after", "BMC PUT /m0/power", "'On'")  # the BMC does not answer
    site.queues.add_lease(site.lease(0))
    eventually(held.reached.is_set, 60, "the machine is being switched on")
    other = start_worker(site).ready()
    status, seconds = worker.terminate()
    assert (status, seconds < STOPS_WITHIN_S) == (0, True), worker.log
    eventually(lambda: site.run(0).state is RunState.WAITING, 60, "another worker does the job")
    machine = site.machines["m0"]
    assert (machine.off_count, machine.on_count) == (1, 1)
    assert other.lives


def test_a_job_that_ends_in_time_is_finished_before_the_worker_stops(site: Site, start_worker: StartWorker) -> None:
    worker = start_worker(site).ready()
    held = site.gate.hold("after", "BMC PUT /m0/power", "'On'")
    site.queues.add_lease(site.lease(0))
    eventually(held.reached.is_set, 60, "the machine is being switched on")
    worker.process.terminate()
    eventually(lambda: "stopping" in worker.log, 60, "it is stopping")
    held.released.set()
    assert worker.process.wait(180) == 0
    assert site.run(0).state is RunState.WAITING
    assert not site.redis.zcard("rq:wip:boots")


def test_a_wrong_redis_password_is_one_clear_line_and_no_traceback(
    shared_redis: RedisServer, make_site: MakeSite, start_worker: StartWorker
) -> None:
    site = make_site(shared_redis)
    site.variables["REDIS_PASSWORD"] = "not-the-password-of-the-tests"
    worker = start_worker(site)
    assert worker.process.wait(180) in {1, 2}
    lines = worker.log.strip().splitlines()
    assert len(lines) == 1, worker.log
    assert "REDIS_PASSWORD" in lines[0]
    assert "not-the-password" not in lines[0]
