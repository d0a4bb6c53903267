"""What the checks of Redis conclude from its answers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bringup.errors import PermanentError, RedisUnavailable
from pki.check import Status
from selftest.checks import redis_connection, refusals
from selftest.diagnosis import redis_refuses
from selftest.probe import Answer
from selftest.target_installation import TargetInstallation

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
    redis_connection._read_and_write(FakeRedis())  # type: ignore[arg-type]
    with pytest.raises(RedisUnavailable, match="did not give back"):
        redis_connection._read_and_write(FakeRedis(loses=True))  # type: ignore[arg-type]


def test_nothing_is_left_in_redis() -> None:
    fake = FakeRedis()
    redis_connection._read_and_write(fake)  # type: ignore[arg-type]
    assert fake.is_empty


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("-NOAUTH Authentication required.", Status.OK),
        ("+PONG", Status.FAIL),
        ("-ERR unauthenticated", Status.OK),
        ("-LOADING Redis is loading", Status.FAIL),
        ("", Status.FAIL),
    ],
)
def test_only_a_refusal_without_a_password_is_good(
    target: TargetInstallation, monkeypatch: pytest.MonkeyPatch, reply: str, status: Status
) -> None:
    monkeypatch.setattr(redis_connection, "redis_unreachable", lambda _target: None)
    monkeypatch.setattr(redis_connection, "ping_without_password", lambda _target: Answer(accepted=True, text=reply))
    monkeypatch.setattr(target, "redis_client", FakeRedis)
    assert redis_connection._password(target).status is status


@pytest.mark.parametrize(
    ("reported", "answering", "status"),
    [
        (0, set(), Status.OK),
        (6400, {6400}, Status.FAIL),
        (6400, set(), Status.OK),  # a firewall is in front of it
        (0, {6379}, Status.WARN),
        (0, {OUR_PORT - 1}, Status.WARN),
    ],
)
def test_a_plain_text_port_beside_ours_is_found(
    target: TargetInstallation, monkeypatch: pytest.MonkeyPatch, reported: int, answering: set[int], status: Status
) -> None:
    target = replace(
        target, settings=target.settings.model_copy(update={"redis_use_tls": True, "redis_port": OUR_PORT})
    )
    monkeypatch.setattr(target, "redis_client", lambda: FakeRedis(tcp_port=reported))
    monkeypatch.setattr(refusals, "_answers", lambda _target, port: port in answering)
    assert refusals._plaintext_port(target).status is status


def test_a_password_that_is_refused_leads_to_the_file_of_the_role_that_was_not_read(
    target: TargetInstallation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = PermanentError("Redis refused us")
    assert "set REDIS_PASSWORD and REDIS_USERNAME" in redis_refuses(target, refused).hint
    Path("redis").mkdir()
    Path("redis/worker.env").touch()
    found = redis_refuses(target, refused)
    assert found.cause.startswith("redis/worker.env was not read")
    assert found.hint == "BRINGUP_ENV_FILE=.env:redis/worker.env bringup selftest"
    target.env_files = (Path(".env"), Path("redis/worker.env"))
    assert "set REDIS_PASSWORD and REDIS_USERNAME" in redis_refuses(target, refused).hint
