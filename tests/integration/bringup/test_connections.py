"""The one factory per kind of connection: what it does with servers that are wrong, foreign or hostile."""

import functools
import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from annotated_types import Le

from bringup import tls
from bringup.connections import http_reply
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
        self.clients: set[int] = set()  # their ports: one for each connection
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.seen.append(dict(self.headers))
                outer.clients.add(self.client_address[1])
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


def client_of(make_settings: MakeSettings, port: int, **more: Any) -> ApiClient:
    return ApiClient(make_settings(callback_api_port=port), tls.ClientContexts(), **more)


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


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_reply_is_read_up_to_a_bound_and_no_further(
    make_settings: MakeSettings, serve: Serve, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr(http_reply, "read", functools.partial(http_reply.read, max_bytes=1024**2))
    zeros = bytes(5 * 1024**2)
    foreign = serve(body=gzip.compress(zeros) if encoding == "gzip" else zeros, Content_Encoding=encoding)
    with pytest.raises(ApiUnavailable, match=r"not the bringup API \(its reply is larger than 1 MiB\)"):
        client_of(make_settings, foreign.port).get("/health", Health)


def test_each_thread_of_a_client_keeps_its_connection(make_settings: MakeSettings, serve: Serve) -> None:
    threads, rounds = 16, 4
    foreign = serve(body=b'{"service": "bringup-api", "version": "1"}')
    api = client_of(make_settings, foreign.port, threads=threads)
    barrier = threading.Barrier(threads)

    def call() -> None:
        for _ in range(rounds):
            barrier.wait(180)  # all at once, so that each needs one of its own
            api.get("/health", Health)

    started = [threading.Thread(target=call, daemon=True) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(60)
    assert len(foreign.seen) == threads * rounds
    assert len(foreign.clients) <= threads


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
