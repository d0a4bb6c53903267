"""In one worker process, threads that are idle help with any kind of job, and each kind keeps some."""

from bringup.model import JobKind, RunState
from tests.integration.workers.conftest import StartWorker
from tests.integration.workers.site import Site, eventually
from workers.turns import reserved_of

THREADS = 16
WITHIN_S = 90
RESERVED = reserved_of(THREADS)
# As many as one process can do at once: all but the threads that are kept for the other kinds.
BOOTS = THREADS - sum(RESERVED.values()) + RESERVED[JobKind.BOOT]


def test_boots_that_hang_get_most_threads_and_leases_are_reported_all_the_same(
    site: Site, start_worker: StartWorker
) -> None:
    holds = [site.gate.hold("after", f"BMC PUT /m{number}/power", "'On'") for number in range(BOOTS)]
    start_worker(site).ready()
    for number in range(BOOTS):
        site.queues.add_lease(site.lease(number))
    for number, held in enumerate(holds):
        eventually(held.reached.is_set, WITHIN_S, f"m{number} is being switched on while the others are")
    assert BOOTS > THREADS // 2, "no more than boots had for themselves when each thread served one kind"
    more = range(BOOTS, BOOTS + RESERVED[JobKind.DISCOVER] + 1)
    for number in more:
        site.queues.add_lease(site.lease(number))
    for number in more:
        eventually(lambda n=number: site.known(n), WITHIN_S, f"the lease of m{number} is reported")  # type: ignore[misc]
        assert site.run(number).state is RunState.QUEUED, "no thread is left to boot it"
    site.gate.open()
    for number in (*range(BOOTS), *more):
        eventually(lambda n=number: site.run(n).state is RunState.WAITING, WITHIN_S, f"m{number} boots")  # type: ignore[misc]
