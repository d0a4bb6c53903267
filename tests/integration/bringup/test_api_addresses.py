"""An API with several addresses: what a client does when some of them, or all, do not answer."""

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from bringup import errors, tls
from bringup.connections.api_addresses import ApiAddresses
from bringup.connections.api_client import ApiClient
from bringup.connections.http_pool import HttpPool
from bringup.wire.message import Health
from bringup.wire.operator import AbortRequest
from tests.conftest import MakeSettings, free_port

HEALTHY = b'{"service": "bringup-api", "version": "1"}'
WITHHELD = b'{"type": "urn:bringup:unavailable", "title": "x", "status": 503, "detail": "every machine is withheld"}'
STALE = b'{"type": "urn:bringup:stale", "title": "Conflict", "status": 409, "detail": "too late"}'


class Api:
    """Answers every call with one status, or with none once it is stopped; it can be started again on its port."""

    def __init__(self, status: int = 200, body: bytes = HEALTHY) -> None:
        self.status, self.body = status, body
        self.calls = 0
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.calls += 1
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture
def apis() -> Iterator[tuple[Api, Api]]:
    both = Api(), Api()
    yield both
    for one in both:
        one.stop()


Client = Callable[..., ApiClient]


@pytest.fixture
def client(make_settings: MakeSettings) -> Client:
    def make(*apis: Api) -> ApiClient:
        settings = make_settings(callback_api_url=",".join(api.url for api in apis))
        return ApiClient(settings, tls.ClientContexts())

    return make


def test_a_call_goes_to_the_first_address_alone(apis: tuple[Api, Api], client: Client) -> None:
    api = client(*apis)
    for _ in range(3):
        api.get("/health", Health)
    assert [one.calls for one in apis] == [3, 0]


def test_when_the_first_is_dead_the_second_answers_and_is_kept(apis: tuple[Api, Api], client: Client) -> None:
    apis[0].stop()
    api = client(*apis)
    with capture_logs() as logs:
        for _ in range(3):
            api.get("/health", Health)
    assert [one.calls for one in apis] == [0, 3]
    (line,) = [one for one in logs if one["event"] == "using another address of the API"]
    assert line["api"] == apis[1].url
    assert f"the API at {apis[0].url} does not answer" in line["why"]


def test_when_both_are_dead_the_error_names_both(apis: tuple[Api, Api], client: Client) -> None:
    for one in apis:
        one.stop()
    with pytest.raises(errors.ApiUnavailable) as caught:
        client(*apis).get("/health", Health)
    assert all(f"the API at {one.url} does not answer (Connection refused)" in str(caught.value) for one in apis)
    assert "CALLBACK_API_URL names its address" in str(caught.value)


def test_when_one_comes_back_after_both_were_dead_it_is_used(apis: tuple[Api, Api], client: Client) -> None:
    api = client(*apis)
    for one in apis:
        one.stop()
    with pytest.raises(errors.ApiUnavailable):
        api.get("/health", Health)
    apis[1].start()
    api.get("/health", Health)
    assert apis[1].calls == 1


@pytest.mark.parametrize(("status", "body"), [(503, WITHHELD), (200, b"<html>It works!"), (404, b"<html>"), (500, b"")])
def test_an_address_that_is_not_ready_or_not_ours_is_passed_over(
    apis: tuple[Api, Api], client: Client, status: int, body: bytes
) -> None:
    apis[0].status, apis[0].body = status, body
    api = client(*apis)
    assert api.get("/health", Health).service == "bringup-api"
    assert api.post("/runs/x/abort", AbortRequest(reason="x"), Health).service == "bringup-api"
    assert [one.calls for one in apis] == [1, 2]


def test_when_both_are_not_ready_each_is_asked_once_a_call(apis: tuple[Api, Api], client: Client) -> None:
    for one in apis:
        one.status, one.body = 503, WITHHELD
    api = client(*apis)
    with pytest.raises(errors.ApiUnavailable, match="every machine is withheld"):
        api.post("/runs/x/abort", AbortRequest(reason="x"), Health)
    assert [one.calls for one in apis] == [1, 1]


def test_a_refusal_is_no_reason_to_ask_another(apis: tuple[Api, Api], client: Client) -> None:
    apis[0].status, apis[0].body = 409, STALE
    with pytest.raises(errors.ApiRejected, match="too late"):
        client(*apis).get("/health", Health)
    assert [one.calls for one in apis] == [1, 0]


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has this option of TCP")
def test_a_connection_whose_other_side_acknowledges_nothing_is_given_up_within_the_time_for_connecting(
    apis: tuple[Api, Api],
) -> None:
    made = HttpPool(apis[0].url, context_now=None, connect_s=7, answer_s=60, most_idle=1)._connect()
    assert made.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000
    made.close()


class Addresses:
    """Three addresses, of which some are away; a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.away: set[str] = set()
        self.asked: list[str] = []
        self.api = ApiAddresses("abc", lambda: self.now)

    def call(self) -> str:
        """The addresses that one call has asked."""
        self.asked.clear()
        self.api.call(self._ask)
        return "".join(self.asked)

    def _ask(self, url: str) -> str:
        self.asked.append(url)
        if url in self.away:
            raise errors.ApiUnavailable(f"{url} is away")
        return url


def test_the_first_address_is_used_again_after_a_while() -> None:
    one = Addresses()
    one.away = {"a"}
    assert [one.call(), one.call()] == ["ab", "b"]
    one.away = set()
    assert one.call() == "b"
    one.now += 31
    assert [one.call(), one.call()] == ["a", "a"]


def test_a_first_address_that_stays_away_is_tried_less_and_less() -> None:
    one = Addresses()
    one.away = {"a"}
    one.call()
    tried = []
    for _ in range(3600):
        one.now += 1
        if one.call() == "ab":
            tried.append(one.now)
    waits = [later - earlier for earlier, later in pairwise(tried)]
    assert waits == sorted(waits)
    assert (tried[0], max(waits)) == (30, 600)


def test_the_address_that_has_worked_is_the_next_when_the_first_is_away_still() -> None:
    one = Addresses()
    one.away = {"a", "b"}
    assert one.call() == "abc"
    one.now += 31
    assert one.call() == "ac"


def test_an_address_that_has_refused_has_answered_and_is_the_next_to_be_asked() -> None:
    asked: list[str] = []

    def ask(url: str) -> str:
        asked.append(url)
        if url == "http://a":
            raise errors.ApiUnavailable("gone")
        raise errors.ApiRejected("too late", kind="stale")

    addresses = ApiAddresses(["http://a", "http://b"], lambda: 0.0)
    for _ in range(2):
        with pytest.raises(errors.ApiRejected):
            addresses.call(ask)
    assert asked == ["http://a", "http://b", "http://b"]


def test_a_first_address_that_was_back_is_looked_for_soon_when_it_is_away_again() -> None:
    one = Addresses()
    one.away = {"a"}
    one.call()
    for _ in range(5):
        one.now += 600
        one.call()
    one.away = set()
    one.now += 600
    assert one.call() == "a"
    one.away = {"a"}
    assert one.call() == "ab"
    one.away = set()
    one.now += 31
    assert one.call() == "a"


def test_where_no_address_answers_the_shortest_wait_counts() -> None:
    waits = {"a": 30.0, "b": 5.0, "c": None}

    def ask(url: str) -> None:
        raise errors.ApiUnavailable("gone", retry_in_s=waits[url])

    with pytest.raises(errors.ApiUnavailable) as failed:
        ApiAddresses("abc").call(ask)
    assert failed.value.retry_in_s == 5
