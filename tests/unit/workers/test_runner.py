"""What the process of a worker does beside its jobs: it reports that it lives, and ends jobs that take too long."""

import time
from collections.abc import Callable

import pytest

from bringup.errors import ApiUnavailable, RedisUnavailable
from bringup.settings import Settings
from bringup.wire.bmc import BmcRequests
from workers import in_flight, reaper
from workers import runner as process
from workers.runner import Runner


class Reported:
    """What the service manager was sent; ``last`` stops the runner."""

    def __init__(self, runner: Runner, last: str) -> None:
        self.sent: list[str] = []
        self._runner = runner
        self._last = last

    def _send(self, what: str) -> None:
        self.sent.append(what)
        if what == self._last:
            self._runner.stop()

    def ready(self) -> None:
        self._send("ready")

    def beat(self) -> None:
        self._send("alive")

    def stopping(self) -> None:
        self._send("stopping")


def reported(runner: Runner, last: str) -> list[str]:
    notifier = runner._notifier = Reported(runner, last)  # type: ignore[assignment]
    runner._supervise()
    return notifier.sent


@pytest.fixture
def runner(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setattr("workers.runner._LOOK_EVERY_S", 0)
    return Runner(make_settings())


def test_a_process_that_has_not_reached_redis_is_alive_and_not_ready(runner: Runner) -> None:
    assert reported(runner, "alive") == ["alive", "stopping"]


@pytest.mark.parametrize(("age_s", "is_alive"), [(0, True), (301, False)])
def test_a_process_is_not_reported_alive_when_one_of_its_loops_is_stuck(
    runner: Runner, age_s: int, *, is_alive: bool
) -> None:
    runner._reached_redis.set()
    runner._came_round_at = {"one": time.monotonic(), "other": time.monotonic() - age_s}
    assert ("alive" in reported(runner, "ready")) is is_alive


def test_redis_is_reached_only_when_it_takes_writes(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: object) -> None:
        raise RedisUnavailable("it takes no writes")

    monkeypatch.setattr("workers.runner.in_flight.beat", lambda *_: None)
    monkeypatch.setattr("workers.runner.check_writes", refused)
    with pytest.raises(RedisUnavailable):
        runner._beat()
    assert not runner._reached_redis.is_set()


def test_the_loop_that_marks_jobs_ends_those_beyond_their_deadline(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    enforced: list[bool] = []
    monkeypatch.setattr(runner._deadlines, "enforce", lambda: enforced.append(True))
    monkeypatch.setattr(runner, "_beat", runner._jobs_ended.set)
    runner._keep_beating()
    assert enforced == [True]


def test_how_long_bmcs_took_is_reported_again_until_the_api_has_it(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[BmcRequests] = []

    def post(report: BmcRequests) -> None:
        posted.append(report)
        if len(posted) == 1:
            raise ApiUnavailable("it is away")

    monkeypatch.setattr(runner._callback, "count_bmc_requests", post)
    runner._report_latency()
    assert posted == []
    runner._bmc_latency.count(0.2)
    with pytest.raises(ApiUnavailable):
        runner._report_latency()
    runner._report_latency()
    runner._report_latency()
    assert len(posted) == 2
    assert posted[0] == posted[1]


def test_a_process_stops_within_10_s_whatever_its_jobs_and_loops_wait_for() -> None:
    assert process._JOBS_STOP_WITHIN_S + process._LOOPS_STOP_WITHIN_S < 10


def test_a_job_of_a_killed_process_is_put_back_within_15_s() -> None:
    assert in_flight.SILENT_AFTER_S + reaper._SUSPECT_FOR_S + process._IN_FLIGHT_EVERY_S < 15
    assert reaper._SUSPECT_FOR_S + 2 * process._MISSING_EVERY_S < 15
