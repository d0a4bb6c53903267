"""A rack of emulated machines: a bridge with a real dnsmasq, and for each machine a BMC on a network cable of its own.

The tests run inside a network namespace that ``scripts/e2e-iso`` made: that is the rack's network, with our services
in it. A BMC has a namespace of its own beside it, and gets its address from dnsmasq as a real one does.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pki import profile
from pki.authority import Authority, key_pem, pem
from pki.names import Identity, Role, parse_san

SERVER_IP = "10.78.0.1"
BMC_USER, BMC_PASSWORD = "root", "calvin-of-the-tests"
_LEASE_SCRIPT = """#!/bin/sh
[ "$1" = bound ] && ip addr add "$ip/24" dev "$interface"
exit 0
"""


@dataclass(frozen=True)
class Machine:
    """One server of the rack.

    Args:
        expected: the table ``expected`` of its entry in the inventory.
        qemu: more arguments for its QEMU.
        foreign_ca: its image gets this CA (PEM) instead of ours, on the way from the BMC to the machine.
    """

    number: int
    expected: str
    memory_mb: int = 192
    nic: str = "e1000"
    qemu: tuple[str, ...] = ()
    foreign_ca: str = ""

    @property
    def name(self) -> str:
        return f"m{self.number}"

    @property
    def bmc_ip(self) -> str:
        return f"10.78.0.{10 + self.number}"

    @property
    def bmc_mac(self) -> str:
        return f"02:78:00:00:00:{self.number:02x}"

    @property
    def nic_mac(self) -> str:
        return f"52:54:00:78:00:{self.number:02x}"

    @property
    def tap(self) -> str:
        """Its port of the switch."""
        return f"tap-{self.name}"

    @property
    def entry(self) -> str:
        """Its entry in the inventory."""
        return (
            f'[[device]]\nname = "{self.name}"\nbmc_mac = "{self.bmc_mac}"\nnic_macs = ["{self.nic_mac}"]\n'
            f'bmc = "https://{self.bmc_ip}"\ncredential = "rack"\nbmc_ca = "bmc-ca.pem"\n'
            f"expected = {{ {self.expected} }}\n"
        )


def until(true: Callable[[], object], what: str, seconds: float) -> None:
    """Return as soon as ``true`` says so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"within {seconds:g} s it did not happen: {what}"
        time.sleep(0.2)


class Rack:
    """The bridge, dnsmasq, the BMCs and their machines; nothing of it outlives the block.

    Args:
        announced: the machines at whose ports the switch announces itself: a real lldpd, every 5 s.
    """

    def __init__(self, folder: Path, area_offset: int, announced: tuple[Machine, ...]) -> None:
        self.folder = folder
        self.log = folder / "dnsmasq.log"
        self._area_offset = area_offset
        self._announced = announced
        self._network = os.environ["BRINGUP_E2E_ISO"]
        self._namespaces: list[str] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ca = Authority.new(30, datetime.now(UTC))
        (folder / "bmc-ca.pem").write_bytes(pem(self._ca.certificate))

    def build(self, machines: tuple[Machine, ...]) -> None:
        """The network, dnsmasq with an address reserved for each BMC, and the switch's announcements."""
        _ip("link", "add", "rack0", "type", "bridge")
        _ip("link", "set", "rack0", "up")
        _ip("addr", "add", f"{SERVER_IP}/24", "dev", "rack0")
        hosts = [f"--dhcp-host={machine.bmc_mac},{machine.bmc_ip}" for machine in machines]
        self._start(
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=rack0",
            "--bind-interfaces", "--user=root", "--no-ping", "--log-dhcp", "--dhcp-authoritative",
            "--dhcp-range=10.78.0.100,10.78.0.200,255.255.255.0,10m", *hosts,
            f"--dhcp-leasefile={self.folder / 'dnsmasq.leases'}", f"--log-facility={self.log}",
            f"--pid-file={self.folder / 'dnsmasq.pid'}", log="dnsmasq",
        )  # fmt: skip
        until(lambda: self.log.exists() and "sockets bound" in self.log.read_text(), "dnsmasq is ready", 10)
        self._announce()

    def install(self, machine: Machine) -> None:
        """Put a machine and its BMC into the rack; both have a cable, the BMC has no address yet."""
        namespace, here = f"{self._network}-{machine.name}", f"bmc-{machine.name}"
        _ip("netns", "add", namespace)
        self._namespaces.append(namespace)
        _ip("link", "add", here, "type", "veth", "peer", "bmc0", "netns", namespace)
        _ip("-n", namespace, "link", "set", "bmc0", "address", machine.bmc_mac)
        _ip("tuntap", "add", machine.tap, "mode", "tap")
        for link in (here, machine.tap):
            _ip("link", "set", link, "master", "rack0", "up")
        for link in ("lo", "bmc0"):
            _ip("-n", namespace, "link", "set", link, "up")
        self._start_bmc(machine, namespace)

    def plug_in(self, machine: Machine) -> None:
        """The BMC asks for its address: that is what everything else begins with."""
        script = self.folder / "lease.sh"
        script.write_text(_LEASE_SCRIPT)
        script.chmod(0o755)
        self._start(
            "ip", "netns", "exec", f"{self._network}-{machine.name}",
            "udhcpc", "-i", "bmc0", "-f", "-V", "iDRAC", "-t", "10", "-T", "1", "-s", str(script), log="udhcpc",
        )  # fmt: skip

    def console(self, machine: Machine) -> str:
        """What the machine has printed."""
        path = self.folder / machine.name / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def tear_down(self) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
        for namespace in self._namespaces:
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)

    def _announce(self) -> None:
        socket = str(self.folder / "lldpd.socket")
        ports = ",".join(machine.tap for machine in self._announced)
        self._start("lldpd", "-d", "-u", socket, "-I", ports, log="lldpd")
        until(lambda: Path(socket).exists(), "lldpd is ready", 10)
        interval = ["configure", "lldp", "tx-interval", "5"]
        subprocess.run(["lldpcli", "-u", socket, *interval], check=True, capture_output=True)

    def _start_bmc(self, machine: Machine, namespace: str) -> None:
        folder = self.folder / machine.name
        folder.mkdir()
        key, identity = profile.new_key(), Identity(Role.API, machine.name)
        leaf = self._ca.certify(identity, (parse_san(machine.bmc_ip),), key.public_key(), 20, datetime.now(UTC))
        (folder / "bmc.pem").write_bytes(pem(leaf))
        (folder / "bmc.key").write_bytes(key_pem(key))
        (folder / "bmc.json").write_text(json.dumps(self._bmc_settings(machine)))
        bmc = ["ip", "netns", "exec", namespace, sys.executable, "-m", "tests.e2e.iso.bmc", str(folder)]
        self._start(*bmc, log=f"bmc-{machine.name}")
        until(lambda: "Running on" in (self.folder / f"bmc-{machine.name}.out").read_text(), "the BMC is ready", 30)

    def _bmc_settings(self, machine: Machine) -> dict[str, Any]:
        return {
            "network": self._network,
            "tap": machine.tap,
            "nic": machine.nic,
            "nic_mac": machine.nic_mac,
            "memory_mb": machine.memory_mb,
            "qemu": machine.qemu,
            "foreign_ca": machine.foreign_ca,
            "area_offset": self._area_offset,
        }

    def _start(self, *command: str, log: str) -> None:
        with (self.folder / f"{log}.out").open("ab") as out:
            self._processes.append(subprocess.Popen(command, stdout=out, stderr=out))


@contextlib.contextmanager
def rack(folder: Path, area_offset: int, announced: tuple[Machine, ...]) -> Iterator[Rack]:
    """A `Rack` for the length of a block."""
    made = Rack(folder, area_offset, announced)
    try:
        yield made
    finally:
        made.tear_down()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
