"""One key of one queue that is of another type: the jobs of the other queues go on, and the error names the key."""

from datetime import timedelta

import pytest

from bringup import keys, tls
from bringup.connections.redis_client import connect_redis
from bringup.errors import CorruptRecord
from bringup.model import JobKind, utc_now
from bringup.queues import Queues, job_id_of
from bringup.settings import Settings
from tests.conftest import MakeSettings, RedisServer
from tests.integration.workers.open_run import RUN_ID, run_that_owes
from workers import delayed, in_flight
from workers.reaper import Reaper, Suspects

FINISH_ID = job_id_of(JobKind.FINISH, RUN_ID)


@pytest.fixture
def queues(settings: Settings) -> Queues:
    return Queues(connect_redis(settings, tls.ClientContexts(), name="tests"))


def spoil(queues: Queues, key: str) -> None:
    queues.queue(JobKind.BOOT).connection.set(key, "not what rq writes")


def names(queues: Queues, kind: JobKind) -> list[str]:
    """The jobs on the queue."""
    return queues.queue(kind).job_ids


def test_lost_jobs_of_other_queues_are_requeued(queues: Queues) -> None:
    redis = queues.queue(JobKind.BOOT).connection
    reaper = Reaper(redis, queues)
    reaper._silent = Suspects(0)
    key = queues.queue(JobKind.BOOT).intermediate_queue.key
    spoil(queues, key)
    queues.add(JobKind.FINISH, RUN_ID)
    redis.lmove(queues.queue(JobKind.FINISH).key, queues.queue(JobKind.FINISH).intermediate_queue.key)
    with pytest.raises(CorruptRecord, match=key):
        reaper.requeue_in_flight()
    assert names(queues, JobKind.FINISH) == [FINISH_ID]


def test_delayed_jobs_of_other_queues_are_enqueued_in_time(queues: Queues) -> None:
    redis = queues.queue(JobKind.BOOT).connection
    key = queues.queue(JobKind.BOOT).scheduled_job_registry.key
    spoil(queues, key)
    queues.add(JobKind.FINISH, RUN_ID, at=utc_now() - timedelta(seconds=5))
    with pytest.raises(CorruptRecord, match=key):
        delayed.enqueue_due(redis, queues)
    assert names(queues, JobKind.FINISH) == [FINISH_ID]


@pytest.mark.parametrize("place", ["intermediate_queue", "failed_job_registry", "started_job_registry"])
def test_missing_jobs_are_still_found(queues: Queues, place: str) -> None:
    redis = queues.queue(JobKind.BOOT).connection
    reaper = Reaper(redis, queues)
    reaper._gone = Suspects(0)
    spoil(queues, getattr(queues.queue(JobKind.BOOT), place).key)
    assert reaper.enqueue_missing(lambda: [run_that_owes(JobKind.FINISH)]) == [FINISH_ID]


def test_old_records_of_other_queues_are_dropped(queues: Queues) -> None:
    redis = queues.queue(JobKind.BOOT).connection
    spoil(queues, queues.queue(JobKind.BOOT).finished_job_registry.key)
    old = queues.queue(JobKind.EXPIRE).finished_job_registry.key
    redis.zadd(old, {"ended-long-ago": 1})
    with pytest.raises(CorruptRecord):
        Reaper(redis, queues).drop_expired()
    assert not redis.exists(old)


def test_a_site_without_jobs_costs_redis_one_command_a_round(
    own_redis: RedisServer, make_settings: MakeSettings
) -> None:
    queues = Queues(connect_redis(make_settings(redis_port=own_redis.port), tls.ClientContexts(), name="tests"))
    redis = queues.queue(JobKind.BOOT).connection
    reaper = Reaper(redis, queues)

    def commands() -> int:
        return sum(int(of["calls"]) for name, of in redis.info("commandstats").items() if name != "cmdstat_info")

    before = commands()
    reaper.requeue_in_flight()
    delayed.enqueue_due(redis, queues)
    in_flight.beat(redis, [])
    assert commands() - before == 2, "one each for jobs in flight and delayed jobs; nothing marks no executions"
    assert not redis.exists(keys.EXECUTIONS)
