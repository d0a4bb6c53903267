"""What the reaper saw counts no more after an outage, in the turn of another process, or once nothing is in flight."""

from types import SimpleNamespace
from typing import Any

import pytest

from bringup.errors import RedisRefused
from bringup.model import JobKind
from bringup.wire.run import Run
from tests.unit.workers.fakes import World
from workers import in_flight, reaper
from workers.reaper import Reaper, Suspects

LOST = "a-job:1"


class Watch:
    """A reaper that sees one job in flight of a worker that is silent, and one run whose boot job is missing."""

    def __init__(self, world: World, patch: pytest.MonkeyPatch) -> None:
        self.now, self.in_flight, self.takes_writes, self.is_our_turn = 0.0, True, True, True
        self.runs: list[Run] = [world.api.state.view().model_copy(update={"required_jobs": (JobKind.BOOT,)})]
        lock = SimpleNamespace(owned=lambda: self.is_our_turn, acquire=lambda **_options: False)
        redis: Any = SimpleNamespace(lock=lambda *_args, **_options: lock, expire=lambda *_args, **_options: None)
        queues: Any = None
        self.reaper = Reaper(redis, queues, lambda: self.now)
        for name in ("_silent", "_gone"):
            patch.setattr(self.reaper, name, Suspects(4, lambda: self.now))
        patch.setattr(in_flight, "any_started", lambda *_args: self.in_flight)
        patch.setattr(in_flight, "places", lambda *_args: in_flight.Places(set(), set()))
        patch.setattr(reaper, "check_writes", self._check)
        patch.setattr(self.reaper, "_lost", lambda kind: {LOST} if kind is JobKind.BOOT else set())
        patch.setattr(self.reaper, "_requeue", lambda _kind, _entry: True)
        patch.setattr(self.reaper, "_enqueue_anew", lambda *_args: None)

    def requeued(self) -> list[str]:
        """By a look five seconds after the last one."""
        self.now += 5
        return self.reaper.requeue_in_flight()

    def enqueued(self) -> list[str]:
        """The same, for what is missing."""
        self.now += 5
        return self.reaper.enqueue_missing(lambda: self.runs)

    def _check(self, _connection: object) -> None:
        if not self.takes_writes:
            raise RedisRefused("it takes no writes")


@pytest.fixture
def watch(world: World, monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(world, monkeypatch)


def test_what_is_seen_lost_twice_is_requeued_and_enqueued(watch: Watch) -> None:
    assert [watch.requeued(), watch.requeued()] == [[], ["a-job"]]
    assert [watch.enqueued(), len(watch.enqueued())] == [[], 1]


def test_while_redis_takes_no_writes_no_worker_counts_as_silent(watch: Watch) -> None:
    watch.requeued()
    watch.takes_writes = False
    with pytest.raises(RedisRefused):
        watch.requeued()
    watch.takes_writes = True
    assert watch.requeued() == []


def test_once_nothing_is_in_flight_what_was_seen_before_is_forgotten(watch: Watch) -> None:
    watch.requeued()
    watch.in_flight = False
    watch.requeued()
    watch.in_flight = True
    assert watch.requeued() == []


def test_in_the_turn_of_another_process_what_was_missing_before_is_forgotten(watch: Watch) -> None:
    watch.enqueued()
    watch.is_our_turn = False
    assert watch.enqueued() == []
    watch.is_our_turn = True
    assert watch.enqueued() == []


def test_once_no_run_needs_a_job_what_was_missing_before_is_forgotten(watch: Watch) -> None:
    watch.enqueued()
    needing, watch.runs = watch.runs, []
    assert watch.enqueued() == []
    watch.runs = needing
    assert watch.enqueued() == []
