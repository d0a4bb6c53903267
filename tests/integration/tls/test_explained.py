"""One cause, one wording: what a TLS failure is called by the clients of Redis and the API, and what to look at."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import create_server
from threading import Thread

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.errors import BringupError
from bringup.settings import Settings
from bringup.wire.message import Health
from pki.authority import Authority, key_pem, pem
from pki.names import STANDARD, Identity, parse_san
from pki.setup import Wanted
from pki.store import Store
from tests.conftest import MakeSettings
from tests.unit.pki.kit import Forgery, authority_of, init_pki

REDIS, WORKER, API = STANDARD
HERE = (parse_san("127.0.0.1"),)
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Client:
    """A client of one kind: how it connects, and the settings that a message must name."""

    server: Identity
    connect: Callable[[Settings], object]
    cert: str
    ca: str
    flag: str
    address: str


def _ping(settings: Settings) -> object:
    with redis_errors(settings):
        return connect_redis(settings, tls.ClientContexts(), name="test").ping()


CLIENTS = {
    "redis": Client(REDIS, _ping, "REDIS_TLS_CERT", "REDIS_TLS_CA", "REDIS_USE_TLS", "REDIS_HOST and REDIS_PORT"),
    "api": Client(
        API,
        lambda settings: ApiClient(settings, tls.ClientContexts()).get("/health", Health),
        "API_CLIENT_CERT",
        "API_TLS_CA",
        "API_USE_TLS",
        "CALLBACK_API_URL",
    ),
}


class Server:
    """Makes the handshake, or none, and closes."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._server = create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection, suppress(OSError):
                    connection.settimeout(10)
                    if self._context is None:
                        connection.recv(4096)
                        connection.sendall(b"-ERR unknown command\r\n")
                    else:
                        with self._context.wrap_socket(connection, server_side=True) as secure:
                            secure.recv(4096)

    def close(self) -> None:
        self._server.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    wanted = [Wanted(one, HERE if one.role.is_server else ()) for one in STANDARD]
    return init_pki(tmp_path_factory.mktemp("explained") / "pki", NOW, wanted=wanted)


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


@pytest.fixture
def refused(store: Store, make_settings: MakeSettings, client: Client, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """The message of a client that connects to a server with the certificate of a forgery."""
    servers: list[Server] = []

    def message(forgery: Forgery | None, *, by: Authority | None = None, trusts: Path | None = None, **own: str) -> str:
        context = _context(forgery, by or authority_of(store), trusts or store.ca_certificate, tmp_path)
        servers.append(Server(context))
        return _message(make_settings, store, client, servers[-1].port, **own)

    yield message
    for server in servers:
        server.close()


def _context(forgery: Forgery | None, by: Authority, trusted: Path, folder: Path) -> ssl.SSLContext | None:
    if forgery is None:
        return None
    (folder / "cert.pem").write_bytes(pem(forgery.sign(by)))
    (folder / "key.pem").write_bytes(key_pem(forgery.key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.load_verify_locations(trusted)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _message(make_settings: MakeSettings, store: Store, client: Client, port: int, **own: str) -> str:
    scheme = "http" if own.get("api_use_tls") == "false" else "https"
    settings = make_settings(
        **{
            "redis_use_tls": "true",
            "api_use_tls": "true",
            "redis_port": str(port),
            "callback_api_url": f"{scheme}://127.0.0.1:{port}",
            "pki_dir": str(store.root),
            **own,
        }
    )
    with pytest.raises(BringupError) as caught:
        client.connect(settings)
    return str(caught.value)


def good(client: Client) -> Forgery:
    return Forgery(identity=client.server, start=NOW - timedelta(hours=1), end=NOW + timedelta(days=9))


def with_names(client: Client, forgery: Forgery) -> Forgery:

    return replace(forgery, sans=[x509.DNSName(client.server.dns), *HERE])


def test_a_certificate_that_has_expired(refused: Callable[..., str], client: Client) -> None:
    old = replace(good(client), start=NOW - timedelta(days=9), end=NOW - timedelta(days=1))
    assert "expired" in refused(with_names(client, old))


def test_a_certificate_that_is_not_valid_yet(refused: Callable[..., str], client: Client) -> None:
    early = replace(good(client), start=NOW + timedelta(days=1))
    assert "not yet valid" in refused(with_names(client, early))


def test_a_ca_that_we_do_not_know(refused: Callable[..., str], client: Client) -> None:
    assert client.ca in refused(with_names(client, good(client)), by=Authority.new(30, NOW))


def test_a_server_of_another_name(refused: Callable[..., str], client: Client) -> None:

    elsewhere = replace(good(client), sans=[x509.DNSName(client.server.dns), x509.DNSName("elsewhere.example")])
    assert "does not name this address" in refused(elsewhere)


def test_a_certificate_for_another_purpose(refused: Callable[..., str], client: Client) -> None:
    of_a_client = replace(good(client), usages=[ExtendedKeyUsageOID.CLIENT_AUTH])
    assert "purpose" in refused(with_names(client, of_a_client))


def test_a_certificate_without_a_purpose(refused: Callable[..., str], client: Client) -> None:
    assert "no extended key usage" in refused(with_names(client, replace(good(client), usages=[])))


def test_a_certificate_that_is_a_ca(refused: Callable[..., str], client: Client) -> None:
    assert "CA:TRUE" in refused(with_names(client, replace(good(client), ca=True)))


def test_a_server_of_another_role(refused: Callable[..., str], client: Client) -> None:

    other = API if client.server == REDIS else REDIS
    message = refused(replace(good(client), identity=other, sans=[x509.DNSName(other.dns), *HERE]))
    assert f"of role {other.role}" in message
    assert client.address.split()[0] in message


def test_a_server_that_does_not_trust_our_ca(refused: Callable[..., str], client: Client, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.pem"
    foreign.write_bytes(pem(Authority.new(30, NOW).certificate))
    message = refused(with_names(client, good(client)), trusts=foreign)
    assert "unknown CA" in message  # by its alert, or as a likely cause where TLS 1.3 has hidden the alert


def test_plain_text_where_tls_is_expected(refused: Callable[..., str], client: Client) -> None:
    message = refused(None)
    assert "plain text" in message
    assert f"{client.flag}=false" in message
    assert client.address in message


def test_tls_where_plain_text_is_expected(refused: Callable[..., str], client: Client) -> None:
    off = {"redis_use_tls": "false", "api_use_tls": "false"}
    assert f"set {client.flag}=true" in refused(with_names(client, good(client)), **off)


def test_nothing_that_listens(make_settings: MakeSettings, store: Store, client: Client) -> None:
    server = Server(None)
    server.close()
    assert "refused" in _message(make_settings, store, client, server.port)
