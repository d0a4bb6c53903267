"""Connections to Redis resume TLS sessions, and nothing lives longer by it than it would without."""

import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import create_connection
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from cryptography.x509.oid import ExtendedKeyUsageOID

from bringup import tls
from bringup.connections import recent_context
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from pki.authority import key_pem, pem
from pki.names import STANDARD, Identity, Role, parse_san
from pki.setup import Wanted
from pki.store import Store
from tests.conftest import PASSWORD, RedisServer
from tests.unit.pki import kit

NOW = datetime.now(UTC)
WORKER = Identity(Role.WORKER, "worker")


class TlsRedis:
    """A redis-server with TLS alone, as `bringup redis-conf` sets it."""

    def __init__(self, store: Store, folder: Path, *options: str) -> None:
        files = store.files(STANDARD[0])
        self.tls = {
            "tls-cert-file": str(files.certificate),
            "tls-key-file": str(files.key),
            "tls-ca-cert-file": str(store.ca_certificate),
        }
        pairs = [text for name, path in self.tls.items() for text in (f"--{name}", path)]
        self._server = RedisServer(folder)
        self._server.start("--port", "0", "--tls-port", str(self._server.port), *pairs, *options)
        self.port = self._server.port

    def stop(self) -> None:
        """End it."""
        self._server.kill()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    here = (parse_san("127.0.0.1"),)
    wanted = [Wanted(one, here if one.role.is_server else ()) for one in STANDARD]
    return kit.init_pki(tmp_path_factory.mktemp("sessions") / "pki", NOW, wanted=wanted)


@pytest.fixture(scope="module")
def server(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsRedis]:
    made = TlsRedis(store, tmp_path_factory.mktemp("redis"))
    yield made
    made.stop()


class Client:
    """A pool of our own: each call makes a new connection."""

    def __init__(self, settings: Settings) -> None:
        self.redis = connect_redis(settings, tls.ClientContexts(), name="tests")

    def connect(self) -> bool:
        """Whether a new connection has resumed a session. Raises what redis-py raises."""
        connection: Any = self.redis.connection_pool.make_connection()
        try:
            connection.connect()
            connection.send_command("PING")
            assert connection.read_response() in {b"PONG", "PONG"}
            return bool(connection._sock.session_reused)
        finally:
            connection.disconnect()


@pytest.fixture
def client_of(make_settings: Callable[..., Settings], store: Store) -> Callable[..., Client]:
    def make(server: TlsRedis, **more: str) -> Client:
        variables = {"REDIS_PORT": str(server.port), "REDIS_USE_TLS": "true", "PKI_DIR": str(store.root)}
        return Client(make_settings(**variables | more))

    return make


def ending(store: Store, folder: Path, ends: datetime) -> tuple[Path, Path]:
    """A worker's certificate that ends soon, and its key."""
    forgery = kit.Forgery(
        identity=WORKER, start=NOW - timedelta(hours=1), end=ends, usages=[ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    certificate, key = folder / "ending.pem", folder / "ending-key.pem"
    certificate.write_bytes(pem(forgery.sign(kit.authority_of(store))))
    key.write_bytes(key_pem(forgery.key))
    key.chmod(0o600)
    return certificate, key


def wait_until(moment: datetime) -> None:
    time.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()) + 1)


def test_every_connection_but_the_first_resumes(server: TlsRedis, client_of: Callable[..., Client]) -> None:
    client = client_of(server)
    assert [client.connect() for _ in range(4)] == [False, True, True, True]


def test_a_new_connection_logs_in_and_gives_its_name_and_no_more(
    server: TlsRedis, client_of: Callable[..., Client]
) -> None:
    client = client_of(server)

    def calls() -> int:
        return int(client.redis.info("stats")["total_commands_processed"])

    before = calls()
    client.connect()
    assert calls() - before == 4, "HELLO, CLIENT SETNAME, PING, and the INFO before"
    assert "bringup-tests" in {one["name"] for one in client.redis.client_list()}


@pytest.mark.slow  # it waits for a certificate to end
def test_redis_resumes_a_session_whose_certificate_has_ended_and_we_do_not_offer_it(
    server: TlsRedis, client_of: Callable[..., Client], store: Store, tmp_path: Path
) -> None:
    """What Redis's OpenSSL does not check when it resumes is checked here."""
    ends = (datetime.now(UTC) + timedelta(seconds=15)).replace(microsecond=0)
    certificate, key = ending(store, tmp_path, ends)
    context = ssl.create_default_context(cafile=store.ca_certificate)
    context.load_cert_chain(certificate, key)
    client = client_of(server, REDIS_TLS_CERT=str(certificate), REDIS_TLS_KEY=str(key))

    def answered(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        raw = create_connection(("127.0.0.1", server.port), timeout=60)
        with context.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as secured:
            secured.sendall(b"PING\r\n")
            assert secured.recv(100).startswith(b"-NOAUTH")
            return secured.session

    session = answered(None)
    assert [client.connect(), client.connect()] == [False, True]
    wait_until(ends)
    answered(session)
    with pytest.raises(OSError, match=r"certificate|EOF|reset"):
        answered(None)
    with pytest.raises(redis.ConnectionError):
        client.connect()


def test_redis_resumes_nothing_from_before_it_has_read_its_certificates_again(
    server: TlsRedis, client_of: Callable[..., Client]
) -> None:
    client = client_of(server)
    assert [client.connect(), client.connect()] == [False, True]
    again: Any = client.redis.execute_command
    again("CONFIG SET", *(text for pair in server.tls.items() for text in pair))
    assert client.connect() is False


def test_a_renewed_certificate_of_ours_resumes_nothing(
    server: TlsRedis, client_of: Callable[..., Client], store: Store, tmp_path: Path
) -> None:
    certificate, key = ending(store, tmp_path, NOW + timedelta(days=1))
    client = client_of(server, REDIS_TLS_CERT=str(certificate), REDIS_TLS_KEY=str(key))
    assert [client.connect(), client.connect()] == [False, True]
    ending(store, tmp_path, NOW + timedelta(days=2))
    assert client.connect() is False


def test_an_idle_connection_ends_a_tenth_of_a_second_after_its_files_were_renewed(
    server: TlsRedis,
    client_of: Callable[..., Client],
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Mock(return_value=1000.0)
    monkeypatch.setattr(recent_context, "time", Mock(monotonic=clock))
    certificate, key = ending(store, tmp_path, NOW + timedelta(days=1))
    client = client_of(server, REDIS_TLS_CERT=str(certificate), REDIS_TLS_KEY=str(key)).redis
    first = client.client_id()
    ending(store, tmp_path, NOW + timedelta(days=2))
    assert client.client_id() == first, "the files are looked at for each command"
    clock.return_value += 0.1
    second = client.client_id()
    assert second != first
    clock.return_value += 0.1
    assert client.client_id() == second, "it ended although no file has changed"


def test_an_answer_of_which_openssl_holds_a_part_is_not_that_to_the_next_command(
    server: TlsRedis, client_of: Callable[..., Client]
) -> None:
    client = client_of(server).redis
    connection: Any = client.connection_pool.get_connection()
    connection.send_command("ECHO", "of another command")
    connection._sock.recv_into(bytearray(1))
    client.connection_pool.release(connection)
    assert client.echo("mine") == b"mine"


def test_a_user_that_was_removed_is_refused_on_a_resumed_connection(
    server: TlsRedis, client_of: Callable[..., Client]
) -> None:
    keeper = client_of(server).redis
    keeper.acl_setuser("leaver", enabled=True, passwords=["+of-the-leaver"], commands=["+@all"], keys=["*"])
    client = client_of(server, REDIS_USERNAME="leaver", REDIS_PASSWORD="of-the-leaver")
    assert [client.connect(), client.connect()] == [False, True]
    keeper.acl_deluser("leaver")
    with pytest.raises(redis.AuthenticationError):
        client.connect()


def test_a_redis_that_resumes_nothing_is_connected_to_all_the_same(
    store: Store, tmp_path: Path, client_of: Callable[..., Client]
) -> None:
    server = TlsRedis(store, tmp_path, "--tls-session-caching", "no")
    try:
        client = client_of(server)
        assert [client.connect() for _ in range(3)] == [False, False, False]
        sessions: Any = client.redis.connection_pool.connection_kwargs["sessions"]
        assert all(kept.session is None for kept in sessions._kept.values()), "it is offered again and again"
    finally:
        server.stop()


def test_the_password_of_these_tests_is_asked_for(server: TlsRedis, client_of: Callable[..., Client]) -> None:
    client = client_of(server, REDIS_PASSWORD=f"not-{PASSWORD}")
    with pytest.raises(redis.AuthenticationError):
        client.connect()
