"""An outage is logged once when it begins and once when it is over, also when it flaps."""

import threading
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from bringup.errors import (
    ApiUnavailable,
    BringupError,
    CorruptRecord,
    HostShortage,
    InvalidTransition,
    NotYet,
    RedisRefused,
    RedisRefusesWrites,
    RedisUnavailable,
    SettingsError,
)
from bringup.outages import STEADY_S, Alarm, Outages, Service

LOST = "waiting for Redis; nothing is lost"
BACK = "Redis is back; working again"
REDIS = (Service.REDIS,)
AWAY = RedisUnavailable("away")


class World:
    """Outages, a clock that the test moves, and what was logged."""

    def __init__(self, lines: Sequence[MutableMapping[str, Any]]) -> None:
        self.now = 100.0
        self.outages = Outages("tests", lambda: self.now)
        self.logged = lines

    @property
    def lines(self) -> list[str]:
        return [line["event"] for line in self.logged]

    def fails(self, error: BringupError = AWAY, *, for_s: float = 0) -> None:
        """A step fails now, and again after ``for_s`` seconds."""
        self.outages.failed(error, self.now)
        self.now += for_s
        self.outages.failed(error, self.now)

    def works(self, *services: Service, for_s: float = 0) -> None:
        """A step works now, and again after ``for_s`` seconds."""
        self.now += 0.01
        self.outages.worked(services or REDIS, self.now)
        self.now += for_s
        self.outages.worked(services or REDIS, self.now)


@pytest.fixture
def world() -> Iterator[World]:
    with capture_logs() as lines:
        yield World(lines)


def test_an_outage_is_logged_once_and_its_end_once(world: World) -> None:
    world.fails(for_s=30)
    world.works(for_s=STEADY_S)
    world.works(for_s=60)
    assert world.lines == [LOST, BACK]


def test_however_many_threads_meet_it_it_is_logged_once(world: World) -> None:
    barrier = threading.Barrier(16)

    def meet() -> None:
        barrier.wait(60)
        world.outages.failed(AWAY, 100.0)

    threads = [threading.Thread(target=meet) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert world.lines == [LOST]


def test_one_that_flaps_is_one_outage(world: World) -> None:
    for _ in range(20):
        world.fails(for_s=2)
        world.works(for_s=1)
    assert world.lines == [LOST]
    world.works(for_s=STEADY_S)
    assert world.lines == [LOST, BACK]
    assert world.logged[-1]["interruptions"] == 20


def test_its_end_is_not_logged_before_it_is_steady(world: World) -> None:
    world.fails()
    world.works(for_s=STEADY_S - 0.1)
    assert world.lines == [LOST]


def test_two_outages_with_steady_work_between_them_are_two(world: World) -> None:
    for _ in range(2):
        world.fails(for_s=10)
        world.works(for_s=STEADY_S + 0.1)
    assert world.lines == [LOST, BACK, LOST, BACK]


def test_a_step_that_began_before_the_outage_does_not_end_it(world: World) -> None:
    began_before = world.now
    world.now += 1
    world.fails()
    world.now += 60
    world.outages.worked(REDIS, began_before)
    world.outages.worked(REDIS, began_before)
    world.now += STEADY_S
    world.outages.worked(REDIS, began_before)
    assert world.lines == [LOST]


def test_a_step_that_began_in_the_outage_and_fails_after_its_end_begins_no_new_one(world: World) -> None:
    world.fails()
    began_in_it = world.now
    world.now += 1
    world.works(for_s=STEADY_S)
    world.outages.failed(AWAY, began_in_it)
    assert world.lines == [LOST, BACK]


def test_reads_that_work_do_not_end_an_outage_of_writes(world: World) -> None:
    world.fails(RedisRefusesWrites("full"))
    world.works(Service.REDIS, for_s=60)
    assert world.lines == ["waiting for Redis (writes); nothing is lost"]
    world.works(Service.REDIS, Service.REDIS_WRITES, for_s=STEADY_S)
    assert world.lines[1:] == ["Redis (writes) is back; working again"]


def test_redis_that_answers_says_nothing_of_the_api(world: World) -> None:
    world.fails(ApiUnavailable("away"))
    world.works(Service.REDIS, for_s=60)
    assert world.lines == ["waiting for the API; nothing is lost"]


@pytest.mark.parametrize("error", [NotYet("early"), InvalidTransition("late"), CorruptRecord("garbage")])
def test_what_one_job_or_record_meets_is_no_outage(world: World, error: BringupError) -> None:
    assert not world.outages.failed(error, world.now)
    with pytest.raises(type(error)), world.outages.watching(Service.REDIS):
        raise error
    assert world.lines == []


@pytest.mark.parametrize(
    ("error", "service"),
    [
        (RedisRefused("NOPERM"), Service.REDIS),
        (HostShortage("too many open files"), Service.HOST),
        (SettingsError(["no key"]), Service.HOST),
    ],
)
def test_what_a_person_must_fix_is_logged_once_too(world: World, error: BringupError, service: Service) -> None:
    world.fails(error, for_s=60)
    assert world.lines == [f"waiting for {service}; nothing is lost"]


class TestAlarm:
    """One thing that works or does not."""

    @pytest.fixture
    def alarm(self) -> Alarm:
        return Alarm("tests", "the file cannot be read", "the file can be read again", level=30, path="/f")

    def test_it_is_logged_once_when_lost_and_once_when_back(self, alarm: Alarm) -> None:
        with capture_logs() as lines:
            alarm.clear()
            alarm.report("gone")
            alarm.report("gone")
            assert alarm.why == "gone"
            alarm.clear()
            alarm.clear()
            assert alarm.why is None
        assert lines == [
            {"event": "the file cannot be read", "log_level": "warning", "path": "/f", "why": "gone"},
            {"event": "the file can be read again", "log_level": "info", "path": "/f"},
        ]

    def test_another_reason_is_logged_again(self, alarm: Alarm) -> None:
        with capture_logs() as lines:
            alarm.report("gone", tries=1)
            alarm.report("closed", tries=2)
        assert [(line["why"], line["tries"]) for line in lines] == [("gone", 1), ("closed", 2)]
