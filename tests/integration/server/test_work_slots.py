"""How many requests are worked on at the same time, and that reading a body is no work."""

import io
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Semaphore
from typing import Any

from bringup.serving.connections import ClientConnections
from bringup.serving.work_slots import WorkSlots

WAIT_S = 60


class SlowBody(io.BytesIO):
    """A body that comes when the test lets it."""

    def __init__(self) -> None:
        super().__init__(b"body")
        self.asked, self.sent = Event(), Event()

    def read(self, size: int | None = -1) -> bytes:
        self.asked.set()
        assert self.sent.wait(WAIT_S)
        return super().read(size)


class Site:
    """One slot, in front of an application that reads the body and then waits until it may end."""

    def __init__(self) -> None:
        self.clients = ClientConnections(most=10, most_per_address=10)
        self._slots = WorkSlots(self._app, self.clients, most=1, header_s=10, stall_s=10)
        self.working: list[str] = []
        self.may_end = Event()
        self.began = Semaphore(0)  # once for each request that is worked on

    def _app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        self.working.append(environ["PATH_INFO"])
        self.began.release()
        assert self.may_end.wait(WAIT_S)
        return [b"done"]

    def call(self, path: str, body: io.BytesIO) -> Iterable[bytes]:
        ours, theirs = socket.socketpair()
        environ = {"PATH_INFO": path, "wsgi.input": body, "gunicorn.socket": ours}
        with ours, theirs, self.clients.connected(ours.fileno(), "192.0.2.1", 10):
            return self._slots(environ, lambda *_: lambda _: None)


def test_a_request_whose_body_is_slow_takes_no_slot() -> None:
    site, slow = Site(), SlowBody()
    site.may_end.set()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(site.call, "/slow", slow)
        assert slow.asked.wait(WAIT_S)
        assert list(pool.submit(site.call, "/quick", io.BytesIO()).result(WAIT_S)) == [b"done"]
        slow.sent.set()
        assert list(first.result(WAIT_S)) == [b"done"]
    assert site.working == ["/quick", "/slow"]


def test_no_more_are_worked_on_than_there_are_slots() -> None:
    site = Site()
    with ThreadPoolExecutor() as pool:
        calls: list[Future[Iterable[bytes]]] = [
            pool.submit(site.call, f"/{number}", io.BytesIO()) for number in range(2)
        ]
        assert site.began.acquire(timeout=WAIT_S), "one of them is worked on, whichever it is"
        assert not site.began.acquire(timeout=0.2), "and the other one is not"
        site.may_end.set()
        for call in calls:
            call.result(WAIT_S)
    assert len(site.working) == 2
