"""What Redis keeps of a run that has ended: as little as shows what it was."""

from typing import TYPE_CHECKING

import pytest

from bringup import keys, tls
from bringup.connections.redis_client import connect_redis
from bringup.model import JobKind
from bringup.queues import job_id_of
from bringup.settings import Settings
from tests.integration.api.conftest import RUN_A, Api

if TYPE_CHECKING:
    from redis import Redis

DEADLINE = job_id_of(JobKind.EXPIRE, RUN_A)


@pytest.fixture
def redis(settings: Settings) -> "Redis":
    return connect_redis(settings, tls.ClientContexts(), name="tests")


def test_a_run_that_has_ended_has_no_deadline_any_more(api: Api, redis: "Redis") -> None:
    api.booted()
    assert redis.zscore(keys.rq_scheduled("deadlines"), DEADLINE)
    assert redis.exists(keys.rq_job(DEADLINE))
    api.ok("POST", f"/runs/{RUN_A}/abort", {"reason": "x"})
    assert redis.zscore(keys.rq_scheduled("deadlines"), DEADLINE) is None
    assert not redis.exists(keys.rq_job(DEADLINE))
