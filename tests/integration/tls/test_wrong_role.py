"""A client accepts only a server certificate of the role that it came for, and sends nothing to another."""

import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from socket import create_server
from threading import Thread

import pytest
from pydantic import SecretStr
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from agent import tls as agent_tls
from agent.api import Api
from agent.parameters import Parameters
from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.connections.sentinel import Sentinels
from bringup.errors import ApiUnavailable, BringupError
from bringup.settings import Settings
from bringup.wire.message import Health
from pki.names import STANDARD, Identity, parse_san
from pki.setup import Wanted
from pki.store import Store
from tests.conftest import MakeSettings
from tests.unit.pki.kit import init_pki

REDIS, _WORKER, API = STANDARD
_HEALTH = b'{"service": "bringup-api", "version": "1"}'
HEALTHY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(_HEALTH), _HEALTH)


class Listener:
    """A server of our CA that writes down what it is sent after the handshake, and answers each part the same."""

    def __init__(self, store: Store, identity: Identity, answer: bytes = b"-ERR no\r\n") -> None:
        self.heard = b""
        self._answer = answer
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(store.files(identity).certificate, store.files(identity).key)
        self._context.load_verify_locations(store.ca_certificate)
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._server = create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as secure:
                    secure.settimeout(60)
                    while data := secure.recv(4096):
                        self.heard += data
                        secure.sendall(self._answer)

    def close(self) -> None:
        self._server.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    here = (parse_san("127.0.0.1"),)
    wanted = [Wanted(one, here if one.role.is_server else ()) for one in STANDARD]
    return init_pki(tmp_path_factory.mktemp("roles") / "pki", datetime.now(UTC), wanted=wanted)


@pytest.fixture
def served(store: Store, request: pytest.FixtureRequest) -> Iterator[Listener]:
    listener = Listener(store, request.param)
    yield listener
    listener.close()


def settings_for(make_settings: MakeSettings, store: Store, port: int) -> Settings:
    return make_settings(
        redis_use_tls="true",
        redis_port=str(port),
        redis_password="the-password-of-redis",
        api_use_tls="true",
        callback_api_url=f"https://127.0.0.1:{port}",
        api_token="the-token-of-the-api",
        pki_dir=str(store.root),
    )


def ping(settings: Settings) -> None:
    with redis_errors(settings):
        connect_redis(settings, tls.ClientContexts(), name="test").ping()


@pytest.mark.parametrize("served", [API], indirect=True)
def test_the_api_served_as_redis_is_sent_no_password(
    served: Listener, store: Store, make_settings: MakeSettings
) -> None:
    with pytest.raises(BringupError, match=r"it is of role api, and redis is expected.*REDIS_HOST"):
        ping(settings_for(make_settings, store, served.port))
    assert served.heard == b""


@pytest.mark.parametrize("served", [REDIS], indirect=True)
def test_redis_served_as_the_api_is_sent_no_token(served: Listener, store: Store, make_settings: MakeSettings) -> None:
    client = ApiClient(settings_for(make_settings, store, served.port), tls.ClientContexts())
    with pytest.raises(ApiUnavailable, match=r"it is of role redis, and api is expected"):
        client.get("/health", Health)
    assert served.heard == b""


def test_redis_served_as_the_api_is_sent_no_token_by_the_agent(store: Store) -> None:
    listener = Listener(store, REDIS)
    params = Parameters(
        "r", f"https://127.0.0.1:{listener.port}", "the-token", 0, ca_pem=store.ca_certificate.read_text()
    )
    with pytest.raises(ssl.SSLCertVerificationError, match=r"it is of role redis, and api is expected"):
        Api(params, agent_tls.verifying_context(params), params.token).post("heartbeat", {})
    listener.close()
    assert listener.heard == b""


@pytest.mark.parametrize("served", [REDIS], indirect=True)
def test_of_two_addresses_the_one_with_a_wrong_certificate_is_sent_no_token_and_is_named_in_the_log(
    served: Listener, store: Store, make_settings: MakeSettings
) -> None:
    api = Listener(store, API, answer=HEALTHY)
    urls = f"https://127.0.0.1:{served.port},https://127.0.0.1:{api.port}"
    settings = settings_for(make_settings, store, served.port).model_copy(update={"callback_api_url": urls})
    with capture_logs() as logs:
        assert ApiClient(settings, tls.ClientContexts()).get("/health", Health).service == "bringup-api"
    api.close()
    assert served.heard == b""
    assert b"the-token-of-the-api" in api.heard
    (line,) = [one for one in logs if one["event"] == "using another address of the API"]
    assert f"https://127.0.0.1:{served.port}: " in line["why"]
    assert "it is of role redis, and api is expected" in line["why"]


@pytest.mark.parametrize("served", [REDIS], indirect=True)
def test_of_two_addresses_the_agent_sends_its_token_to_the_one_with_the_right_certificate_alone(
    served: Listener, store: Store
) -> None:
    api, failed = Listener(store, API, answer=HEALTHY), list[str]()
    params = Parameters(
        "r",
        f"https://127.0.0.1:{served.port}",
        "the-token",
        0,
        ca_pem=store.ca_certificate.read_text(),
        other_callback_urls=[f"https://127.0.0.1:{api.port}"],
    )
    context = agent_tls.verifying_context(params)
    client = Api(params, context, params.token, lambda address, error: failed.append(f"{address}: {error}"))
    assert client.post("heartbeat", {}).status == 200
    api.close()
    assert served.heard == b""
    assert b"the-token" in api.heard
    assert "it is of role redis, and api is expected" in failed[0]


@pytest.mark.parametrize("served", [API], indirect=True)
def test_the_api_served_as_a_sentinel_is_sent_no_password(
    served: Listener, store: Store, make_settings: MakeSettings
) -> None:
    settings = settings_for(make_settings, store, served.port).model_copy(
        update={
            "redis_sentinels": f"127.0.0.1:{served.port}",
            "redis_sentinel_password": SecretStr("the-password-of-sentinels"),
        }
    )
    (opinion,) = Sentinels(settings, tls.ClientContexts(), name="test").opinions()
    assert "it is of role api, and redis is expected" in opinion.problem
    assert "check REDIS_SENTINELS" in opinion.problem
    with pytest.raises(BringupError, match=r"it is of role api, and redis is expected"):
        ping(settings)
    assert served.heard == b""


@pytest.mark.parametrize("served", [REDIS], indirect=True)
def test_a_server_of_role_redis_is_asked_as_a_sentinel(
    served: Listener, store: Store, make_settings: MakeSettings
) -> None:
    settings = settings_for(make_settings, store, served.port).model_copy(
        update={
            "redis_sentinels": f"127.0.0.1:{served.port}",
            "redis_sentinel_password": SecretStr("the-password-of-sentinels"),
        }
    )
    with pytest.raises(ResponseError):  # that is how it answers everything
        Sentinels(settings, tls.ClientContexts(), name="test").opinions()
    assert b"the-password-of-sentinels" in served.heard


@pytest.mark.parametrize("served", [REDIS], indirect=True)
def test_redis_itself_is_sent_the_password(served: Listener, store: Store, make_settings: MakeSettings) -> None:
    with pytest.raises(ResponseError):  # that is how it answers everything
        ping(settings_for(make_settings, store, served.port))
    assert b"the-password-of-redis" in served.heard


@pytest.mark.parametrize("served", [API], indirect=True)
def test_the_api_itself_is_sent_the_token(served: Listener, store: Store, make_settings: MakeSettings) -> None:
    client = ApiClient(settings_for(make_settings, store, served.port), tls.ClientContexts())
    with pytest.raises(ApiUnavailable):  # it does not speak HTTP
        client.get("/health", Health)
    assert b"the-token-of-the-api" in served.heard
