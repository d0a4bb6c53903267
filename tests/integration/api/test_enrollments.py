"""However many requests for renewal are sent, a bounded number is kept, and each of them is answered."""

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from api.state.enrollments import MOST, MOST_OF_ONE, PAGE, EnrollmentRecord, Enrollments, TooManyRequests, enrollment_id
from api.state.redis import Database
from bringup import keys, tls
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def redis(settings: Settings) -> "Redis":
    return connect_redis(settings, tls.ClientContexts(), name="tests")


@pytest.fixture
def enrollments(settings: Settings, redis: "Redis") -> Enrollments:
    return Enrollments(Database(settings, redis))


def ask(enrollments: Enrollments, presenter: str, identity: str, number: int = 0) -> EnrollmentRecord:
    content = f"{presenter} {identity} {number}".encode()
    record = EnrollmentRecord(
        id=enrollment_id(presenter, identity, content),
        presenter_serial="AB",
        request="x" * 1000,
        received_at=NOW + timedelta(seconds=number),
    )
    return enrollments.ask(presenter, identity, record)


def test_ten_thousand_requests_are_refused_beyond_the_bound_and_the_kept_ones_are_answered(
    enrollments: Enrollments, redis: "Redis"
) -> None:
    full = {f"p{number} x": number for number in range(MOST - 1)}
    redis.zadd(keys.ENROLLMENTS, {member: NOW.timestamp() + number for member, number in full.items()})
    ask(enrollments, "h1", "h1", number=1)
    for number in range(2, 20):
        with pytest.raises(TooManyRequests):
            ask(enrollments, f"h{number}", "x", number)
    assert redis.zcard(keys.ENROLLMENTS) == MOST
    assert redis.exists(keys.enrollments_of("h2")) == 0
    ask(enrollments, "h1", "h1", number=1)  # who has asked is not refused for asking again
    seen = 0
    while not (waiting := enrollments.open()):  # those of nobody are dropped, a page at a time
        seen += 1
        assert seen <= MOST // PAGE + 1
    assert [one.presenter for one in waiting] == ["h1"]
    assert enrollments.decide(waiting[0], reason="enough")
    assert redis.zscore(keys.ENROLLMENTS, "h1 h1") is None


def test_one_client_that_changes_its_key_each_time_has_one_request(enrollments: Enrollments, redis: "Redis") -> None:
    for number in range(50):
        last = ask(enrollments, "h1", "h1", number)
    (waiting,) = enrollments.open()
    assert waiting.id == last.id
    assert redis.hlen(keys.enrollments_of("h1")) == 1
    for number in range(MOST_OF_ONE - 1):
        ask(enrollments, "h1", f"i{number}")
    with pytest.raises(TooManyRequests):
        ask(enrollments, "h1", "one more")
