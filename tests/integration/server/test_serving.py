"""The API under gunicorn: it starts or says why not, stops in time, and slow clients do not stop it."""

import os
import signal
import socket
import time
from pathlib import Path
from threading import Event, Thread

import pytest

from bringup.errors import ApiUnavailable
from bringup.serving.server import _GRACEFUL_S
from bringup.wire.message import Health
from bringup.wire.run import RunList
from tests.conftest import TOKEN
from tests.integration.server.conftest import StartApi


def test_it_serves_and_stops_in_time(start_api: StartApi) -> None:
    served = start_api()
    served.await_health().get("/runs", RunList)
    served.process.terminate()
    assert served.process.wait(180) == 0


def test_ctrl_c_at_a_terminal_stops_it_without_a_traceback(start_api: StartApi) -> None:
    served = start_api(api_workers="2")
    served.await_health()
    os.killpg(served.process.pid, signal.SIGINT)
    assert served.process.wait(180) == 0
    text = served.log.read_text()
    assert "Shutting down" in text
    assert "Traceback" not in text


def test_it_stops_within_ten_seconds_whatever_its_requests_wait_for() -> None:
    assert _GRACEFUL_S < 10


def test_a_second_server_on_the_port_is_refused_in_one_message_without_a_traceback(start_api: StartApi) -> None:
    first = start_api()
    first.await_health()
    second = start_api(callback_api_port=str(first.port))
    assert second.process.wait(180) == 2
    assert "CALLBACK_API_PORT: cannot listen" in first.log.read_text()
    text = second.log.read_text()
    assert text.count("waiting for the port") == 1
    assert f"cannot listen on 127.0.0.1:{first.port}: Address already in use" in text
    assert "Traceback" not in text


def test_a_tls_file_that_cannot_be_used_is_named_as_any_setting_is(start_api: StartApi, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    files = {name: str(junk) for name in ("api_tls_ca", "api_tls_cert", "api_tls_key")}
    served = start_api(api_use_tls="true", **files)
    assert served.process.wait(180) == 2
    text = served.log.read_text()
    assert "bringup: the configuration is not usable:" in text
    assert "junk.pem: no usable CA certificate" in text
    assert "Traceback" not in text


def test_a_server_takes_a_shared_port_over_without_a_call_that_fails(start_api: StartApi) -> None:
    """The new one listens before the old one ends, as in an upgrade. Each call has a connection of its own."""
    first = start_api("--share-port")
    first.await_health()
    failed: list[str] = []
    calls, enough = [0], Event()

    def call() -> None:
        while not enough.is_set():
            try:
                first.client().get("/health", Health)
            except ApiUnavailable as error:
                failed.append(str(error))
            calls[0] += 1

    callers = [Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    second = start_api("--share-port", callback_api_port=str(first.port))
    deadline = time.monotonic() + 180
    while second.log.read_text().count("Booting worker") < 2:
        assert time.monotonic() < deadline, second.log.read_text()
        time.sleep(0.05)
    first.process.terminate()
    assert first.process.wait(180) == 0
    now = calls[0]
    while calls[0] < now + 50:
        assert time.monotonic() < deadline + 60
        time.sleep(0.05)
    enough.set()
    for caller in callers:
        caller.join()
    assert failed == []


def test_clients_that_never_finish_their_header_do_not_stop_the_service(start_api: StartApi) -> None:
    served = start_api(api_threads="4", api_header_timeout_s="2")
    served.await_health()
    stalled = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(12)]
    for connection in stalled:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
    time.sleep(0.5)
    started = time.monotonic()
    assert served.await_health().get("/health", Health).service == "bringup-api"
    # 12 clients on 4 threads, each cut off after 2 s (looked at once a second); without that, for ever
    assert time.monotonic() - started < 120
    for connection in stalled:
        connection.close()


def test_strangers_who_announce_bodies_and_send_none_do_not_stop_the_service(start_api: StartApi) -> None:
    served = start_api(api_threads="4", api_header_timeout_s="2")
    served.await_health()
    head = b"POST /api/v1/runs/x/report HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{"
    stalled = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(60)]
    started = time.monotonic()
    for connection in stalled:
        connection.sendall(head)
    for connection in stalled:
        answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"Connection: close" in answer
    served.await_health().get("/health", Health)
    # waiting five seconds for each body, as gunicorn does by itself, would take 75 s on 4 threads
    assert time.monotonic() - started < 60, "a stranger may cost a moment, no more"
    for connection in stalled:
        connection.close()


def test_a_body_in_broken_chunks_is_a_mistake_of_the_sender(start_api: StartApi) -> None:
    served = start_api()
    served.await_health()
    head = (
        f"PUT /api/v1/runs/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")
    assert "Traceback" not in served.log.read_text()


@pytest.mark.parametrize("header", ["Content-Length: x", "Transfer-Encoding: x", "bad header", "Content-Length: -1"])
def test_a_header_that_is_refused_is_one_line_in_the_log(start_api: StartApi, header: str) -> None:
    served = start_api()
    served.await_health()
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(f"POST /api/v1/{header[0]} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
        assert connection.recv(4096)[:10] in {b"HTTP/1.1 4", b"HTTP/1.1 5"}
    assert "Traceback" not in served.log.read_text()


def test_a_client_that_drips_its_header_is_cut_off(start_api: StartApi) -> None:
    served = start_api(api_header_timeout_s="1")
    served.await_health()
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        assert _drip(connection, for_s=120) < 60, "it was still listened to"


def _drip(connection: socket.socket, for_s: float) -> float:
    """Send a byte now and then; returns for how many seconds the other side let us."""
    started = time.monotonic()
    try:
        while time.monotonic() - started < for_s:
            connection.sendall(b"X")
            time.sleep(0.2)
    except OSError:
        pass
    return time.monotonic() - started


def test_it_starts_again_after_its_master_was_killed(start_api: StartApi) -> None:
    first = start_api()
    first.await_health()
    first.process.kill()
    first.process.wait()
    second = start_api(callback_api_port=str(first.port))
    first.log.write_bytes(b"")
    deadline = time.monotonic() + 180
    while "Listening at" not in second.log.read_text():
        assert second.process.poll() is None, second.log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"api_token": ""}, "API_TOKEN: must be set"),
        ({"devices_file": "absent.toml"}, "absent.toml"),
        ({"api_use_tls": "true"}, "API_TLS_CA"),
    ],
)
def test_what_it_cannot_serve_without_is_named_before_it_listens(
    start_api: StartApi, variables: dict[str, str], message: str
) -> None:
    served = start_api(**variables)
    assert served.process.wait(180) == 2
    assert message in served.log.read_text()
    assert "Traceback" not in served.log.read_text()
