"""The one factory per kind of connection: what it does with servers that are wrong, foreign or hostile."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from annotated_types import Le

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.errors import ApiRejected, ApiUnavailable, PermanentError, RedisUnavailable
from bringup.settings import Settings
from bringup.wire.message import Health
from tests.conftest import PASSWORD, MakeSettings, RedisServer, free_port

Serve = Callable[..., "Foreign"]


class Foreign:
    """A server on loopback that answers everything with one status, and remembers what it was sent."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.seen: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.seen.append(dict(self.headers))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[Foreign] = []

    def start(status: int = 200, body: bytes = b"", **headers: str) -> Foreign:
        started.append(Foreign(status, body, {name.replace("_", "-"): value for name, value in headers.items()}))
        return started[-1]

    yield start
    for foreign in started:
        foreign.server.shutdown()
        foreign.server.server_close()


def client_of(make_settings: MakeSettings, port: int) -> ApiClient:
    return ApiClient(make_settings(callback_api_port=port), tls.ClientContexts())


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>It works!"), (200, b"{}"), (404, b"<html>"), (403, b'{"detail": "proxy"}'), (302, b""), (500, b"")],
)
def test_a_foreign_server_is_waited_out_and_never_taken_for_a_refusal(
    make_settings: MakeSettings, serve: Serve, status: int, body: bytes
) -> None:
    with pytest.raises(ApiUnavailable):
        client_of(make_settings, serve(status, body).port).get("/health", Health)


def test_a_refusal_of_the_api_is_told_by_its_kind(make_settings: MakeSettings, serve: Serve) -> None:
    body = b'{"type": "urn:bringup:stale", "title": "Conflict", "status": 409, "detail": "too late"}'
    with pytest.raises(ApiRejected, match="too late") as caught:
        client_of(make_settings, serve(409, body).port).get("/health", Health)
    assert caught.value.kind == "stale"


def test_the_api_may_say_when_to_come_back(make_settings: MakeSettings, serve: Serve) -> None:
    with pytest.raises(ApiUnavailable) as caught:
        client_of(make_settings, serve(503, b"", Retry_After="7").port).get("/health", Health)
    assert caught.value.retry_in_s == 7


def test_a_redirect_is_not_followed_so_the_token_goes_nowhere_else(make_settings: MakeSettings, serve: Serve) -> None:
    thief = serve(200, b"{}")
    middle = serve(307, b"", Location=f"http://127.0.0.1:{thief.port}/")
    with pytest.raises(ApiUnavailable):
        client_of(make_settings, middle.port).get("/health", Health)
    assert thief.seen == []


def test_proxies_and_netrc_of_the_environment_are_not_used(
    make_settings: MakeSettings, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(200, b"{}")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(ApiUnavailable):
        client_of(make_settings, free_port()).get("/health", Health)
    assert proxy.seen == []


def test_a_wrong_password_is_permanent_and_an_absent_redis_is_not(
    make_settings: MakeSettings, shared_redis: RedisServer
) -> None:
    wrong = make_settings(redis_port=shared_redis.port, redis_password="wrong-password")
    with pytest.raises(PermanentError, match="REDIS_PASSWORD") as caught, redis_errors(wrong):
        connect_redis(wrong, tls.ClientContexts(), name="tests").ping()
    assert "wrong-password" not in str(caught.value)
    absent = make_settings(redis_port=free_port())
    with pytest.raises(RedisUnavailable), redis_errors(absent):
        connect_redis(absent, tls.ClientContexts(), name="tests").ping()


def test_redis_shows_who_is_connected(make_settings: MakeSettings, shared_redis: RedisServer) -> None:
    redis = connect_redis(make_settings(redis_port=shared_redis.port), tls.ClientContexts(), name="tests")
    assert redis.client_getname() == "bringup-tests"


@pytest.mark.parametrize("setting", ["worker_concurrency", "api_threads"])
def test_redis_may_be_asked_by_as_many_threads_as_the_settings_allow(
    make_settings: MakeSettings, shared_redis: RedisServer, setting: str
) -> None:
    most = next(int(str(one.le)) for one in Settings.model_fields[setting].metadata if isinstance(one, Le))
    settings = make_settings(redis_port=shared_redis.port, redis_password=PASSWORD, **{setting: most})
    pool: Any = connect_redis(settings, tls.ClientContexts(), name="crowd").connection_pool
    for _ in range(2 * most):  # one listens or transacts, another one reads meanwhile
        pool.get_connection()
    pool.disconnect()
