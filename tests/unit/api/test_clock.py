"""The time by Redis's clock is asked for once in a while, and this host's own clock runs on from it."""

from datetime import UTC, datetime, timedelta

import pytest

from api.state.batch import Batch
from api.state.clock import RedisClock
from bringup.model import boot_clock

REDIS = datetime(2026, 11, 23, 9, 41, 36, 500_000, tzinfo=UTC)


class Host:
    """A host with a clock of its own, and a Redis with another."""

    def __init__(self) -> None:
        self.monotonic_s = 1000.0
        self.redis = REDIS
        self.clock = RedisClock(lambda: self.monotonic_s)

    def wait(self, seconds: float) -> None:
        self.monotonic_s += seconds
        self.redis += timedelta(seconds=seconds)

    def now(self, reply_takes_s: float = 0.001) -> tuple[datetime, bool]:
        """What the clock shows, and whether Redis was asked."""
        batch = Batch()
        ask = self.clock.ask(batch)
        batch.replies = [(int(self.redis.timestamp()), self.redis.microsecond)] * len(batch.commands)
        self.wait(reply_takes_s)
        return ask(), bool(batch.commands)


@pytest.fixture
def host() -> Host:
    return Host()


def test_redis_is_asked_first(host: Host) -> None:
    assert host.now() == (REDIS, True)


def test_the_clock_of_this_host_runs_on_from_it(host: Host) -> None:
    host.now()
    host.wait(3)
    shown, asked = host.now()
    assert not asked
    assert timedelta(0) <= host.redis - shown <= timedelta(seconds=0.05)


def test_it_is_not_ahead_of_redis_whose_reply_came_late(host: Host) -> None:
    """A permit would seem to hold after it has ended."""
    batch = Batch()
    ask = host.clock.ask(batch)
    host.wait(0.04)  # until Redis is reached
    batch.replies = [(int(host.redis.timestamp()), host.redis.microsecond)]
    ask()
    shown, asked = host.now()
    assert not asked
    assert shown <= host.redis


def test_redis_is_asked_again_after_a_while(host: Host) -> None:
    host.now()
    host.wait(6)
    host.redis -= timedelta(hours=1)  # another Redis has taken over
    now = host.redis
    assert host.now() == (now, True)
    assert host.now()[0] < now + timedelta(seconds=1)


def test_a_time_whose_reply_was_late_is_used_once(host: Host) -> None:
    assert host.now(reply_takes_s=0.2) == (REDIS, True)
    now = host.redis
    assert host.now() == (now, True)
    assert not host.now()[1]


def test_the_clock_of_the_host_counts_the_time_in_which_it_was_suspended() -> None:
    """With another one a permit that is given after a suspension would seem to have ended before it was given."""
    assert RedisClock()._monotonic is boot_clock
