"""One cause, one wording: what services, commands, agent and self-test call a TLS failure, and what to look at."""

import http.client
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import SHUT_RDWR, create_server
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.api import Api
from agent.error_messages import describe_error
from agent.parameters import Parameters
from agent.tls import verifying_context
from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.errors import BringupError
from bringup.openssl_errors import TO_API, TO_REDIS
from bringup.settings import Settings
from bringup.tls_failures import ConnectionSettings
from bringup.wire.message import Health
from bringup_cli.root import cli
from pki.authority import Authority, key_pem, pem
from pki.names import STANDARD, Identity, parse_san
from pki.setup import Wanted
from pki.store import Store
from selftest import diagnosis
from selftest.target_installation import TargetInstallation
from tests.conftest import MakeSettings, free_port
from tests.unit.pki.kit import Forgery, authority_of, certificate_of, init_pki

REDIS, WORKER, API = STANDARD
HERE = (parse_san("127.0.0.1"),)
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Client:
    """A client of one kind: the server that it wants, how it connects, and the settings that a message must name."""

    server: Identity
    connect: Callable[[Settings], object]
    settings: ConnectionSettings


def _service_at_redis(settings: Settings) -> object:
    with redis_errors(settings):
        return connect_redis(settings, tls.ClientContexts(), name="test").ping()


def _service_at_the_api(settings: Settings) -> object:
    return ApiClient(settings, tls.ClientContexts()).get("/health", Health)


def _command(settings: Settings) -> object:
    names = ("api_use_tls", "callback_api_url", "pki_dir", "api_token", "api_client_cert", "api_client_key")
    environ = {name.upper(): str(value) for name in names if (value := getattr(settings, name)) is not None}
    environ |= {"API_TOKEN": "a-token-that-is-long-enough", "API_USE_TLS": str(settings.api_use_tls).lower()}
    done = CliRunner(env=environ).invoke(cli, ["runs"])
    assert done.exception, done.output
    raise done.exception


def _agent(settings: Settings, **less: Any) -> object:
    ca, certificate, key = (
        settings.path_of(name).read_text() for name in ("api_tls_ca", "api_client_cert", "api_client_key")
    )
    params = Parameters("r", f"{settings.api_url}/api/v1", "the-token", 0, 1, ca, certificate, key)._replace(**less)
    api = Api(params, verifying_context(params), params.token)
    try:
        return api.post("heartbeat", {})
    except (OSError, http.client.HTTPException) as error:
        raise BringupError(describe_error(error, api.address, time.time(), uses_tls=api.uses_tls)) from None


def _agent_without_certificate(settings: Settings) -> object:
    return _agent(settings, client_cert_pem=None, client_key_pem=None)


def _selftest_at_redis(settings: Settings) -> object:
    target = TargetInstallation(settings)
    try:
        return _service_at_redis(settings)
    except BringupError as error:
        found = diagnosis.redis_unreachable(target) or diagnosis.redis_refuses(target, error)
        raise BringupError(f"{found.message}: {found.cause}; {found.hint}") from None


def _selftest_at_the_api(settings: Settings) -> object:
    target = TargetInstallation(settings)
    try:
        return _service_at_the_api(settings)
    except BringupError as error:
        found = diagnosis.api_unreachable(target) or diagnosis.api_unhealthy(target, error)
        raise BringupError(f"{found.message}: {found.cause}; {found.hint}") from None


# The settings of the agent are those of the API's host, which makes the parameters of its image.
OF_THE_AGENT = ConnectionSettings("API_USE_TLS", "RUN_CERTIFICATE_COMMAND", "API_TLS_CA", "CALLBACK_API_URL")
CLIENTS = {
    "redis": Client(REDIS, _service_at_redis, TO_REDIS),
    "api": Client(API, _service_at_the_api, TO_API),
    "command": Client(API, _command, TO_API),
    "agent": Client(API, _agent, OF_THE_AGENT),
    "selftest-redis": Client(REDIS, _selftest_at_redis, TO_REDIS),
    "selftest-api": Client(API, _selftest_at_the_api, TO_API),
}
BARE = {"agent-without-certificate": Client(API, _agent_without_certificate, OF_THE_AGENT)}


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
                    connection.settimeout(60)
                    if self._context is None:
                        connection.recv(4096)
                        connection.sendall(b"-ERR unknown command\r\n")
                    else:
                        with self._context.wrap_socket(connection, server_side=True) as secure:
                            secure.recv(4096)

    def close(self) -> None:
        self._server.shutdown(SHUT_RDWR)  # closed alone, it would accept one more: the thread waits in accept()
        self._server.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    wanted = [Wanted(one, HERE if one.role.is_server else ()) for one in STANDARD]
    return init_pki(tmp_path_factory.mktemp("explained") / "pki", NOW, wanted=wanted)


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return (CLIENTS | BARE)[request.param]


@pytest.fixture
def refused(store: Store, make_settings: MakeSettings, client: Client, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """The message of a client that connects to a server with the certificate of a forgery."""
    servers: list[Server] = []

    def message(
        forgery: Forgery | None,
        *,
        by: Authority | None = None,
        trusts: Path | None = None,
        crl: Path | None = None,
        **own: str,
    ) -> str:
        context = _context(forgery, by or authority_of(store), trusts or store.ca_certificate, tmp_path)
        if context and crl:
            context.load_verify_locations(crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
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


def _list_with(store: Store, identity: Identity, folder: Path) -> Path:
    """A list of revoked certificates that names the one of an identity."""
    by, path = authority_of(store), folder / "list.pem"
    serial = certificate_of(store, identity).serial_number
    revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW).build()
    builder = x509.CertificateRevocationListBuilder().issuer_name(by.certificate.subject)
    dated = builder.last_update(NOW - timedelta(hours=1)).next_update(NOW + timedelta(days=1))
    made = dated.add_revoked_certificate(revoked).sign(by.key, hashes.SHA256())
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


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
    assert client.settings.ca in refused(with_names(client, good(client)), by=Authority.new(30, NOW))


def test_a_server_of_another_name(refused: Callable[..., str], client: Client) -> None:

    elsewhere = replace(good(client), sans=[x509.DNSName(client.server.dns), x509.DNSName("elsewhere.example")])
    message = refused(elsewhere)
    assert "does not name this address" in message
    assert client.settings.address in message


def test_a_certificate_for_another_purpose(refused: Callable[..., str], client: Client) -> None:
    of_a_client = replace(good(client), usages=[ExtendedKeyUsageOID.CLIENT_AUTH])
    message = refused(with_names(client, of_a_client))
    assert "the server's certificate is not for servers; bringup pki verify on the server's host" in message


# The agent reads names alone: the standard library shows it no extension.
READS_EXTENSIONS = pytest.mark.parametrize("client", sorted(CLIENTS.keys() - {"agent"}), indirect=True)


@READS_EXTENSIONS
def test_a_certificate_without_a_purpose(refused: Callable[..., str], client: Client) -> None:
    assert "no extended key usage" in refused(with_names(client, replace(good(client), usages=[])))


@READS_EXTENSIONS
def test_a_certificate_that_is_a_ca(refused: Callable[..., str], client: Client) -> None:
    assert "CA:TRUE" in refused(with_names(client, replace(good(client), ca=True)))


def test_a_server_of_another_role(refused: Callable[..., str], client: Client) -> None:

    other = API if client.server == REDIS else REDIS
    message = refused(replace(good(client), identity=other, sans=[x509.DNSName(other.dns), *HERE]))
    assert f"of role {other.role}" in message
    assert client.settings.address.split()[0] in message


def test_a_server_that_does_not_trust_our_ca(refused: Callable[..., str], client: Client, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.pem"
    foreign.write_bytes(pem(Authority.new(30, NOW).certificate))
    message = refused(with_names(client, good(client)), trusts=foreign)
    assert "unknown CA" in message  # by its alert, or as a likely cause where TLS 1.3 has hidden the alert
    assert client.settings.cert in message


def test_our_certificate_was_revoked(refused: Callable[..., str], store: Store, client: Client, tmp_path: Path) -> None:
    message = refused(with_names(client, good(client)), crl=_list_with(store, WORKER, tmp_path))
    assert "revoked" in message  # as above
    assert client.settings.cert in message


@pytest.mark.parametrize("client", ["agent-without-certificate"], indirect=True)
def test_no_certificate_of_ours(refused: Callable[..., str], client: Client) -> None:
    message = refused(with_names(client, good(client)))
    assert "got none" in message  # as above
    assert client.settings.cert in message


def test_plain_text_where_tls_is_expected(refused: Callable[..., str], client: Client) -> None:
    message = refused(None)
    assert "plain text" in message
    assert f"{client.settings.flag}=false" in message
    assert client.settings.address in message


def test_tls_where_plain_text_is_expected(refused: Callable[..., str], client: Client) -> None:
    off = {"redis_use_tls": "false", "api_use_tls": "false"}
    assert f"set {client.settings.flag}=true" in refused(with_names(client, good(client)), **off)


def test_nothing_that_listens(make_settings: MakeSettings, store: Store, client: Client) -> None:
    assert "refused" in _message(make_settings, store, client, free_port())
