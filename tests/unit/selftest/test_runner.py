"""No check stops the next, none is green that did not run, and none starts when the time is over."""

import time

import pytest

from selftest import runner
from selftest.check import Check, Finding, Status, ok, skip, warn
from selftest.protocol_probe import Heard, Language
from selftest.runner import Verdict, run, verdict
from selftest.target_installation import Subject
from selftest.timeout import within


def _check(finding: Finding, *, required: bool = False, static: bool = False, hindrance: str = "") -> Check:
    return Check("x", "group", "title", lambda _: finding, lambda _: required, static, (lambda _: hindrance,))


def _status(subject: Subject, check: Check) -> Status:
    return run(subject, [check])[0].finding.status


def test_a_required_check_that_was_skipped_is_a_failure(subject: Subject) -> None:
    assert _status(subject, _check(skip("no tool"), required=True)) is Status.FAIL
    assert _status(subject, _check(skip("no tool"))) is Status.SKIP


def test_a_check_that_breaks_is_a_failure_and_the_next_one_runs(subject: Subject) -> None:
    def broken(_subject: Subject) -> Finding:
        raise RuntimeError("oh")

    outcomes = run(subject, [Check("a", "g", "t", broken), _check(ok("fine"))])
    assert [one.finding.status for one in outcomes] == [Status.FAIL, Status.OK]
    assert "RuntimeError: oh" in outcomes[0].finding.observed


def test_a_required_check_is_not_asked_of_who_does_not_answer(subject: Subject) -> None:
    outcome = run(subject, [_check(ok("fine"), required=True, hindrance="nobody answers")])[0]
    assert outcome.finding.status is Status.FAIL
    assert "not run: nobody answers" in outcome.finding.observed


def test_no_check_starts_when_the_time_is_over(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LONGEST_S", -1)
    assert _status(subject, _check(ok("fine"), required=True)) is Status.FAIL


def test_waits_shrink_towards_the_end_of_the_time(subject: Subject) -> None:
    subject.deadline = time.monotonic() + 1
    assert subject.wait_s <= 1
    subject.deadline = time.monotonic() - 1
    assert 0 < subject.wait_s < 0.1
    assert subject.hurried.redis_timeout_s == subject.wait_s / 2


def test_warnings_do_not_fail_the_whole(subject: Subject) -> None:
    assert verdict(subject, run(subject, [_check(warn("hm")), _check(ok("fine"))])) is Verdict.PASSED


def test_it_could_not_run_when_nobody_is_there_for_checks_that_need_somebody(subject: Subject) -> None:
    subject.redis_heard = subject.api_heard = Heard(Language.SILENCE, "refused")
    assert verdict(subject, run(subject, [_check(ok("fine"))])) is Verdict.COULD_NOT_RUN
    assert verdict(subject, run(subject, [_check(ok("fine"), static=True)])) is Verdict.PASSED
    subject.api_heard = Heard(Language.TLS, "")
    assert verdict(subject, run(subject, [_check(ok("fine"))])) is Verdict.PASSED


def test_a_call_that_takes_too_long_is_left_behind() -> None:
    assert within(5, lambda: 1) == 1
    with pytest.raises(TimeoutError):
        within(0.01, lambda: time.sleep(0.5))


@pytest.mark.parametrize(
    ("language", "tls", "hindered"),
    [
        (Language.PLAIN, False, False),
        (Language.PLAIN, True, True),
        (Language.TLS, True, False),
        (Language.TLS, False, True),
        (Language.SILENCE, True, True),
        (Language.SILENCE, False, True),
    ],
)
def test_there_is_no_sense_in_talking_in_another_language(language: Language, *, tls: bool, hindered: bool) -> None:
    assert bool(Heard(language, "").hindrance(tls=tls)) is hindered
