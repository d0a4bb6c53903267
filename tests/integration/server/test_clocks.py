"""Two API hosts whose clocks differ by an hour, on one Redis: a deadline that one computes is judged by the other."""

from datetime import timedelta

import pytest
from redis import Redis

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis, redis_now
from bringup.model import JobKind, LeaseEvent
from bringup.queues import job_id_of
from bringup.settings import Settings
from bringup.wire.run import RunDecision, RunDetail
from bringup.wire.run_events import EventType, RunEvent, RunEventReply
from tests.integration.api.conftest import LEASE
from tests.integration.server.conftest import StartApi

RUN_TIMEOUT_S = 7200  # the default
OWNER = "the-worker-of-the-test"


@pytest.fixture
def redis(settings: Settings) -> Redis:
    return connect_redis(settings, tls.ClientContexts(), name="tests")


def post(api: ApiClient, run_id: str, what: EventType) -> RunEventReply:
    return api.post(f"/runs/{run_id}/events", RunEvent(type=what, owner=OWNER), RunEventReply)


@pytest.mark.parametrize("offset", ["+1h", "-1h"])
def test_a_deadline_is_the_same_on_both_hosts(redis: Redis, start_api: StartApi, offset: str) -> None:
    wrong, right = start_api(clock=offset).await_health(), start_api().await_health()
    lease = LeaseEvent.model_validate(LEASE)
    wrong.put(f"/runs/{lease.run_id}", lease, RunDecision)
    post(wrong, lease.run_id, EventType.BOOT_STARTED)
    for api in (right, wrong):
        reply = post(api, lease.run_id, EventType.DEADLINE)
        assert reply.next_s is not None
        assert RUN_TIMEOUT_S - 60 < reply.next_s <= RUN_TIMEOUT_S
    run, now = right.get(f"/runs/{lease.run_id}", RunDetail), redis_now(redis)
    assert run.boot_started_at
    for at in (run.created_at, run.updated_at, run.boot_started_at, *(entry.at for entry in run.timeline)):
        assert abs(now - at) < timedelta(minutes=1)
    due = redis.zscore("rq:scheduled:deadlines", job_id_of(JobKind.EXPIRE, lease.run_id))
    assert due is not None
    assert RUN_TIMEOUT_S - 60 < due - now.timestamp() <= RUN_TIMEOUT_S
