"""The real servers, configured as docs/dhcp.md says, with short leases."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from tests.e2e.dhcp.lab import Lab, until

HOOKS = Path(__file__).parents[3] / "scripts" / "dhcp"


class Server:
    """A DHCP server in the lab."""

    name = ""
    lease_s = 0

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.folder = lab.folder / self.name
        self.folder.mkdir()
        self.process: subprocess.Popen[bytes] | None = None
        self.hooks = _hooks(self.folder)
        self.hook_lines = self.folder / "leases.jsonl"

    @property
    def sources(self) -> dict[str, Path]:
        raise NotImplementedError

    def start(self) -> None:
        raise NotImplementedError

    def rotate(self) -> None:
        """As logrotate is configured for this server's log."""
        raise NotImplementedError

    def stop(self) -> None:
        if self.process:
            self.lab.end(self.process)

    def restart(self) -> None:
        self.stop()
        self.start()


class Dnsmasq(Server):
    name = "dnsmasq"
    lease_s = 120  # the shortest that it gives

    @property
    def sources(self) -> dict[str, Path]:
        return {
            "dnsmasq-log": self.folder / "dnsmasq.log",
            "dnsmasq-leases": self.folder / "dnsmasq.leases",
            "jsonl": self.hook_lines,
        }

    def start(self) -> None:
        self.process = self.lab.start(
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=srv0",
            "--bind-interfaces", "--script-on-renewal", "--user=root", "--no-ping", "--log-dhcp",
            "--dhcp-authoritative",
            "--dhcp-range=10.77.1.0,10.77.9.250,255.255.0.0,2m", "--dhcp-lease-max=2000",
            f"--dhcp-leasefile={self.sources['dnsmasq-leases']}", f"--log-facility={self.sources['dnsmasq-log']}",
            f"--dhcp-script={self.hooks / 'dnsmasq'}", f"--pid-file={self.folder / 'pid'}", log="dnsmasq",
        )  # fmt: skip
        until(lambda: b"sockets bound" in _text(self.sources["dnsmasq-log"]), "dnsmasq is ready")

    def rotate(self) -> None:
        log = self.sources["dnsmasq-log"]
        log.rename(f"{log}.1")
        assert self.process
        self.process.send_signal(signal.SIGUSR2)  # it opens its log again
        until(log.exists, "a new log of dnsmasq")


class IscDhcpd(Server):
    name = "isc"
    lease_s = 20

    @property
    def sources(self) -> dict[str, Path]:
        return {
            "isc-leases": self.folder / "dhcpd.leases",
            "isc-log": self.folder / "dhcpd.log",
            "jsonl": self.hook_lines,
        }

    def start(self) -> None:
        hook = self.hooks / "isc-dhcpd"
        mac = 'binary-to-ascii(16, 8, ":", substring(hardware, 1, 6))'
        ip = 'binary-to-ascii(10, 8, ".", leased-address)'
        (self.folder / "dhcpd.conf").write_text(
            f"default-lease-time {self.lease_s}; max-lease-time {self.lease_s}; min-lease-time {self.lease_s};\n"
            f"authoritative; ping-check false; dhcp-cache-threshold 0;\n"
            "set vendor-class-identifier = option vendor-class-identifier;\n"
            f'on commit {{ execute("{hook}", "commit", {ip}, {mac},\n'
            '  binary-to-ascii(10, 8, ".", packet(12, 4)),\n'
            '  binary-to-ascii(10, 32, "", encode-int(lease-time, 32)),\n'
            '  pick-first-value(option host-name, ""), pick-first-value(option vendor-class-identifier, ""),\n'
            '  pick-first-value(binary-to-ascii(16, 8, ":", option dhcp-client-identifier), ""),\n'
            '  pick-first-value(option agent.circuit-id, "")); }\n'
            f'on release {{ execute("{hook}", "release", {ip}, {mac}); }}\n'
            f'on expiry {{ execute("{hook}", "expiry", {ip}, {mac}); }}\n'
            "subnet 10.77.0.0 netmask 255.255.0.0 { range 10.77.1.0 10.77.9.250; }\n"
        )
        leases = self.sources["isc-leases"]
        leases.touch()
        command = ["dhcpd", "-4", "-d", "-cf", "dhcpd.conf", "-lf", str(leases), "-pf", "dhcpd.pid", "srv0"]
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.lab.server_ns, *command], cwd=self.folder, stderr=subprocess.PIPE
        )
        self.lab.adopt(self.process)
        threading.Thread(target=_syslog, args=(self.process, self.sources["isc-log"]), daemon=True).start()
        until(lambda: b"Server starting service" in _text(self.sources["isc-log"]), "dhcpd is ready")

    def rotate(self) -> None:
        log = self.sources["isc-log"]
        log.rename(f"{log}.1")  # our syslog opens it anew for each line


class Kea(Server):
    name = "kea"
    lease_s = 20

    @property
    def sources(self) -> dict[str, Path]:
        return {
            "kea-csv": self.folder / "kea-leases4.csv",
            "kea-log": self.folder / "kea-dhcp4.log",
            "jsonl": self.hook_lines,
        }

    def start(self) -> None:
        (library,) = Path("/usr/lib").glob("*/kea/hooks/libdhcp_run_script.so")
        (self.folder / "kea.json").write_text(json.dumps({"Dhcp4": self._configuration(library)}))
        before = _text(self.sources["kea-log"]).count(b"DHCP4_STARTED")
        self.process = self.lab.start(
            "kea-dhcp4", "-c", self.folder / "kea.json", log="kea",
            KEA_PIDFILE_DIR=str(self.folder), KEA_LOCKFILE_DIR=str(self.folder),
        )  # fmt: skip

        until(lambda: _text(self.sources["kea-log"]).count(b"DHCP4_STARTED") > before, "Kea is ready")

    def rotate(self) -> None:
        log = self.sources["kea-log"]
        shutil.copyfile(log, f"{log}.1")
        os.truncate(log, 0)

    def _configuration(self, library: Path) -> dict[str, object]:
        return {
            "interfaces-config": {"interfaces": ["srv0"], "dhcp-socket-type": "raw"},
            "lease-database": {"type": "memfile", "name": str(self.sources["kea-csv"]), "lfc-interval": 7},
            "valid-lifetime": self.lease_s,
            "expired-leases-processing": {"reclaim-timer-wait-time": 1, "hold-reclaimed-time": 0},
            "hooks-libraries": [
                {"library": str(library), "parameters": {"name": str(self.hooks / "kea"), "sync": False}}
            ],
            "subnet4": [
                {"id": 1, "subnet": "10.77.0.0/16", "pools": [{"pool": "10.77.1.0 - 10.77.9.250"}], "interface": "srv0"}
            ],
            "loggers": [
                {
                    "name": "kea-dhcp4",
                    "severity": "INFO",
                    "output_options": [{"output": str(self.sources["kea-log"]), "flush": True, "maxsize": 0}],
                }
            ],
        }


SERVERS: tuple[type[Server], ...] = (Dnsmasq, IscDhcpd, Kea)


def _hooks(folder: Path) -> Path:
    target = folder / "hooks"
    shutil.copytree(HOOKS, target)
    library = target / "lease-line.sh"
    library.write_text(library.read_text().replace("/var/lib/bringup/leases.jsonl", str(folder / "leases.jsonl")))
    return target


def _syslog(process: subprocess.Popen[bytes], log: Path) -> None:
    """What syslog does with what dhcpd says: a time, a host and a name in front of each line."""
    assert process.stderr
    for line in process.stderr:
        head = f"{time.strftime('%b %d %H:%M:%S')} lab dhcpd[{process.pid}]: ".encode()
        with log.open("ab", buffering=0) as file:
            file.write(head + line)


def _text(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
