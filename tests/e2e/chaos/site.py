"""A site as shipped: Redis by `bringup redis-conf`, every service, SIMULATED machines, and leases that arrive."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bringup.errors import TransientError
from bringup.wire.run import Run, RunList
from bringup_cli.demo.stack import Stack
from tests.administrator import add_administrator
from tests.conftest import free_port
from tests.e2e.chaos.leases import Leases, mac_of, name_of
from tests.e2e.chaos.record import Record
from tests.e2e.chaos.supervisor import Supervisor

TLS = {"REDIS_USE_TLS": "true", "API_USE_TLS": "true"}
_LOOK_EVERY_S = 2.0  # the list of all runs is work for the API, which has other work to do
TIMES = {
    "ENVIRONMENT": "development",  # simulated machines have no place in production
    "LOG_LEVEL": "INFO",
    # A machine outlives every disturbance of this test; what ends sooner was ended by the site.
    "BOOT_TIMEOUT_S": "90",
    "HEARTBEAT_LOST_S": "90",
    "RUN_TIMEOUT_S": "180",
    "HEARTBEAT_INTERVAL_S": "2",
    "RETRY_MIN_S": "1",
    "RETRY_MAX_S": "2",
    "BMC_TRIES": "20",  # the simulated fleet is killed, too: its BMCs are away for a second or two each time
    "MAX_CONCURRENT_BOOTS": "100",
    "LEASE_MAX_AGE_H": "0",  # the leases of this test have one fixed date
}
_SERVICES = {
    "api": ("api",),
    "simulate": ("simulate", "--boot-seconds", "1", "--check-seconds", "0.5", "--power-log", "power.jsonl"),
    "worker-1": ("work",),
    "worker-2": ("work",),
    "tail": ("tail",),
}


@dataclass(frozen=True)
class Site:
    """Everything of one site, running."""

    stack: Stack
    services: Supervisor
    leases: Leases
    record: Record

    def runs(self) -> tuple[Run, ...]:
        """Every run; none while the API is away."""
        try:
            return self.stack.api.get("/runs?limit=10000", RunList).runs
        except TransientError:
            return ()

    def settle(self, stalled_s: float) -> tuple[Run, ...]:
        """The runs, once every lease has one and every run is closed, or no further run was closed for so long.

        Args:
            stalled_s: seconds; a site that works off what has piled up on a busy machine is not stuck.
        """
        expected = {lease.run_id for lease in self.record.leases}
        closed, deadline = -1, time.monotonic() + stalled_s
        while True:
            runs = self.runs()
            if expected <= {run.run_id for run in runs} and all(run.closed_at for run in runs):
                return runs
            if (now_closed := sum(run.closed_at is not None for run in runs)) > closed:
                closed, deadline = now_closed, time.monotonic() + stalled_s
            if time.monotonic() > deadline:
                return runs
            time.sleep(_LOOK_EVERY_S)


@contextmanager
def site(folder: Path, record: Record, *, settings: Mapping[str, str], machines: int, rate: float) -> Iterator[Site]:
    """A site under ``folder`` that runs while the body does.

    Args:
        settings: on top of those of the test; with REDIS_SENTINELS the Redis that they name is used.
        machines: how many the inventory has, each of which gets one lease.
        rate: leases of known machines per second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "leases.jsonl"
    path.touch()
    (folder / "devices.toml").write_text(inventory(machines, free_port()))
    more = {"DHCP_SOURCE": "jsonl", "DHCP_PATH": str(path), "LEASE_MAX_AGE_H": "0"}
    with Stack(folder, {**TIMES, **more, **settings}) as stack:
        if "REDIS_SENTINELS" not in settings:
            _start_redis(stack)
        services = Supervisor(stack, _SERVICES, record)
        leases = Leases(path, machines, rate, record)
        services.start()
        leases.start()
        yield Site(stack, services, leases, record)
        leases.stop()
        services.stop()


def _start_redis(stack: Stack) -> None:
    stack.command("redis-conf", "--force")
    add_administrator(stack)
    stack.run_redis()


def wait_for(holds: Callable[[], bool], within_s: float) -> bool:
    """Wait until ``holds``; False when it does not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def inventory(machines: int, bmc_port: int, host: str = "127.0.0.1") -> str:
    return "".join(
        f'[[device]]\nname = "{name_of(number)}"\nbmc_mac = "{mac_of(number)}"\n'
        f'nic_macs = ["{mac_of(number).replace("02:00", "02:0a", 1)}"]\n'
        f'bmc = "simulated://{host}:{bmc_port}/{name_of(number)}"\n'
        "expected = { memory_gib = 64, cpu_count = 16, nics = 1, disks = [{ size_gb = 480 }] }\n"
        for number in range(machines)
    )
