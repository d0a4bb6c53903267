"""Two network namespaces of our own, a cable between them, and the processes in them; nothing outlives the test."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SERVER_IP = "10.77.0.1"
PERF_IP = "10.77.0.9"

_SCRIPT = """#!/bin/sh
# What udhcpc got: that is the truth that the events are compared with.
echo "$1 ${ip:--}" >>"$TRUTH"
case $1 in
bound | renew) ip addr flush dev "$interface"; ip addr add "$ip/16" dev "$interface" ;;
deconfig) ip addr flush dev "$interface"; ip link set "$interface" up ;;
esac
exit 0
"""


def until(true: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Return as soon as ``true`` says so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"within {seconds} s it did not happen: {what}"
        time.sleep(0.05)


class Lab:
    """A server's and a client's network, and a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server_ns, self.client_ns = f"bringup-s{os.getpid()}", f"bringup-c{os.getpid()}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self.script = folder / "udhcpc.sh"
        self.script.write_text(_SCRIPT)
        self.script.chmod(0o755)

    def build(self) -> None:
        for namespace in (self.server_ns, self.client_ns):
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("link", "add", "srv0", "netns", self.server_ns, "type", "veth", "peer", "cli0", "netns", self.client_ns)
        _ip("-n", self.server_ns, "link", "set", "srv0", "up")
        _ip("-n", self.server_ns, "addr", "add", f"{SERVER_IP}/16", "dev", "srv0")
        _ip("-n", self.client_ns, "link", "set", "cli0", "up")

    def start(
        self, *command: str | Path, in_client: bool = False, log: str = "out", **environ: str
    ) -> subprocess.Popen[bytes]:
        namespace = self.client_ns if in_client else self.server_ns
        with (self.folder / f"{log}.out").open("ab") as out:
            process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *map(str, command)],
                stdout=out,
                stderr=out,
                cwd=self.folder,
                env={**os.environ, **environ},
            )
        self._processes.append(process)
        return process

    def adopt(self, process: subprocess.Popen[bytes]) -> None:
        """A process that ends with the lab."""
        self._processes.append(process)

    def client(self, mac: str, truth: Path) -> subprocess.Popen[bytes]:
        """udhcpc with ``mac``, bound: SIGUSR1 renews, SIGUSR2 releases."""
        self.set_mac(mac)
        before = lines_of(truth)
        process = self.start(
            "udhcpc", "-i", "cli0", "-f", "-t", "10", "-T", "1", "-x", f"hostname:host-{mac[-2:]}", "-V", "iDRAC",
            "-s", self.script, in_client=True, log="udhcpc", TRUTH=str(truth),
        )  # fmt: skip
        until(lambda: any(line.startswith("bound") for line in lines_of(truth)[len(before) :]), f"a lease for {mac}")
        return process

    def set_mac(self, mac: str) -> None:
        _ip("-n", self.client_ns, "addr", "flush", "dev", "cli0")
        _ip("-n", self.client_ns, "link", "set", "cli0", "down")
        _ip("-n", self.client_ns, "link", "set", "cli0", "address", mac)
        _ip("-n", self.client_ns, "link", "set", "cli0", "up")

    def storm(self, clients: int) -> int:
        """So many clients at once; says how many of them were acknowledged."""
        _ip("-n", self.client_ns, "addr", "add", f"{PERF_IP}/16", "dev", "cli0")
        command = ["perfdhcp", "-4", "-B", "-l", "cli0", "-r", "50", "-n", str(clients), "-R", str(clients)]
        command += ["-b", "mac=02:aa:00:00:00:00", "-W", "3000000", SERVER_IP]
        done = subprocess.run(
            ["ip", "netns", "exec", self.client_ns, *command], capture_output=True, text=True, timeout=60, check=False
        )
        (self.folder / "perfdhcp.out").write_text(done.stdout + done.stderr)
        _ip("-n", self.client_ns, "addr", "flush", "dev", "cli0")
        _, _, acknowledged = done.stdout.partition("REQUEST-ACK")
        assert acknowledged, f"perfdhcp measured nothing:\n{done.stdout}{done.stderr}"
        (received,) = [line for line in acknowledged.splitlines() if line.startswith("received packets")]
        return int(received.split(":")[1])

    def end(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
        """Ask one process of ours to end; `ip netns exec` becomes the command, so its pid is that of the command."""
        if process.poll() is None:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait(10)

    def tear_down(self) -> None:
        for process in self._processes:
            self.end(process, signal.SIGKILL)
        for namespace in (self.server_ns, self.client_ns):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


@contextlib.contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """A `Lab` for the length of a block."""
    made = Lab(folder)
    try:
        made.build()
        yield made
    finally:
        made.tear_down()


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
