"""The simulated BMCs, over a connection that a job keeps, as one keeps that to a real BMC."""

from collections.abc import Iterator
from http.client import HTTPConnection
from threading import Thread

import pytest

from bringup.inventory import Device, Inventory
from bringup_cli.simulate.fleet import SimulatedFleet
from bringup_cli.simulate.hardware_report import Fault
from tests.conftest import MakeSettings, free_port


@pytest.fixture
def bmcs(make_settings: MakeSettings) -> Iterator[HTTPConnection]:
    """A connection to the simulated BMCs of a sound machine and of one whose BMC does not work."""
    port = free_port()
    devices = [
        Device(name=name, bmc_mac=f"02:00:00:00:00:0{n}", bmc=f"simulated://127.0.0.1:{port}/{name}")
        for n, name in enumerate(("sound", "broken"))
    ]
    faults = {"broken": Fault.BMC_UNREACHABLE}
    server = SimulatedFleet(make_settings(), Inventory(devices), faults, boot_s=1, check_s=1).serve()
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    connection.auto_open = 0  # raises where the server has closed it
    yield connection
    connection.close()
    server.shutdown()
    server.server_close()


def ask(connection: HTTPConnection, method: str, path: str, body: bytes | None = None) -> int:
    connection.request(method, path, body)
    reply = connection.getresponse()
    reply.read()
    return reply.status


def test_a_simulated_bmc_keeps_the_connection_of_a_job(bmcs: HTTPConnection) -> None:
    assert [ask(bmcs, "GET", "/sound/power") for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("path", ["/broken/power", "/nobody/power"])
def test_what_a_refused_request_has_sent_is_not_taken_for_the_next_one(bmcs: HTTPConnection, path: str) -> None:
    assert ask(bmcs, "PUT", path, b'{"state": "On"}') >= 400
    assert ask(bmcs, "GET", "/sound/power") == 200
