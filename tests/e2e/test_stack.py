"""The whole stack in processes, under fire: every lease still leads to one run, and each machine starts once."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bringup import keys, tls
from bringup.connections.redis_client import connect_redis
from bringup.model import RunState
from bringup.wire.run import Run, RunList
from bringup_cli.demo.scenario import SETTINGS
from bringup_cli.demo.stack import Stack
from tests.conftest import free_port

MACHINES = 30
# Machines that nobody knows, in one burst. 200 fill every queue; how long 1,000 last says how fast the machine is.
STRANGERS = pytest.mark.parametrize("strangers", [200, pytest.param(1000, marks=pytest.mark.slow)])
IN_TIME_S = 240


def eventually(holds: Callable[[], object], within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.1)


def kill_and_start(stack: Stack, name: str) -> None:
    """SIGKILL to the service and its children, as a supervisor or the kernel would; then it is started again."""
    os.killpg(stack.pid(name), signal.SIGKILL)
    stack.stop(name, signal.SIGKILL)
    stack.start(name)


def mac(number: int) -> str:
    return f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"


class Plant:
    """A stack with simulated machines, and the log that gives them leases."""

    def __init__(self, stack: Stack, bmc_port: int) -> None:
        self.stack = stack
        self._bmc_port = bmc_port
        self._redis = connect_redis(stack.settings_of("operator"), tls.ClientContexts(), name="tests")

    def lease(self, *numbers: int) -> None:
        """The DHCP server gives these machines leases, at a time of its own that never changes."""
        with (self.stack.folder / "leases.jsonl").open("a") as log:
            for number in numbers:
                event = {
                    "event_type": "lease_assigned",
                    "timestamp": "2026-01-01T00:00:00Z",
                    "data": {"ip": f"10.0.{number // 256}.{number % 256}", "mac": mac(number), "hostname": "h"},
                }
                log.write(json.dumps(event) + "\n")

    def runs(self) -> tuple[Run, ...]:
        """Every run."""
        return self.stack.api.get("/runs?limit=10000", RunList).runs

    def run_count(self) -> int:
        """How many runs there are. Redis counts without reading them all, as the API would ten times a second."""
        return self._redis.zcard(keys.RUNS)

    def open_run_count(self) -> int:
        """How many of them are not closed."""
        return self._redis.scard(keys.OPEN_RUNS)

    def power_on_count(self, number: int) -> int:
        """How often the machine was switched on."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._bmc_port}/m{number}/power", timeout=60) as answer:
            return int(json.load(answer)["power_on_count"])


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    """Redis, API, simulated machines, worker and tailer."""
    port = free_port()
    (tmp_path / "devices.toml").write_text(
        "".join(
            f'[[device]]\nname = "m{number}"\nbmc_mac = "{mac(number)}"\nnic_macs = ["02:0a:00:00:00:{number:02x}"]\n'
            f'bmc = "simulated://127.0.0.1:{port}/m{number}"\n'
            "expected = { memory_gib = 64, cpu_count = 16, nics = 1, disks = [{ size_gb = 480 }] }\n"
            for number in range(MACHINES)
        )
    )
    (tmp_path / "leases.jsonl").touch()
    more = {
        "REDIS_PORT": str(
            free_port()
        ),  # below those of outgoing connections, which may take one while a server restarts
        "CALLBACK_API_PORT": str(free_port()),
        "DHCP_SOURCE": "jsonl",
        "LEASE_MAX_AGE_H": "0",
        "DHCP_PATH": str(tmp_path / "leases.jsonl"),
        "BOOT_TIMEOUT_S": "600",
        "RUN_TIMEOUT_S": "900",
        "HEARTBEAT_LOST_S": "600",
        "MAX_CONCURRENT_BOOTS": "100",
    }
    with Stack(tmp_path, SETTINGS | more) as stack:
        stack.start_redis()
        stack.start("api")
        stack.start("simulate", "--boot-seconds", "1", "--check-seconds", "0.5")
        stack.start("work")
        stack.start("tail")
        yield Plant(stack, port)


@STRANGERS
def test_every_lease_leads_to_one_run_and_one_start_whatever_is_killed(plant: Plant, strangers: int) -> None:
    stack = plant.stack
    for start in range(0, MACHINES, 10):
        plant.lease(*range(start, start + 10))
        plant.lease(*range(start, start + 10))  # the same lease twice
        time.sleep(0.4)  # into the middle of the boots
        kill_and_start(stack, "work")
        kill_and_start(stack, "api")
    plant.lease(*range(MACHINES, MACHINES + strangers), *range(MACHINES))  # a burst, of machines unknown and known
    eventually(lambda: plant.run_count() == MACHINES + strangers, IN_TIME_S, "one run for each lease")
    eventually(lambda: plant.open_run_count() == 0, IN_TIME_S, "every run is closed")
    runs = plant.runs()
    assert len(runs) == MACHINES + strangers
    assert sum(run.state is RunState.PASSED and run.closed_at is not None for run in runs) == MACHINES
    assert len({run.mac for run in runs}) == MACHINES + strangers
    assert sum(run.state is RunState.AUDITED for run in runs) == strangers
    assert [plant.power_on_count(number) for number in range(MACHINES)] == [1] * MACHINES
    for name in ("work", "tail", "api", "simulate"):
        assert "Traceback" not in stack.log_of(name), name
        os.kill(stack.pid(name), signal.SIGTERM)
    for name in ("work", "tail", "api", "simulate"):
        eventually(lambda one=name: not stack.runs(one), 120, f"{name} stops")  # type: ignore[misc]
        assert stack.stop(name) == 0, name
