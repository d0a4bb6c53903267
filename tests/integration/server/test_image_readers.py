"""Many slow readers of images: the machines that call back, and other BMCs, are served all the same."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from api.images.delivery import MOST_OF_ONE
from bringup.connections.api_client import ApiClient
from bringup.wire.run_events import RunMedia
from tests.integration.server import test_images
from tests.integration.server.conftest import ServedApi, StartApi
from tests.integration.server.test_images import fetch, media, path_of

STATUS = b"HTTP/1.1 200"
base, content, start_afresh = test_images.base, test_images.content, test_images.start_afresh


@pytest.fixture
def served(start_afresh: StartApi) -> ServedApi:
    return start_afresh(api_stall_timeout_s="600")  # nobody is cut off for its slowness while a test lasts


@pytest.fixture
def given(served: ServedApi, tmp_path: Path) -> tuple[ApiClient, RunMedia]:
    return media(served, tmp_path)


@contextmanager
def slow_readers(port: int, path: str, count: int) -> Iterator[Counter[bytes]]:
    """Connections that ask for the whole image and take none of it, and how many got which status."""
    with ExitStack() as opened:
        readers = [opened.enter_context(socket.socket()) for _ in range(count)]
        for reader in readers:
            reader.settimeout(60)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", port))
            reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        yield Counter(reader.recv(len(STATUS)) for reader in readers)


def test_a_bmc_that_opens_a_hundred_connections_holds_up_nobody(
    served: ServedApi, given: tuple[ApiClient, RunMedia]
) -> None:
    _, made = given
    with slow_readers(served.port, path_of(made), 100) as statuses:
        assert statuses == {b"HTTP/1.1 200": MOST_OF_ONE, b"HTTP/1.1 503": 100 - MOST_OF_ONE}
        assert fetch(served.port, "/api/v1/health")[0] == 200
        assert fetch(served.port, path_of(made))[0] == 503


def test_who_lets_go_of_an_image_may_read_it_again(
    served: ServedApi, given: tuple[ApiClient, RunMedia], content: bytes
) -> None:
    _, made = given
    for _ in range(3):
        with slow_readers(served.port, path_of(made), 8):
            pass
    deadline = time.monotonic() + 180
    while (found := fetch(served.port, path_of(made)))[0] == 503 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert (found[0], len(found[1])) == (200, len(content))
    for _ in range(10):
        assert fetch(served.port, path_of(made), Range="bytes=0-9")[0] == 206
