"""What is remembered of people and addresses, and for how long."""

from collections import OrderedDict
from threading import Lock
from typing import Any

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


class Watched(OrderedDict[Any, Any]):
    """Refuses every look and every change without the lock."""

    def __init__(self, lock: Lock) -> None:
        super().__init__()
        self._its_lock = lock

    def __getattribute__(self, name: str) -> Any:
        if name in {"items", "values", "pop", "popitem", "get"}:
            self.require()
        return super().__getattribute__(name)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.require()
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.require()
        super().__delitem__(key)

    def require(self) -> None:
        assert object.__getattribute__(self, "_its_lock").locked(), "without the lock"


def test_sessions_begin_and_end_under_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, alice = Sessions(), PEOPLE["alice-token"]
    monkeypatch.setattr(sessions, "_by_id", Watched(sessions._lock))
    key = sessions.begin(alice, "alice-token")
    sessions.keep({"alice": alice})
    sessions.end(key)
    assert len(sessions._by_id) == 0


def test_tries_to_sign_in_are_counted_under_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = Attempts()
    monkeypatch.setattr(attempts, "_tries", Watched(attempts._lock))
    attempts.begin("192.0.2.1")
    assert len(attempts._tries) == 1
    attempts.succeeded("192.0.2.1")
    assert len(attempts._tries) == 0
