"""No check stops the next, none is green that did not run, and none starts when the time is over."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from pki.check import Finding, Status, ok, skip, warn
from selftest import case
from selftest.case import Case, SelfTestResult, run, verdict
from selftest.protocol_probe import Detected, Protocol, within
from selftest.target_installation import TargetInstallation


def _check(finding: Finding, *, required: bool = False, static: bool = False, blocker: str = "") -> Case:
    required_by = "SETTING=true" if required else ""
    server: Any = SimpleNamespace(blocker=blocker)
    return Case(
        "x",
        "title",
        lambda _: finding,
        group="group",
        required_by=lambda _: required_by,
        servers=(lambda _: server,),
        static=static,
    )


def _status(target: TargetInstallation, check: Case) -> Status:
    return run(target, [check])[0].finding.status


def test_a_required_check_that_was_skipped_is_a_failure(target: TargetInstallation) -> None:
    assert _status(target, _check(skip("no tool"), required=True)) is Status.FAIL
    assert _status(target, _check(skip("no tool"))) is Status.SKIP


def test_a_check_that_breaks_is_a_failure_and_the_next_one_runs(target: TargetInstallation) -> None:
    def broken(_target: TargetInstallation) -> Finding:
        raise RuntimeError("oh")

    outcomes = run(target, [Case("a", "t", broken, group="g"), _check(ok("fine"))])
    assert [one.finding.status for one in outcomes] == [Status.FAIL, Status.OK]
    assert "RuntimeError: oh" in outcomes[0].finding.message


def test_a_required_check_is_not_asked_of_who_does_not_answer(target: TargetInstallation) -> None:
    outcome = run(target, [_check(ok("fine"), required=True, blocker="nobody answers")])[0]
    assert outcome.finding.status is Status.FAIL
    assert "not run: nobody answers" in outcome.finding.message


def test_no_check_starts_when_the_time_is_over(target: TargetInstallation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case, "LONGEST_S", -1)
    assert _status(target, _check(ok("fine"), required=True)) is Status.FAIL


def test_waits_shrink_towards_the_end_of_the_time(target: TargetInstallation) -> None:
    target.deadline = time.monotonic() + 1
    assert target.wait_s <= 1
    target.deadline = time.monotonic() - 1
    assert 0 < target.wait_s < 0.1
    assert target.short_timeouts.redis_timeout_s == target.wait_s / 2


def test_warnings_do_not_fail_the_whole(target: TargetInstallation) -> None:
    assert verdict(target, run(target, [_check(warn("hm")), _check(ok("fine"))])) is SelfTestResult.PASSED


def test_it_could_not_run_when_no_server_answers_checks_that_need_one(target: TargetInstallation) -> None:
    target.redis.detected = target.api.detected = Detected(Protocol.NONE, "refused")
    assert verdict(target, run(target, [_check(ok("fine"))])) is SelfTestResult.COULD_NOT_RUN
    assert verdict(target, run(target, [_check(ok("fine"), static=True)])) is SelfTestResult.PASSED
    target.api.detected = Detected(Protocol.TLS, "")
    assert verdict(target, run(target, [_check(ok("fine"))])) is SelfTestResult.PASSED


def test_a_call_that_takes_too_long_is_left_behind() -> None:
    assert within(5, lambda: 1) == 1
    with pytest.raises(TimeoutError):
        within(0.01, lambda: time.sleep(0.5))


@pytest.mark.parametrize(
    ("protocol", "tls", "blocked"),
    [
        (Protocol.PLAIN, False, False),
        (Protocol.PLAIN, True, True),
        (Protocol.TLS, True, False),
        (Protocol.TLS, False, True),
        (Protocol.NONE, True, True),
        (Protocol.NONE, False, True),
    ],
)
def test_no_client_can_work_where_another_protocol_is_spoken(protocol: Protocol, *, tls: bool, blocked: bool) -> None:
    assert bool(Detected(protocol, "").blocker(tls=tls)) is blocked
