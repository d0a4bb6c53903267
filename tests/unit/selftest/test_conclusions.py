"""What the self-test concludes from what it sees: each conclusion at both of its sides."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pki.check import Status
from selftest import probe, runner
from selftest.checks import callback_api, certificates
from selftest.probe import Answer, Reached
from selftest.protocol_probe import Protocol, detect
from selftest.target_installation import TargetInstallation
from tests.unit.pki import kit

NOW = datetime.now(UTC)


class Port:
    """What a port answers in plain text, and how far TLS gets there."""

    host = "192.0.2.1"

    def __init__(self, plain: Answer, tls: Reached = Reached.PORT) -> None:
        self._plain = plain
        self._tls = tls

    def plain(self, _request: bytes) -> Answer:
        return self._plain

    def handshake(self, _context: ssl.SSLContext) -> Answer:
        return Answer(accepted=False, text="as far as that", reached=self._tls)


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        (Port(Answer(accepted=True, text="+PONG", reached=Reached.PORT)), Protocol.PLAIN),
        (Port(Answer(accepted=True, text="HTTP/1.1 400 x", reached=Reached.PORT), Reached.TLS), Protocol.TLS),
        (Port(Answer(accepted=True, text="HTTP/1.1 400 x", reached=Reached.PORT)), Protocol.PLAIN),
        (Port(Answer(accepted=False, text="reset", reached=Reached.PORT), Reached.TLS), Protocol.TLS),
        (Port(Answer(accepted=False, text="silent", reached=Reached.PORT)), Protocol.NONE),
        (Port(Answer(accepted=False, text="refused", reached=Reached.NOTHING)), Protocol.NONE),
    ],
)
def test_what_a_port_speaks_is_seen_from_both_answers(port: Any, protocol: Protocol) -> None:
    assert detect(port, b"PING\r\n").protocol is protocol


@pytest.mark.parametrize(
    ("reason", "reached"), [("TLSV13_ALERT_CERTIFICATE_REQUIRED", Reached.TLS), ("WRONG_VERSION_NUMBER", Reached.PORT)]
)
def test_an_alert_shows_that_the_other_side_speaks_tls(reason: str, reached: Reached) -> None:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    assert probe._refused(Answer(accepted=False, text="", reached=Reached.PORT), error).reached is reached


class Connection:
    """Has something to say before it is asked; or has not."""

    def __init__(self, first: bytes | None) -> None:
        self._first = first
        self.sent = b""

    def settimeout(self, _seconds: float) -> None:
        pass

    def recv(self, _size: int) -> bytes:
        if self._first is not None:
            return self._first
        if not self.sent:
            raise TimeoutError
        return b"+PONG"

    def sendall(self, data: bytes) -> None:
        self.sent += data


def test_a_refusal_is_heard_before_anything_is_written() -> None:
    refusing: Any = Connection(b"-DENIED")
    assert probe._converse(refusing, b"PING\r\n", 1, 1) == b"-DENIED"
    assert refusing.sent == b""


def test_a_server_that_sends_nothing_is_asked() -> None:
    waiting: Any = Connection(None)
    assert probe._converse(waiting, b"PING\r\n", 1, 1) == b"+PONG"
    assert waiting.sent == b"PING\r\n"


def test_the_certificate_in_use_must_be_the_one_on_disk(tmp_path: Path) -> None:
    store, before = (kit.init_pki(tmp_path / name, NOW) for name in ("pki", "before"))
    path = store.files(kit.REDIS).certificate
    own, other = (kit.certificate_of(one, kit.REDIS).public_bytes(Encoding.DER) for one in (store, before))
    assert certificates._compared(own, path).status is Status.OK
    found = certificates._compared(other, path)
    assert found.status is Status.FAIL
    assert found.cause == "it was renewed and not loaded"


def test_a_certificate_of_another_server_was_not_renewed(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", NOW)
    served = kit.certificate_of(store, kit.API).public_bytes(Encoding.DER)
    found = certificates._compared(served, store.files(kit.REDIS).certificate)
    assert found.status is Status.FAIL
    assert "another server of our CA answers there: api" in found.message


@pytest.mark.parametrize(
    ("redis", "of_api", "status"),
    [
        (0.1, -0.1, Status.OK),
        (callback_api._SKEW_WARN_S - 0.1, 0.0, Status.OK),
        (0.0, callback_api._SKEW_WARN_S + 0.1, Status.WARN),
        (-callback_api._SKEW_WARN_S - 0.1, 0.0, Status.WARN),
        (callback_api._SKEW_FAIL_S + 0.1, 0.0, Status.FAIL),
        (0.0, -callback_api._SKEW_FAIL_S - 0.1, Status.FAIL),
        (None, 0.0, Status.SKIP),
        (None, callback_api._SKEW_FAIL_S + 0.1, Status.FAIL),
    ],
)
def test_clocks_that_differ_are_found_in_both_directions(
    target: TargetInstallation,
    monkeypatch: pytest.MonkeyPatch,
    redis: float | None,
    of_api: float | None,
    status: Status,
) -> None:
    monkeypatch.setattr(callback_api, "_redis_skew", lambda _target: redis)
    monkeypatch.setattr(callback_api, "_api_skew", lambda _target: of_api)
    assert callback_api._clocks(target).status is status


def test_the_whole_ends_before_half_a_minute_is_over(target: TargetInstallation) -> None:
    outcomes = runner.run(target, [])
    assert outcomes == []
    assert runner.LONGEST_S + target.timeout_s < 30
