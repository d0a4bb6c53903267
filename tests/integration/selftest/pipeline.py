"""From one lease to one verdict, with everything that is in between, in processes of its own."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from bringup.wire.run import Run, RunList
from bringup_cli.demo.stack import Stack
from tests.conftest import free_port
from tests.in_process import QuickStack

RUN_ID = "02-5b-00-00-00-01-1795428000"
LEASE = {
    "event_type": "assigned",
    "timestamp": "2026-11-23T10:00:00Z",
    "data": {"ip": "10.0.0.11", "mac": "02:5b:00:00:00:01", "hostname": "a-host-name-of-the-test"},
}
FLAGS = ("REDIS_USE_TLS", "API_USE_TLS", "API_REQUIRE_CLIENT_CERT")


def stack(folder: Path, *, use_tls: bool) -> Stack:
    """Not started; one SIMULATED machine, and a lease file that is empty."""
    (folder / "devices.toml").write_text(_inventory(free_port()))
    (folder / "leases.jsonl").touch()
    source = {"DHCP_SOURCE": "jsonl", "DHCP_PATH": str(folder / "leases.jsonl"), "API_WORKERS": "1"}
    source |= {"LEASE_MAX_AGE_H": "0"}  # the lease has a date
    return QuickStack(folder, source | dict.fromkeys(FLAGS, str(use_tls).lower()))


def start_services(made: Stack, *, boot_s: float = 0.2) -> None:
    made.start("api")
    made.start("simulate", "--boot-seconds", str(boot_s), "--check-seconds", "0.2")
    made.start("work")
    made.start("tail")


def lease(made: Stack) -> None:
    with made.settings.dhcp_path.open("a") as leases:
        leases.write(json.dumps(LEASE) + "\n")


def await_run(made: Stack, wanted: Callable[[Run], object], longest_s: float = 240) -> Run:
    """The run, as soon as it is as wanted."""
    deadline = time.monotonic() + longest_s
    while True:
        runs = made.api.get("/runs", RunList).runs
        if runs and wanted(runs[0]):
            return runs[0]
        assert time.monotonic() < deadline, (runs, made.log_of("work"), made.log_of("tail"))
        time.sleep(0.1)


def _inventory(bmc_port: int) -> str:
    return (
        '[[device]]\nname = "sim-001"\nbmc_mac = "02:5b:00:00:00:01"\nnic_macs = ["02:5c:00:00:00:01"]\n'
        f'bmc = "simulated://127.0.0.1:{bmc_port}/sim-001"\nexpected = {{ memory_gib = 64 }}\n'
    )
