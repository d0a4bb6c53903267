"""The DHCP server of the test: writes leases to a file at a steady rate, whatever happens to the site."""

import json
import os
import time
from pathlib import Path
from threading import Event, Thread

from tests.e2e.chaos.record import Lease, Record

STARTED = "2026-01-01T00:00:00Z"  # one start for all: the run id must come from the lease, not from when it was read
_EPOCH = 1767225600
_STRANGERS_EACH = 2  # leases of unknown machines beside each of a known one


def mac_of(number: int) -> str:
    """The BMC's MAC of machine ``number``."""
    return "02:00:" + ":".join(f"{number >> shift & 0xFF:02x}" for shift in (24, 16, 8, 0))


def name_of(number: int) -> str:
    """Its name in the inventory."""
    return f"m{number}"


class Leases(Thread):
    """Writes the lease of each machine once, some twice, and leases of strangers between them.

    Args:
        path: the file that the tailer follows.
        machines: how many there are; the thread ends after the last.
        rate: machines per second.
    """

    def __init__(self, path: Path, machines: int, rate: float, record: Record) -> None:
        super().__init__(name="leases", daemon=True)
        self._path = path
        self._machines = machines
        self._rate = rate
        self._record = record
        self._next = 0
        self._enough = Event()

    def run(self) -> None:
        """Write until told to stop or until no machine is left."""
        while self._next < self._machines and not self._enough.wait(1 / self._rate):
            self._write(self._next, name_of(self._next))
            for other in range(_STRANGERS_EACH):
                self._write(self._machines + self._next * _STRANGERS_EACH + other, None)
            self._next += 1

    def stop(self) -> None:
        """No further lease is written when this returns."""
        self._enough.set()
        self.join()

    def _write(self, number: int, machine: str | None) -> None:
        mac = mac_of(number)
        address = ".".join(str(part) for part in (10, number >> 16 & 0xFF, number >> 8 & 0xFF, number & 0xFF))
        data = {"ip": address, "mac": mac, "hostname": "h"}
        line = json.dumps({"event_type": "lease_assigned", "timestamp": STARTED, "data": data}) + "\n"
        written = time.time()
        with self._path.open("ab", buffering=0) as file:
            for _ in range(2 if number % 5 == 0 else 1):  # a server may say a thing twice
                os.write(file.fileno(), line.encode())
        run_id = f"{mac.replace(':', '-')}-{_EPOCH}"
        self._record.leases.append(Lease(run_id, machine, written, self._record.phase))
