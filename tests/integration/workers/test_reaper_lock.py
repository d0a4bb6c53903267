"""The lock of the search for missing jobs ends by itself, whatever others have written under its key."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.errors import ApiUnavailable
from bringup.model import JobKind
from bringup.queues import Queues
from bringup.settings import Settings
from bringup.tls import ClientContexts
from bringup.wire.run import Run
from tests.integration.workers.open_run import run_that_owes
from workers.reaper import Reaper


@pytest.fixture
def redis(settings: Settings) -> "Iterator[Redis]":
    made = connect_redis(settings, ClientContexts(), name="test")
    yield made
    made.delete(keys.REAPER_LOCK)


def asked(reaper: Reaper) -> int:
    """How often it asks for the open runs, which only the holder of the lock does."""
    times = []

    def open_runs() -> list[Run]:
        times.append(1)
        return []

    reaper.enqueue_missing(open_runs)
    return len(times)


@pytest.mark.parametrize(
    "write",
    [
        lambda redis: redis.set(keys.REAPER_LOCK, "of a process that has set no end"),
        lambda redis: redis.hset(keys.REAPER_LOCK, "x", "y"),
        lambda redis: redis.rpush(keys.REAPER_LOCK, "x"),
    ],
)
def test_a_key_without_an_end_gets_one(redis: "Redis", write: Callable[["Redis"], object]) -> None:
    write(redis)
    reaper = Reaper(redis, Queues(redis))
    for _ in range(2):
        with suppress(ResponseError):  # it is no string
            assert asked(reaper) == 0
    left = redis.pttl(keys.REAPER_LOCK)
    assert 0 < left <= 10_000
    redis.pexpire(keys.REAPER_LOCK, 1)
    while redis.exists(keys.REAPER_LOCK):
        pass
    assert asked(reaper) == 1


def test_of_two_processes_one_looks_and_its_lock_is_not_made_longer(redis: "Redis") -> None:
    first, second = (Reaper(redis, Queues(redis)) for _ in range(2))
    assert (asked(first), asked(second)) == (1, 0)
    redis.pexpire(keys.REAPER_LOCK, 9000)
    assert (asked(first), asked(second)) == (1, 0)
    assert redis.pttl(keys.REAPER_LOCK) <= 9000


def test_the_turn_of_a_process_that_was_killed_ends(redis: "Redis") -> None:
    killed, other = (Reaper(redis, Queues(redis)) for _ in range(2))
    assert asked(killed) == 1
    redis.delete(keys.REAPER_LOCK)  # its time is over
    assert (asked(other), asked(killed)) == (1, 0)


class Site:
    """A reaper, its clock, and one open run whose boot job is on its queue; each look at it takes two seconds."""

    def __init__(self, redis: "Redis") -> None:
        self.now, self.looked_at, self.fails = 0.0, list[float](), False
        self.takes_s = 2.0
        self.redis = redis
        self.reaper = Reaper(redis, Queues(redis), clock=lambda: self.now)

    def round_at(self, now: float) -> None:
        """What the loop of a worker does every five seconds."""
        self.now = now
        with suppress(ApiUnavailable):
            self.reaper.enqueue_missing(self.open_runs)

    def open_runs(self) -> list[Run]:
        self.looked_at.append(self.now)
        self.now += self.takes_s
        if self.fails:
            raise ApiUnavailable("the API does not answer")
        return [run_that_owes(JobKind.BOOT)]


@pytest.fixture
def site(redis: "Redis") -> Site:
    return Site(redis)


def test_a_look_that_takes_long_comes_again_after_twenty_times_as_long(site: Site) -> None:
    for now in range(0, 85, 5):
        site.round_at(now)
    assert site.looked_at == [0, 40, 80]


def test_a_look_that_a_stall_has_made_long_comes_again_after_a_minute(site: Site) -> None:
    """Jobs are lost in the very outage that makes a look slow."""
    site.takes_s = 300.0
    site.round_at(0)
    for now in (301, 355, 361):
        site.round_at(now)
    assert site.looked_at == [0, 361]


@pytest.mark.parametrize("now", [5, 40], ids=["between two looks", "by a look"])
def test_a_process_that_looks_keeps_its_turn(site: Site, now: float) -> None:
    site.round_at(0)
    site.redis.pexpire(keys.REAPER_LOCK, 3000)
    site.round_at(now)
    assert site.redis.pttl(keys.REAPER_LOCK) > 3000
    assert asked(Reaper(site.redis, Queues(site.redis))) == 0


def test_the_turn_of_a_process_that_cannot_look_ends(site: Site) -> None:
    site.fails = True
    site.round_at(0)
    site.redis.pexpire(keys.REAPER_LOCK, 3000)
    site.round_at(5)
    assert site.looked_at == [0, 5]
    assert site.redis.pttl(keys.REAPER_LOCK) <= 3000


def test_a_process_that_gets_its_turn_back_looks_at_once(site: Site) -> None:
    site.round_at(0)
    site.redis.set(keys.REAPER_LOCK, "of another process", px=60_000)
    site.round_at(5)
    site.redis.delete(keys.REAPER_LOCK)
    site.round_at(10)
    assert site.looked_at == [0, 10]
