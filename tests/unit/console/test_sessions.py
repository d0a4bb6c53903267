"""What is remembered of people and addresses, and for how long."""

import pytest

from console.session import SESSION_S, Attempts, Session, Sessions
from tests.unit.console.conftest import PEOPLE


def test_who_signs_in_begins_to_count_anew() -> None:
    attempts = Attempts(lambda: 0.0)
    for _ in range(3):
        assert [attempts.begin("192.0.2.1") for _ in range(9)] == [0.0] * 9
        attempts.succeeded("192.0.2.1")


def test_the_addresses_that_are_remembered_are_bounded() -> None:
    attempts = Attempts(lambda: 0.0)
    for number in range(10_001):
        attempts.begin(str(number))
    assert len(attempts._tries) == 10_000
    assert "0" not in attempts._tries


def test_sessions_that_have_ended_are_forgotten() -> None:
    now = 0.0
    sessions = Sessions(lambda: now)
    sessions.begin(PEOPLE["alice-token"], "alice-token")
    now = SESSION_S + 1
    sessions.begin(PEOPLE["vera-token"], "vera-token")
    assert [one.operator.name for one in sessions._by_id.values()] == ["vera"]


@pytest.mark.parametrize(("who", "by_token", "may_act"), [("alice", 1, True), ("alice", 0, False), ("vera", 1, False)])
def test_only_an_operator_who_has_given_a_token_may_act(who: str, by_token: int, *, may_act: bool) -> None:
    token = f"{who}-token"
    assert Session(PEOPLE[token], token if by_token else None, 1.0).may_act is may_act


def test_what_is_printed_of_a_session_holds_no_secret() -> None:
    sessions = Sessions()
    found = sessions.get(sessions.begin(PEOPLE["alice-token"], "alice-token"))
    assert found
    assert "alice-token" not in repr(found)
    assert found.csrf not in repr(found)
