"""A BMC whose answers do not end, or fill the memory: the worker lets go of it."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from bringup.errors import BmcUnavailable
from bringup.model import Decision, RunState, utc_now
from bringup.wire.run import Run
from tests.conftest import MakeSettings
from workers.redfish import RedfishBmc
from workers.redfish.transport import LARGEST_BYTES

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Serve = Callable[[socket.socket], None]


@pytest.fixture
def measured() -> list[float]:
    """Seconds of each request."""
    return []


@pytest.fixture
def bmc(
    request: pytest.FixtureRequest, make_settings: MakeSettings, credentials: Path, measured: list[float]
) -> Iterator[RedfishBmc]:
    """A BMC that answers every request as the test wants; the read timeout in seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serve, timeout_s = request.param
        Thread(target=_answer, args=(listener, serve), daemon=True).start()
        settings = make_settings(bmc_credentials_dir=credentials, bmc_read_timeout_s=timeout_s)
        made = RedfishBmc(_run_at(listener.getsockname()[1]), settings, sleep=lambda _s: None, measured=measured.append)
        yield made
        made.close()


def _answer(listener: socket.socket, serve: Serve) -> None:
    with suppress(OSError):  # the test is over
        while True:
            with listener.accept()[0] as caller, suppress(OSError):  # it lets go of us
                caller.recv(65536)
                serve(caller)


def _run_at(port: int) -> Run:
    now = utc_now()
    return Run(
        run_id="02-00-00-00-00-01-1",
        device="r1",
        mac="02:00:00:00:00:01",
        ip="",
        decision=Decision.START,
        state=RunState.BOOTING,
        bmc=f"http://127.0.0.1:{port}",
        credential="rack1",
        created_at=now,
        updated_at=now,
    )


def _drop_by_drop(caller: socket.socket) -> None:
    caller.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
    while True:
        caller.sendall(b" ")
        time.sleep(0.1)


def _flood(caller: socket.socket) -> None:
    caller.sendall(HEAD + b"Connection: close\r\n\r\n")
    for _ in range(20 * LARGEST_BYTES // 65536):
        caller.sendall(b" " * 65536)


@pytest.mark.parametrize(
    ("bmc", "why"),
    [((_drop_by_drop, 1), "did not come whole"), ((_flood, 60), "is larger than")],
    ids=["drop by drop", "a flood"],
    indirect=["bmc"],
)
def test_an_answer_without_an_end_is_given_up(bmc: RedfishBmc, measured: list[float], why: str) -> None:
    started = time.monotonic()
    with pytest.raises(BmcUnavailable, match=why):
        bmc.power_state()
    assert time.monotonic() - started < 30
    assert len(measured) > 0
    assert all(0 < seconds < 30 for seconds in measured)
