"""The images of runs under gunicorn: the right bytes, slow BMCs, builds put in their place, and a quiet log."""

import http.client
import json
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api.images.delivery import ASK_EVERY_S
from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis
from bringup.model import LeaseEvent
from bringup.settings import Settings
from bringup.wire.machine import AREA_HEAD, AREA_SIZE
from bringup.wire.operator import AbortRequest
from bringup.wire.run import Run, RunDecision, RunDetail
from bringup.wire.run_events import EventType, MediaRequest, RunEvent, RunEventReply, RunMedia
from tests.conftest import RedisServer
from tests.integration.server.conftest import ServedApi, StartApi
from tests.integration.workers.site import eventually

RUN = "02-00-00-00-00-05-1795426896"
LEASE = LeaseEvent.model_validate(
    {
        "mac": "02:00:00:00:00:05",
        "ip": "10.0.0.5",
        "action": "assigned",
        "starts": "2026-11-23T09:41:36Z",
        "source": "test",
    }
)
MIB = 1024**2
AREA_AT = 5 * MIB + 4096
DEVICE = '[[device]]\nname = "real"\nbmc_mac = "02:00:00:00:00:05"\nbmc = "https://127.0.0.1"\ncredential = "rack"\n'


@pytest.fixture(scope="module")
def content() -> bytes:
    before, behind = os.urandom(AREA_AT), os.urandom(24 * MIB)
    return before + AREA_HEAD.ljust(AREA_SIZE) + behind


@pytest.fixture
def base(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "base.iso"
    path.write_bytes(content)
    return path


@pytest.fixture
def start_afresh(
    start_api: StartApi, shared_redis: RedisServer, make_settings: Callable[..., Settings], base: Path
) -> StartApi:
    """An API with an image, and a Redis that knows nothing."""
    settings = make_settings(redis_port=shared_redis.port)
    connect_redis(settings, tls.ClientContexts(), name="tests").flushall()
    return partial(start_api, validation_image=str(base))


@pytest.fixture
def served(start_afresh: StartApi) -> ServedApi:
    return start_afresh(log_level="DEBUG")


def media(served: ServedApi, folder: Path) -> tuple[ApiClient, RunMedia]:
    """A fresh run, as far as its image."""
    (folder / "devices.toml").write_text(DEVICE)
    client = served.await_health()
    client.put(f"/runs/{RUN}", LEASE, RunDecision)
    client.post(f"/runs/{RUN}/events", RunEvent(type=EventType.BOOT_STARTED, owner="w"), RunEventReply)
    return client, client.post(f"/runs/{RUN}/media", MediaRequest(owner="w"), RunMedia)


@pytest.fixture
def given(served: ServedApi, tmp_path: Path) -> tuple[ApiClient, RunMedia]:
    return media(served, tmp_path)


def path_of(media: RunMedia) -> str:
    return urlsplit(media.image_url or "").path


def fetch(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def patched(content: bytes, served: bytes) -> bytes:
    """The base with the area that was served; the area itself is looked at by others."""
    area = served[AREA_AT : AREA_AT + AREA_SIZE].ljust(AREA_SIZE)
    return content[:AREA_AT] + area + content[AREA_AT + AREA_SIZE :]


def test_what_is_served_is_the_image_of_the_run_and_not_the_file(
    served: ServedApi, given: tuple[ApiClient, RunMedia], content: bytes
) -> None:
    status, body = fetch(served.port, path_of(given[1]))
    assert status == 200
    assert json.loads(body[AREA_AT : AREA_AT + AREA_SIZE])["epoch"] == given[1].epoch
    assert body == patched(content, body)


def test_many_small_parts_over_one_connection_make_the_image(
    served: ServedApi, given: tuple[ApiClient, RunMedia], content: bytes
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    found = b""
    for start in range(AREA_AT - 8192, AREA_AT + AREA_SIZE + 8192, 2048):
        connection.request("GET", path_of(given[1]), headers={"Range": f"bytes={start}-{start + 2047}"})
        answer = connection.getresponse()
        assert answer.status == 206
        found += answer.read()
    connection.close()
    assert found[:8192] == content[AREA_AT - 8192 : AREA_AT]
    assert json.loads(found[8192 : 8192 + AREA_SIZE])["run_id"] == RUN
    timeline = given[0].get(f"/runs/{RUN}", RunDetail).timeline
    assert [entry.type for entry in timeline].count("image_read") == 1


def test_no_log_at_any_level_shows_the_secret_or_the_token(
    served: ServedApi, given: tuple[ApiClient, RunMedia]
) -> None:
    path = path_of(given[1])
    token = json.loads(fetch(served.port, path)[1][AREA_AT : AREA_AT + AREA_SIZE])["token"]
    fetch(served.port, path.replace("bringup-validation", "another"))
    with socket.create_connection(("127.0.0.1", served.port)) as leaver:  # one that gunicorn has an error of
        leaver.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        leaver.recv(100)
    with socket.create_connection(("127.0.0.1", served.port)) as broken:
        broken.sendall(f"GET {path} HTTP/9.9\r\nHost: x\r\n\r\n".encode())
        broken.recv(100)
    served.process.terminate()
    served.process.wait(180)
    log = served.log.read_text()
    assert "/api/v1/images/***/bringup-validation.iso" in log
    assert path.split("/")[4] not in log
    assert token not in log
    assert "Traceback" not in log


def test_a_download_goes_on_with_the_file_that_it_began_with(
    served: ServedApi, given: tuple[ApiClient, RunMedia], base: Path, content: bytes
) -> None:
    with slow_reader(served.port, path_of(given[1])) as reader:
        begun = reader.recv(1000)
        newer = base.with_name("newer.iso")
        newer.write_bytes(content[:AREA_AT][::-1] + content[AREA_AT:])
        newer.replace(base)
        body = (begun + rest(reader)).partition(b"\r\n\r\n")[2]
    assert body == patched(content, body)


def test_a_file_written_over_ends_the_download_instead_of_mixing_two_images(
    served: ServedApi, given: tuple[ApiClient, RunMedia], base: Path, content: bytes
) -> None:
    with slow_reader(served.port, path_of(given[1])) as reader:
        begun = reader.recv(1000)
        with base.open("r+b") as file:
            file.write(bytes(len(content)))
        body = (begun + rest(reader)).partition(b"\r\n\r\n")[2]
    assert len(body) < len(content)
    assert body == patched(content, body)[: len(body)]
    assert fetch(served.port, path_of(given[1]))[0] == 410
    log = served.log.read_text()
    assert "was overwritten while it was served" in log
    assert "Traceback" not in log


def test_a_download_ends_soon_after_its_run(
    served: ServedApi, given: tuple[ApiClient, RunMedia], content: bytes
) -> None:
    with slow_reader(served.port, path_of(given[1])) as reader:
        begun = reader.recv(1000)
        given[0].post(f"/runs/{RUN}/abort", AbortRequest(), Run)
        time.sleep(ASK_EVERY_S + 1)
        body = (begun + rest(reader)).partition(b"\r\n\r\n")[2]
    assert len(body) < len(content) / 2
    assert "Traceback" not in served.log.read_text()


def slow_reader(port: int, path: str) -> socket.socket:
    """Asks for the image and takes little at once, so that the server must wait for it."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    reader.connect(("127.0.0.1", port))
    reader.settimeout(60)
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return reader


def rest(reader: socket.socket) -> bytes:
    parts = []
    try:
        while part := reader.recv(MIB):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.fixture
def impatient(start_afresh: StartApi) -> ServedApi:
    """The same server, with three seconds for each piece of an image."""
    return start_afresh(api_header_timeout_s="1", api_stall_timeout_s="3")


def test_a_bmc_that_reads_slowly_is_served_as_long_as_it_reads(
    impatient: ServedApi, tmp_path: Path, content: bytes
) -> None:
    path = path_of(media(impatient, tmp_path)[1])
    # Who does not read for three seconds is cut off, and rightly: a machine that stalls may do that to the test.
    assert any(is_served_slowly(impatient.port, path, content) for _ in range(5))


def is_served_slowly(port: int, path: str, content: bytes) -> bool:
    with slow_reader(port, path) as reader:
        begun, started = b"", time.monotonic()
        while time.monotonic() - started < 8:  # the answer as such has two
            begun += reader.recv(16 * 1024)
            time.sleep(0.1)
        body = (begun + rest(reader)).partition(b"\r\n\r\n")[2]
    assert len(begun) < len(content) / 2, "it was not slow"
    return body == patched(content, body)


def test_a_bmc_that_stops_reading_gives_its_thread_back(impatient: ServedApi, tmp_path: Path, content: bytes) -> None:
    path = path_of(media(impatient, tmp_path)[1])
    # A machine that stalls meanwhile may not come to it in time.
    assert any(is_cut_off(impatient.port, path, content) for _ in range(5))


def is_cut_off(port: int, path: str, content: bytes) -> bool:
    with slow_reader(port, path) as reader:
        begun = reader.recv(1000)
        time.sleep(9)
        return len(begun + rest(reader)) < len(content)


def test_it_stops_in_time_while_a_bmc_reads(served: ServedApi, given: tuple[ApiClient, RunMedia]) -> None:
    with slow_reader(served.port, path_of(given[1])) as reader:
        assert reader.recv(1000)
        served.process.terminate()
        assert served.process.wait(180) == 0


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"validation_image": "absent.iso"}, "VALIDATION_IMAGE: absent.iso cannot be read"),
        ({"validation_image": "devices.toml"}, "VALIDATION_IMAGE: devices.toml is no validation image"),
        ({"image_port": "70000"}, "IMAGE_PORT"),
    ],
)
def test_an_image_that_cannot_be_served_is_named_before_anything_listens(
    start_api: StartApi, variables: dict[str, str], message: str
) -> None:
    served = start_api(**variables)
    assert served.process.wait(180) == 2
    log = served.log.read_text()
    assert message in log
    assert "Traceback" not in log


def test_while_a_new_build_is_looked_through_requests_go_on_with_the_one_before(
    served: ServedApi, given: tuple[ApiClient, RunMedia], base: Path, tmp_path: Path
) -> None:
    """A pipe gives its bytes when the test wants it: as a slow disk does with gigabytes."""
    client, before = given
    build = tmp_path / "build.iso"
    os.mkfifo(build)
    build.replace(base)
    with ThreadPoolExecutor(1) as pool:
        minting = pool.submit(client.post, f"/runs/{RUN}/media", MediaRequest(owner="w"), RunMedia)
        writer = opened_for_its_reader(base)
        try:
            assert fetch(served.port, path_of(before))[0] == 200
            served.await_health().get(f"/runs/{RUN}", RunDetail)
            assert not minting.done()
        finally:
            os.close(writer)
        assert fetch(served.port, path_of(minting.result()))[0] == 200
    assert "VALIDATION_IMAGE is not usable: the one before is kept" in served.log.read_text()


def opened_for_its_reader(fifo: Path) -> int:
    """The other end of a pipe, once somebody reads it."""
    found: list[int] = []

    def opens() -> bool:
        with suppress(OSError):  # nobody reads it yet
            found.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return bool(found)

    eventually(opens, 60, "the new build is read")
    return found[0]
