"""No check stops the next, none is green that did not run, and none starts when the time is over."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from pki.check import Finding, Status, fail, ok, skip, warn
from selftest import runner
from selftest.case import Case, SelfTestResult, verdict
from selftest.protocol_probe import Detected, Protocol, within
from selftest.runner import run
from selftest.target_installation import TargetInstallation


def _check(finding: Finding, *, required: bool = False, static: bool = False, blocker: str = "") -> Case:
    required_by = "SETTING=true" if required else ""
    server: Any = SimpleNamespace(blocker=blocker, see="see 1a", shown_by=("1a",))
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
    monkeypatch.setattr(runner, "LONGEST_S", -1)
    assert _status(target, _check(ok("fine"), required=True)) is Status.FAIL
    assert _status(target, _check(ok("fine"), required=True, static=True)) is Status.OK, "it waits for nobody"


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


def _case(id_: str, finding: Finding, **given: Any) -> Case:
    return Case(id_, "title", lambda _: finding, group="group", required_by=lambda _: "SETTING=true", **given)


def test_what_needs_a_check_that_failed_is_not_run_and_names_it(target: TargetInstallation) -> None:
    root, follower = run(target, [_case("1a", fail("down")), _case("2b", ok("never asked"), needs=("1a",))])
    assert root.is_root
    assert (follower.finding.status, follower.because) == (Status.SKIP, "1a")
    assert "because 1a failed" in follower.finding.message


def test_a_skip_is_attributed_only_to_a_failure(target: TargetInstallation) -> None:
    """Else it would be green: the whole must have failed by the other one."""
    for finding in (ok("fine"), warn("hm")):
        outcome = run(target, [_case("1a", finding), _case("6", skip("no"), explained_by=("1a",))])[1]
        assert (outcome.finding.status, outcome.because) == (Status.FAIL, "")
    outcome = run(target, [_case("1a", fail("no")), _case("6", skip("no"), explained_by=("1a",))])[1]
    assert (outcome.finding.status, outcome.because) == (Status.SKIP, "1a")


def test_what_a_check_needs_and_is_not_among_the_chosen_blocks_nothing(target: TargetInstallation) -> None:
    assert run(target, [_case("2b", ok("asked"), needs=("1a",))])[0].finding.status is Status.OK


@pytest.mark.parametrize(
    ("root", "follower"),
    [
        (("3c", "clocks differ"), ("1a", "the server's certificate is refused by us: certificate has expired")),
        (("3c", "clocks differ"), ("5a", "worker: not valid before 2030-01-01")),
        (("5a", "worker: expired"), ("3b", "our certificate w.pem has expired")),
        (("6", "worker: the key does not fit"), ("1a", "a certificate file or folder is unusable")),
        (("4", "api: another CA"), ("3b", "the server's CA is not the one in API_TLS_CA")),
        (("1a", "nothing listens"), ("3b", "the API is up, but cannot do its work: Redis")),
    ],
)
def test_a_failure_that_another_one_explains_is_its_consequence(
    target: TargetInstallation, root: tuple[str, str], follower: tuple[str, str]
) -> None:
    cases = [_case(id_, fail(message)) for id_, message in (root, follower)]
    for order in (cases, cases[::-1]):
        found = {one.case.id: one for one in run(target, order)}
        assert found[root[0]].is_root
        assert found[follower[0]].because == root[0]
        assert found[follower[0]].has_failed, "a consequence remains a failure"


def test_a_failure_of_another_kind_is_no_consequence(target: TargetInstallation) -> None:
    found = run(target, [_case("5a", fail("expired")), _case("1a", fail("the password is refused"))])
    assert [one.is_root for one in found] == [True, True]
