"""What the checks of Redis conclude from its answers."""

from typing import Any

import pytest

from bringup.errors import RedisUnavailable
from selftest import plaintext_port
from selftest.check import Status
from selftest.checks import redis
from selftest.probe import Answer
from selftest.target_installation import Subject

OUR_PORT, USUAL = 6390, (6379, 6380)


class FakeRedis:
    """Keeps a value, or loses it; says which plain-text port it has."""

    def __init__(self, *, loses: bool = False, tcp_port: int = 0) -> None:
        self._loses = loses
        self._tcp_port = tcp_port
        self._kept: dict[str, bytes] = {}

    def set(self, key: str, value: str, **_options: Any) -> None:
        self._kept[key] = b"something else" if self._loses else value.encode()

    def get(self, key: str) -> bytes | None:
        return self._kept.get(key)

    def delete(self, key: str) -> None:
        self._kept.pop(key)

    def info(self, _section: str) -> dict[str, int]:
        return {"tcp_port": self._tcp_port}

    def ping(self) -> bool:
        return True

    @property
    def is_empty(self) -> bool:
        return not self._kept


def test_what_is_read_must_be_what_was_written() -> None:
    redis._read_and_write(FakeRedis())  # type: ignore[arg-type]
    with pytest.raises(RedisUnavailable, match="did not give back"):
        redis._read_and_write(FakeRedis(loses=True))  # type: ignore[arg-type]


def test_nothing_is_left_in_redis() -> None:
    fake = FakeRedis()
    redis._read_and_write(fake)  # type: ignore[arg-type]
    assert fake.is_empty


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("-NOAUTH Authentication required.", Status.OK),
        ("+PONG", Status.FAIL),
        ("-ERR unauthenticated", Status.OK),
        ("-LOADING Redis is loading", Status.FAIL),
        ("", Status.FAIL),
    ],
)
def test_only_a_refusal_without_a_password_is_good(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, said: str, status: Status
) -> None:
    monkeypatch.setattr(redis, "not_heard", lambda _subject: None)
    monkeypatch.setattr(redis, "by_hand", lambda _subject: Answer(accepted=True, said=said))
    monkeypatch.setattr(redis, "connected", lambda _subject: FakeRedis())
    assert redis._password(subject).status is status


@pytest.mark.parametrize(
    ("told", "answering", "status"),
    [
        (0, set(), Status.OK),
        (6400, {6400}, Status.FAIL),
        (6400, set(), Status.OK),  # a firewall is in front of it
        (0, {6379}, Status.WARN),
        (0, {OUR_PORT - 1}, Status.WARN),
    ],
)
def test_a_plain_text_port_beside_ours_is_found(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, told: int, answering: set[int], status: Status
) -> None:
    subject.settings = subject.settings.model_copy(update={"redis_use_tls": True, "redis_port": OUR_PORT})
    monkeypatch.setattr(plaintext_port, "connected", lambda _subject: FakeRedis(tcp_port=told))
    monkeypatch.setattr(plaintext_port, "_answers", lambda _subject, port: port in answering)
    assert plaintext_port.plain_door(subject).status is status
