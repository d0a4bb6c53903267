"""Connections of long-lived clients: none outlives the certificate files that it was made with."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any
from unittest.mock import Mock

import pytest
import requests
from redis import Redis

from bringup import tls
from bringup.connections import recent_context
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis
from bringup.errors import ApiUnavailable
from bringup.wire.message import Health
from pki.names import STANDARD, Identity, parse_san
from pki.renew import apply, plan
from pki.setup import Wanted
from pki.store import Store
from tests.conftest import MakeSettings
from tests.integration.tls.conftest import Served
from tests.integration.workers.site import eventually
from tests.unit.pki.kit import certificate_of, init_pki, open_session, set_up_again

_REDIS, WORKER, API = STANDARD
NOW = datetime.now(UTC)


class HttpsServer:
    """A server on loopback that asks for certificates, and remembers what came with each request."""

    def __init__(self, store: Store, trusted: Path) -> None:
        self.serials: list[int] = []
        self.ports: list[int] = []
        self.ended: dict[int, Event] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self.server.server_address[1]
        files = store.files(API)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        context.load_verify_locations(trusted)
        context.verify_mode = ssl.CERT_REQUIRED
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        Thread(target=self.server.serve_forever, daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        seen = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections are kept alive

            def do_GET(self) -> None:
                connection: Any = self.connection
                seen.serials.append(int(connection.getpeercert()["serialNumber"], 16))
                seen.ports.append(self.client_address[1])
                body = Health(service="bringup-api", version="1").model_dump_json().encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def setup(self) -> None:
                super().setup()
                seen.ended[self.client_address[1]] = Event()

            def finish(self) -> None:
                super().finish()
                seen.ended[self.client_address[1]].set()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        return Handler

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


Serve = Callable[[Store, Path], HttpsServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[HttpsServer] = []

    def start(store: Store, trusted: Path) -> HttpsServer:
        started.append(HttpsServer(store, trusted))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def look_again(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets so much time pass that a client looks at its files again, which it does ten times a second."""
    ahead_s = 0.0
    monkeypatch.setattr(recent_context, "time", Mock(monotonic=lambda: time.monotonic() + ahead_s))

    def pass_time() -> None:
        nonlocal ahead_s
        ahead_s += 0.1

    return pass_time


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return made(tmp_path / "pki")


def made(root: Path) -> Store:
    """A PKI whose API is at 127.0.0.1."""
    store = init_pki(root, NOW)
    set_up_again(store, NOW, [Wanted(API, (parse_san("127.0.0.1"),))])
    return store


def client_of(make_settings: MakeSettings, store: Store, port: int) -> ApiClient:
    settings = make_settings(api_use_tls="true", pki_dir=store.root, callback_api_port=port)
    return ApiClient(settings, tls.ClientContexts())


def renew(store: Store, identity: Identity) -> int:
    """The serial number of the new certificate."""
    with open_session(store, NOW) as session:
        apply(session, list(plan(session, [identity], renew_days=30, force=True)), rekey=False)
        session.commit()
    return certificate_of(store, identity).serial_number


def health(client: ApiClient) -> Health:
    return client.get("/health", Health)


def test_the_next_call_presents_the_renewed_certificate(
    make_settings: MakeSettings, store: Store, serve: Serve, look_again: Callable[[], None]
) -> None:
    server = serve(store, store.ca_certificate)
    client, before = client_of(make_settings, store, server.port), certificate_of(store, WORKER).serial_number
    health(client)
    after = renew(store, WORKER)
    look_again()
    health(client)
    assert server.serials == [before, after]


def test_a_connection_made_with_the_old_certificate_ends(
    make_settings: MakeSettings, store: Store, serve: Serve, look_again: Callable[[], None]
) -> None:
    server = serve(store, store.ca_certificate)
    client = client_of(make_settings, store, server.port)
    for _ in range(3):
        health(client)
    assert len(set(server.ports)) == 1, "the connection was not kept alive"
    renew(store, WORKER)
    look_again()
    health(client)
    assert server.ended[server.ports[0]].wait(180)


def test_threads_that_share_a_client_all_move_to_the_new_certificate(
    make_settings: MakeSettings, store: Store, serve: Serve, look_again: Callable[[], None]
) -> None:
    server = serve(store, store.ca_certificate)
    client, together = client_of(make_settings, store, server.port), Barrier(8)
    threads = [Thread(target=lambda: (together.wait(), health(client))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = renew(store, WORKER)
    look_again()
    for _ in range(8):
        health(client)
    assert set(server.serials[8:]) == {after}
    assert all(server.ended[port].wait(180) for port in server.ports[:8])


def test_an_authority_of_the_public_web_is_not_trusted(
    make_settings: MakeSettings, store: Store, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = made(tmp_path / "public")
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(public.ca_certificate))
    server = serve(public, store.ca_certificate)
    client = client_of(make_settings, store, server.port)
    for _ in range(2):
        with pytest.raises(ApiUnavailable, match=r"unable to get local issuer|self-signed"):
            health(client)
    assert server.serials == []


def test_redis_connections_made_with_the_old_certificate_end(strict: Served) -> None:
    site, name = strict.site, "bringup-renewal"
    redis = connect_redis(site.settings, tls.ClientContexts(), name="renewal")
    with busy(redis) as one, busy(redis):
        redis.ping()
        before = open_connections(site.keeper, name)
        assert len(before) == 3
        site.stack.command("pki", "renew", "worker", "--force")
        one.get("rq:job:none")
        assert open_connections(site.keeper, name) == before, "a busy one was interrupted"
        # The pool looks at the files at a use a tenth of a second after its last look.
        eventually(
            lambda: redis.ping() and len(before & open_connections(site.keeper, name)) == 2, 60, "the idle one closes"
        )
    eventually(lambda: not before & open_connections(site.keeper, name), 60, "those that were busy are closed, too")
    assert redis.ping()


def test_redis_connections_are_kept_while_the_files_stay(strict: Served) -> None:
    redis = connect_redis(strict.site.settings, tls.ClientContexts(), name="kept")
    seen = set[str]()
    for _ in range(5):
        redis.ping()
        seen |= open_connections(strict.site.keeper, "bringup-kept")
    assert len(seen) == 1


def open_connections(keeper: "Redis", name: str) -> set[str]:
    """Their ids, as Redis sees them."""
    return {one["id"] for one in keeper.client_list() if one["name"] == name}


@contextmanager
def busy(redis: "Redis") -> Iterator[Any]:
    """A connection that is taken out of the pool."""
    pipeline: Any = redis.pipeline()
    with pipeline:
        pipeline.watch("rq:job:none")
        yield pipeline
