"""A tailer's reports: every ten seconds, at once when its file is lost, and never a reason to stop."""

from bringup.errors import RedisRefused, RedisUnavailable
from bringup.tailers import REPORT_EVERY_S, TailerReport
from dhcp_tailer.heartbeat import TailerHeartbeat
from dhcp_tailer.retry import Stop


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Sent(list[TailerReport]):
    fails: Exception | None = None

    def send(self, report: TailerReport) -> None:
        if self.fails:
            raise self.fails
        self.append(report)


def _made() -> tuple[TailerHeartbeat, Sent, Clock]:
    sent, clock = Sent(), Clock()
    return TailerHeartbeat(sent.send, source="jsonl", path="/x", stop=Stop(), clock=clock), sent, clock


def test_it_reports_every_ten_seconds() -> None:
    beat, sent, clock = _made()
    for _ in range(21):
        beat.beat(lag_bytes=0, problem=None)
        clock.now += REPORT_EVERY_S / 10
    assert len(sent) == 3


def test_a_file_that_is_lost_or_back_is_reported_at_once() -> None:
    beat, sent, _ = _made()
    for problem in (None, "no such file", "no such file", None):
        beat.beat(lag_bytes=0, problem=problem)
    assert [one.problem for one in sent] == ["", "no such file", ""]


def test_it_is_behind_since_it_was_last_at_the_end() -> None:
    beat, sent, clock = _made()
    for lag_bytes in (0, 5, 5, 0, 7):
        beat.beat(lag_bytes=lag_bytes, problem=None)
        clock.now += REPORT_EVERY_S
    assert [one.behind_s for one in sent] == [0, 0, REPORT_EVERY_S, 0, 0]


def test_a_redis_that_is_away_or_refuses_stops_nothing() -> None:
    beat, sent, clock = _made()
    for error in (RedisUnavailable("away"), RedisRefused("an older users.acl")):
        sent.fails = error
        beat.beat(lag_bytes=0, problem=None)
        clock.now += REPORT_EVERY_S
    sent.fails = None
    beat.beat(lag_bytes=0, problem=None)
    assert len(sent) == 1


def test_a_request_to_stop_interrupts_a_report_and_goes_no_further() -> None:
    stop = Stop()

    def hang(_report: TailerReport) -> None:
        stop.interrupt()

    TailerHeartbeat(hang, source="jsonl", path="/x", stop=stop).beat(lag_bytes=0, problem=None)
    assert stop.requested
