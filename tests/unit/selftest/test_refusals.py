"""What an attempt that must be refused proves, and what it does not."""

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from selftest import refusals
from selftest.check import Finding, Status
from selftest.explain import OUR_OWN_LIMIT, SILENCE
from selftest.probe import Answer
from selftest.server_target import API
from selftest.target_installation import Subject

LET_IN = Answer(accepted=True, said="HTTP/1.1 200 OK")
REFUSED = Answer(accepted=False, said="the server does not trust the CA of our certificate (unknown CA)")
Between = Callable[..., Finding]


@pytest.fixture
def between(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> Between:
    """The finding for an attempt, with what our own certificate gets before and after it."""

    def find(attempt: Answer, *, before: Answer = LET_IN, after: Answer = LET_IN) -> Finding:
        controls: Iterator[Answer] = iter((before, after))
        monkeypatch.setattr(refusals, "_control", lambda *_: next(controls))
        return refusals.between_controls(subject, API, lambda: attempt)

    return find


def test_a_refusal_between_two_accepted_controls_is_proven(between: Between) -> None:
    assert between(REFUSED).status is Status.OK


@pytest.mark.parametrize("said", [SILENCE, OUR_OWN_LIMIT])
def test_silence_and_a_limit_of_our_own_are_no_refusal(between: Between, said: str) -> None:
    found = between(Answer(accepted=False, said=said))
    assert found.status is Status.SKIP
    assert found.observed == f"inconclusive: {said}"


@pytest.mark.parametrize("controls", [{"before": REFUSED}, {"after": REFUSED}, {"before": REFUSED, "after": REFUSED}])
def test_a_refusal_proves_nothing_where_our_own_certificate_is_refused(
    between: Between, controls: dict[str, Answer]
) -> None:
    found = between(REFUSED, **controls)
    assert found.status is Status.SKIP
    assert "inconclusive" in found.observed


@pytest.mark.parametrize("controls", [{}, {"before": REFUSED}, {"after": REFUSED}])
def test_an_accepted_attempt_fails_whatever_the_controls_say(between: Between, controls: dict[str, Answer]) -> None:
    assert between(LET_IN, **controls).status is Status.FAIL


@pytest.mark.parametrize(
    ("status", "found"),
    [(400, Status.OK), (403, Status.OK), (200, Status.FAIL), (401, Status.FAIL), (500, Status.FAIL)],
)
def test_only_400_and_403_are_refusals_in_plain_text(between: Between, status: int, found: Status) -> None:
    assert between(Answer(accepted=True, said=f"HTTP/1.1 {status} x")).status is found


def test_nothing_is_asked_where_the_flag_is_off(subject: Subject) -> None:
    target = dataclasses.replace(API, promised=lambda _subject: False)
    for check in (refusals.must_refuse(target, lambda *_: pytest.fail("asked")), refusals.plain_text_on(target)):
        assert check(subject) == refusals.NOT_ASKED
