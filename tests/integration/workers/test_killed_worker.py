"""A worker process is ended by SIGKILL in the middle of every kind of job, at many of its calls."""

from functools import partial

import pytest

from bringup.model import JobKind, RunState
from bringup.queues import job_id_of
from tests.integration.workers.conftest import StartWorker
from tests.integration.workers.site import STOPS_WITHIN_S, Hold, Site, eventually

WITHIN_S = 180  # on a machine that stalls; that 15 are enough without is proven by tests/unit/workers/test_runner.py
BOOTS = {  # machine: where its boot is held
    0: ("after", "boot_started"),
    1: ("before", "BMC PUT", "media"),
    2: ("after", "BMC PUT", "media"),
    3: ("after", "media_inserted"),
    4: ("after", "BMC PUT", "'Off'"),
    5: ("before", "BMC PUT", "'On'"),
    6: ("after", "BMC PUT", "'On'"),
    7: ("after", '"powered_on"'),
}
FINISHES = {
    8: ("before", "BMC DELETE", "media"),
    9: ("after", "power_off_requested"),
    10: ("after", "BMC PUT", "'Off'"),
    11: ("after", '"finished"'),
}
DISCOVERS = {12: ("before", "API PUT"), 13: ("after", "API PUT")}
EXPIRE = 14


def of(site: Site, number: int, words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a call for this machine."""
    name = f"/m{number}/" if any(word.startswith("BMC") for word in words) else site.lease(number).run_id
    return (*words, name)


def hold_all(site: Site) -> list[Hold]:
    """Hold every job somewhere."""
    where = BOOTS | FINISHES | DISCOVERS | {EXPIRE: ("before", "deadline")}
    return [site.gate.hold(when, *of(site, number, tuple(words))) for number, (when, *words) in where.items()]


def bring_to_waiting(site: Site, *numbers: int) -> None:
    for number in numbers:
        site.queues.add_lease(site.lease(number))
    for number in numbers:
        eventually(partial(is_waiting, site, number), WITHIN_S, f"m{number} boots")


def set_all_to_work(site: Site) -> None:
    for number in (*BOOTS, *DISCOVERS):
        site.queues.add_lease(site.lease(number))
    for number in FINISHES:
        site.abort(number)
    site.queues.add(JobKind.EXPIRE, site.lease(EXPIRE).run_id)


def is_waiting(site: Site, number: int) -> bool:
    return site.known(number) and site.run(number).state is RunState.WAITING


def is_done(site: Site) -> bool:
    expire_id = job_id_of(JobKind.EXPIRE, site.lease(EXPIRE).run_id)
    return (
        all(is_waiting(site, number) for number in BOOTS)
        and all(site.run(number).closed_at for number in FINISHES)
        and all(site.known(number) for number in DISCOVERS)
        and site.is_scheduled(JobKind.EXPIRE, expire_id)
    )


def assert_switched_once(site: Site, number: int) -> None:
    machine, finished = site.machines[f"m{number}"], number in FINISHES
    assert (machine.on_count, machine.off_count) == (1, 1 + finished), f"m{number} was switched twice"
    assert machine.on is not finished
    assert (machine.media is None) is finished


@pytest.mark.parametrize("second", ["started afterwards", "running already"])
def test_every_job_of_a_killed_worker_is_done_by_another(site: Site, start_worker: StartWorker, second: str) -> None:
    first = start_worker(site).ready()
    bring_to_waiting(site, *FINISHES, EXPIRE)
    holds = hold_all(site)
    set_all_to_work(site)
    for held in holds:
        eventually(held.reached.is_set, WITHIN_S, f"the call {held.words} is made")
    other = start_worker(site).ready() if second == "running already" else None
    first.kill()
    for held in holds:
        held.drop()
    other = other or start_worker(site)
    eventually(lambda: is_done(site), WITHIN_S, "all is done by the other worker")
    for number in (*BOOTS, *FINISHES):
        assert_switched_once(site, number)
    eventually(lambda: not site.redis.zcard("rq:wip:boots"), 60, "nothing is left as started")
    status, seconds = other.terminate()
    assert (status, seconds < STOPS_WITHIN_S) == (0, True), other.log
    assert "Traceback" not in other.log
