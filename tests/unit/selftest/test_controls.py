"""What an attempt that must be refused proves, and what it does not."""

from collections.abc import Callable, Iterator

import pytest

from bringup.tls_failures import OUR_OWN_LIMIT, SILENCE
from pki.check import Finding, Status
from selftest import controls
from selftest.probe import Answer
from selftest.target_installation import TargetInstallation, TlsServer

LET_IN = Answer(accepted=True, text="HTTP/1.1 200 OK")
REFUSED = Answer(accepted=False, text="the server does not trust the CA of our certificate (unknown CA)")
Between = Callable[..., Finding]


@pytest.fixture
def between(target: TargetInstallation, monkeypatch: pytest.MonkeyPatch) -> Between:
    """The finding for an attempt, with what our own certificate gets before and after it."""

    def find(attempt: Answer, *, before: Answer = LET_IN, after: Answer = LET_IN) -> Finding:
        answers: Iterator[Answer] = iter((before, after))
        monkeypatch.setattr(controls, "_control", lambda *_: next(answers))
        return controls.between_controls(target.api, lambda: attempt)

    return find


def test_a_refusal_between_two_accepted_controls_is_proven(between: Between) -> None:
    assert between(REFUSED).status is Status.OK


@pytest.mark.parametrize("text", [SILENCE, OUR_OWN_LIMIT])
def test_silence_and_a_limit_of_our_own_are_no_refusal(between: Between, text: str) -> None:
    found = between(Answer(accepted=False, text=text))
    assert found.status is Status.SKIP
    assert found.message == f"inconclusive: {text}"


@pytest.mark.parametrize("answers", [{"before": REFUSED}, {"after": REFUSED}, {"before": REFUSED, "after": REFUSED}])
def test_a_refusal_proves_nothing_where_our_own_certificate_is_refused(
    between: Between, answers: dict[str, Answer]
) -> None:
    found = between(REFUSED, **answers)
    assert found.status is Status.SKIP
    assert "inconclusive" in found.message


@pytest.mark.parametrize("answers", [{}, {"before": REFUSED}, {"after": REFUSED}])
def test_an_accepted_attempt_fails_whatever_the_controls_say(between: Between, answers: dict[str, Answer]) -> None:
    assert between(LET_IN, **answers).status is Status.FAIL


@pytest.mark.parametrize(
    ("status", "found"),
    [(400, Status.OK), (403, Status.OK), (200, Status.FAIL), (401, Status.FAIL), (500, Status.FAIL)],
)
def test_only_400_and_403_are_refusals_in_plain_text(between: Between, status: int, found: Status) -> None:
    assert between(Answer(accepted=True, text=f"HTTP/1.1 {status} x")).status is found


def test_nothing_is_asked_where_the_flag_is_off(target: TargetInstallation) -> None:
    assert not target.api.use_tls

    def api(_target: TargetInstallation) -> TlsServer:
        return target.api

    for check in (controls.must_refuse(api, lambda *_: pytest.fail("asked")), controls.must_refuse_plain_text(api)):
        assert check(target) == controls.NOT_ASKED
