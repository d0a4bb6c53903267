"""A permit that has run out sends nothing, and what is sent arrives in time: by what the BMC notes of arrivals."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from bringup.errors import PermitExpired
from bringup.model import boot_clock
from bringup.wire.run_events import ARRIVAL_S
from tests.integration.redfish.conftest import OWN, SECRET, Emulator, MakeBmc, media_of
from tests.integration.redfish.emulator import SYSTEM
from workers.bmc import Permit
from workers.redfish import RedfishBmc

PERMIT_S = 1.0
HANDSHAKE_S = 1.5


class SlowPort:
    """In front of the emulator: every TLS handshake takes its time, and no connection is kept."""

    def __init__(self, emulator: Emulator, handshake_s: float) -> None:
        self._to = int(emulator.address.rpartition(":")[2])
        self._handshake_s = handshake_s
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._socket.accept()
                threading.Thread(target=self._pass_on, args=(caller,), daemon=True).start()

    def _pass_on(self, caller: socket.socket) -> None:
        """What the client sends first is held back: its part of the handshake."""
        with caller, socket.create_connection(("127.0.0.1", self._to)) as bmc, suppress(OSError):
            hello = caller.recv(65536)
            time.sleep(self._handshake_s)
            bmc.sendall(hello)
            back = threading.Thread(target=_copy, args=(bmc, caller), daemon=True)
            back.start()
            _copy(caller, bmc)
            back.join()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


@pytest.fixture
def slow_bmc(emulator: Emulator, make_bmc: MakeBmc) -> Iterator[RedfishBmc]:
    """A BMC whose handshakes take longer than a permit holds."""
    port = SlowPort(emulator, HANDSHAKE_S)
    yield make_bmc(bmc=port.address, timeout_s=60)
    port.close()


def permit(seconds: float = PERMIT_S) -> Permit:
    return Permit("for a test", boot_clock() + seconds)


Write = Callable[[RedfishBmc, Permit], None]
WRITES: dict[str, Write] = {
    "power on": lambda bmc, given: bmc.power_on(given),
    "power off": lambda bmc, given: bmc.power_off(given),
    "boot override": lambda bmc, given: bmc.set_boot_once("cd", given),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_permit_that_has_run_out_sends_nothing(emulator: Emulator, make_bmc: MakeBmc, name: str) -> None:
    bmc = make_bmc()
    bmc.connect()
    emulator.fail()
    with pytest.raises(PermitExpired):
        WRITES[name](bmc, permit(0))
    assert emulator.seen["log"] == []


def test_no_medium_is_put_in_or_taken_out_without_a_permit(emulator: Emulator, make_bmc: MakeBmc) -> None:
    bmc = make_bmc()
    bmc.insert_media(media_of(emulator), permit(60))
    before = len(emulator.writes)
    writes: list[Callable[[], None]] = [
        lambda: bmc.insert_media(media_of(emulator), permit(0)),
        lambda: bmc.eject_media(OWN, permit(0)),
        lambda: bmc.restore_boot(permit(0)),
    ]
    for write in writes:
        with pytest.raises(PermitExpired):
            write()
    assert len(emulator.writes) == before
    assert SECRET in emulator.ask("/VirtualMedia/Cd")["Image"]


def test_a_handshake_that_outlasts_the_permit_carries_no_request_beyond_it(
    emulator: Emulator, slow_bmc: RedfishBmc
) -> None:
    slow_bmc.power_state()
    before = len(emulator.writes)
    with pytest.raises(PermitExpired):
        slow_bmc.power_on(permit())
    assert len(emulator.writes) == before
    assert emulator.ask()["PowerState"] == "Off"


def test_a_slow_bmc_that_was_connected_to_before_gets_the_request_while_the_permit_holds(
    emulator: Emulator, slow_bmc: RedfishBmc
) -> None:
    # A machine that stalls for a second uses the permit up before anything is sent, and rightly.
    assert any(is_switched_in_time(emulator, slow_bmc) for _ in range(5))


def is_switched_in_time(emulator: Emulator, slow_bmc: RedfishBmc) -> bool:
    switch = WRITES["power on" if emulator.ask()["PowerState"] == "Off" else "power off"]
    slow_bmc.connect()
    given_at = time.time()
    try:
        switch(slow_bmc, permit())
    except PermitExpired:
        return False
    arrived = emulator.writes[-1]
    assert arrived.path == f"{SYSTEM}/Actions/ComputerSystem.Reset"
    return 0 <= arrived.at - given_at <= PERMIT_S


def test_a_write_without_any_permit_is_a_defect_and_is_not_sent(emulator: Emulator, make_bmc: MakeBmc) -> None:
    bmc = make_bmc()
    bmc.connect()
    before = len(emulator.writes)
    with pytest.raises(RuntimeError, match="without a permit"):
        bmc._connection.post(f"{SYSTEM}/Actions/ComputerSystem.Reset", {"ResetType": "On"})
    assert len(emulator.writes) == before


def test_a_permit_that_runs_out_between_two_requests_ends_with_the_first(emulator: Emulator, make_bmc: MakeBmc) -> None:
    bmc, now = make_bmc(), 0.0
    bmc.connect()
    reset = f"{SYSTEM}/Actions/ComputerSystem.Reset"
    before = len(emulator.writes)
    with bmc._connection.writing(Permit("for a test", PERMIT_S, lambda: now)):
        bmc._connection.post(reset, {"ResetType": "On"})
        now = PERMIT_S
        with pytest.raises(PermitExpired):
            bmc._connection.post(reset, {"ResetType": "ForceOff"})
    assert len(emulator.writes) == before + 1
    assert emulator.ask()["PowerState"] == "On"


def test_what_is_not_acknowledged_is_given_up_by_the_kernel(emulator: Emulator, make_bmc: MakeBmc) -> None:
    opened: list[int] = []
    connect = ssl.SSLSocket.do_handshake

    def note(self: ssl.SSLSocket, *args: object) -> None:
        opened.append(self.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        connect(self, *args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLSocket, "do_handshake", note)
        make_bmc().connect()
    assert opened
    assert set(opened) == {int(ARRIVAL_S * 1000)}
