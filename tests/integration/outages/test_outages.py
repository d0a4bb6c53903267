"""Redis is full, silent, loading, killed or flaps: every service waits, logs it once, and goes on by itself.

On the configuration that ``bringup redis-conf`` writes, plain and TLS. Of a lease that is written meanwhile comes
exactly one run.
"""

import time

import pytest

from tests.integration.outages.site import SERVICES, Site, repeated
from tests.integration.workers.site import eventually

LASTS_S = 8.0  # longer than any retry interval of a service, and than the time that makes an outage over
REFUSES_WRITES = {"ready": False, "problems": ["Redis refuses writes"]}


def wait_out(site: Site, seconds: float = LASTS_S) -> None:
    """An outage lasts; every service lives, whatever becomes of Redis."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        site.assert_all_live()
        time.sleep(0.2)


def await_refusal_of_writes(site: Site) -> None:
    eventually(lambda: site.ready().status_code == 503, 60, "the API is not ready")
    assert site.ready().json() == REFUSES_WRITES
    refused = site.put_run()
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True), refused.text


def test_redis_is_out_of_memory(site: Site) -> None:
    log = site.log()
    with site.full_memory():
        run_id = site.lease()
        for service in ("work", "tail"):
            log.await_line(service, "(OOM)")
        await_refusal_of_writes(site)
        wait_out(site)
        assert site.run(run_id) is None
    site.await_pass(run_id)
    log.assert_one_outage("Redis (writes)")
    assert site.ready().status_code == 200


@pytest.mark.slow
def test_the_disk_of_redis_is_full(site: Site) -> None:
    """With ``appendfsync everysec``: Redis goes on and refuses writes."""
    log = site.log()
    site.keeper.config_set("appendfsync", "everysec")
    try:
        with site.full_disk():
            run_id = site.lease()
            log.await_line("work", "(MISCONF)")
            await_refusal_of_writes(site)
            wait_out(site)
        site.await_pass(run_id)
    finally:
        site.keeper.config_set("appendfsync", "always")
    log.assert_one_outage("Redis (writes)", ("work",))


@pytest.mark.slow
def test_the_disk_of_redis_is_full_and_every_write_must_be_on_it(site: Site) -> None:
    """With ``appendfsync always``, as we configure it, redis-server ends; nothing that it acknowledged is lost."""
    log = site.log()
    with site.full_disk():
        run_id = site.lease()
        log.await_line("tail", "waiting for Redis;")
        wait_out(site)
    site.stack.stop("redis")
    site.start_redis()
    site.await_pass(run_id)
    log.assert_one_outage("Redis")


@pytest.mark.slow
def test_redis_hangs(site: Site) -> None:
    log = site.log()
    with site.stopped():
        run_id = site.lease()
        for service in ("work", "tail"):
            log.await_line(service, "waiting for Redis;")
        assert site.ready().status_code == 503
        wait_out(site)
    site.await_pass(run_id)
    log.assert_one_outage("Redis")


@pytest.mark.slow
@pytest.mark.parametrize("paused", ["ALL", "WRITE"])
def test_clients_are_paused(site: Site, paused: str) -> None:
    log = site.log()
    site.keeper.client_pause(15_000, all=paused == "ALL")
    run_id = site.lease()
    for service in ("work", "tail"):
        log.await_line(service, "waiting for Redis;")
    site.await_pass(run_id)
    log.assert_one_outage("Redis", ("work", "tail"))


@pytest.mark.slow
def test_redis_flaps(site: Site) -> None:
    log = site.log()
    with repeated(site.ready):
        for _ in range(5):
            site.stack.stop("redis")
            time.sleep(2)
            site.stack.run_redis()
            time.sleep(1)
        run_id = site.lease()
        site.await_pass(run_id)
        log.assert_one_outage("Redis", ("work", "api"))


def test_a_blocked_worker_is_unblocked(site: Site) -> None:
    log = site.log()
    eventually(lambda: unblocked(site), 60, "the worker waits for a job")
    site.await_pass(site.lease())
    log.assert_clean()
    assert log.of("work").count("waiting for") <= 1


def unblocked(site: Site) -> int:
    """How many that wait for a job were sent an error: a worker asks anew now and then."""
    blocked = [client for client in site.keeper.client_list() if client["cmd"] == "blmove"]
    return sum(site.keeper.client_unblock(int(client["id"]), error=True) for client in blocked)


@pytest.mark.slow
def test_redis_loads_its_data(site: Site) -> None:
    """Last, for every start after it is slow."""
    site.slow_loading()
    log = site.log()
    site.restart_redis()
    run_id = site.lease()
    log.await_line("tail", "waiting for Redis;")
    wait_out(site, 2)
    site.await_pass(run_id)
    log.assert_one_outage("Redis", SERVICES)
