"""An upgrade and a rollback under load, in processes of two builds: no call fails, no lease is lost or done twice.

The order is that of `bringup site upgrade`; systemd has no part in it. The machines are SIMULATED.
"""

import json
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from bringup import __version__, tls
from bringup.connections.api_client import ApiClient
from bringup.errors import BringupError
from bringup.wire.message import Health
from bringup.wire.operator import DeviceList
from bringup.wire.run import Run, RunList
from bringup_cli.demo.scenario import SETTINGS
from bringup_cli.demo.stack import Stack
from tests.conftest import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ROOMS = ("bringup", "bringup_cli", "selftest", "api", "console", "workers", "dhcp_tailer", "pki", "agent", "deploy")
# So many leases last longer than an upgrade and a rollback do on an idle machine.
MACHINES = 100
LEASES_PER_S, CALLS_PER_S, CALLERS = 2.0, 5.0, 4
# The machine of a test may be busy: what is awaited comes in seconds on an idle one.
IN_TIME_S = 240
NEXT = "99.1.0"


def eventually(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + IN_TIME_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {IN_TIME_S} s: {what}"
        time.sleep(0.1)


def mac(number: int) -> str:
    return f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"


def run_id(number: int) -> str:
    return f"{mac(number).replace(':', '-')}-1767225600"


class Builds:
    """The present version, and the next one: the same source with another version."""

    def __init__(self, folder: Path) -> None:
        self.next = folder / "next"
        for room in ROOMS:
            shutil.copytree(ROOT / room, self.next / room, ignore=shutil.ignore_patterns("__pycache__"))
        path = self.next / "bringup/__init__.py"
        text, count = re.subn(r'__version__ = ".*"', f'__version__ = "{NEXT}"', path.read_text())
        assert count == 1
        path.write_text(text)

    def variables(self, version: str) -> dict[str, str]:
        """For a process of one of them."""
        return {"PYTHONPATH": str(self.next if version == NEXT else ROOT)}


class Load(Thread):
    """Clients that call the API at a rate, each with a connection for each call or one for all."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self._stack = stack
        self._enough = Event()
        self._callers = [Thread(target=self._call, args=(number % 2 == 0,)) for number in range(CALLERS)]
        self.failed: list[str] = []
        self.versions: Counter[str] = Counter()
        self.leases = 0

    def run(self) -> None:
        """Write leases, while the callers call."""
        for caller in self._callers:
            caller.start()
        while not self._enough.wait(1 / LEASES_PER_S):
            if self.leases < MACHINES:
                self._lease(self.leases)
                self.leases += 1

    def stop(self) -> None:
        """No call is under way, and no lease is written, when this returns."""
        self._enough.set()
        for thread in (self, *self._callers):
            thread.join()

    def await_calls(self, version: str) -> None:
        """Return when so many more calls were answered by one version."""
        before = self.versions[version]
        eventually(lambda: self.versions[version] > before + 10 * CALLERS, f"calls answered by {version}")

    def _call(self, keeps: bool) -> None:  # noqa: FBT001 - of a thread
        api = self._client()
        while not self._enough.wait(1 / CALLS_PER_S):
            try:
                self.versions[api.get("/health", Health).version] += 1
                api.get("/devices", DeviceList)
                api.get("/runs", RunList)
            except BringupError as error:
                self.failed.append(f"{time.strftime('%H:%M:%S')} {error}")
            api = api if keeps else self._client()

    def _client(self) -> ApiClient:
        return ApiClient(self._stack.settings, tls.ClientContexts())

    def _lease(self, number: int) -> None:
        data = {"ip": f"10.0.{number // 256}.{number % 256}", "mac": mac(number), "hostname": "h"}
        event = {"event_type": "lease_assigned", "timestamp": "2026-01-01T00:00:00Z", "data": data}
        with (self._stack.folder / "leases.jsonl").open("a") as log:
            log.write(json.dumps(event) + "\n")


class Site:
    """Redis and the services, each of a version of its own."""

    def __init__(self, stack: Stack, builds: Builds) -> None:
        self.stack = stack
        self._builds = builds
        stack.start_redis()
        self._start("api", __version__, "--share-port")
        eventually(self._answers, "the API")
        power = ("--power-log", str(stack.folder / "power.jsonl"))
        stack.start("simulate", "--boot-seconds", "1", "--check-seconds", "0.5", *power)
        for service in ("work", "tail"):
            self._start(service, __version__)

    def switch(self, service: str, before: str, after: str) -> None:
        """As systemd restarts a service: it finishes what it has, or puts it back; then the other version starts."""
        status = self.stack.stop(f"{service} {before}")
        assert status == 0, self.stack.log_of(f"{service} {before}")[-2000:]
        self._start(service, after)

    def take_over(self, before: str, after: str) -> None:
        """The API of one version listens beside that of the other, before that one stops."""
        self._start("api", after, "--share-port")
        log = f"api {after}"
        eventually(lambda: "Booting worker" in self.stack.log_of(log), f"the API of {after}")

    def end(self, version: str) -> None:
        """The API of a version stops."""
        assert self.stack.stop(f"api {version}") == 0

    def runs(self) -> dict[str, Run]:
        """Every run."""
        return {run.run_id: run for run in self.stack.api.get("/runs?limit=10000", RunList).runs}

    def _start(self, service: str, version: str, *options: str) -> None:
        role = {"api": "api", "work": "worker", "tail": "tailer"}[service]
        command = [sys.executable, "-m", "bringup", service, *options]
        self.stack._spawn(f"{service} {version}", command, role, self._builds.variables(version))

    def _answers(self) -> bool:
        try:
            self.stack.api.get("/health", Health)
        except BringupError:
            return False
        return True


@pytest.fixture(params=["plain", "tls"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
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
    flags = dict.fromkeys(("REDIS_USE_TLS", "API_USE_TLS"), str(request.param == "tls").lower())
    more = {
        "API_WORKERS": "2",
        "DHCP_SOURCE": "jsonl",
        "DHCP_PATH": str(tmp_path / "leases.jsonl"),
        "BOOT_TIMEOUT_S": "120",
        "RUN_TIMEOUT_S": "240",
        "HEARTBEAT_LOST_S": "120",
    }
    with Stack(tmp_path, SETTINGS | flags | more) as stack:
        yield Site(stack, Builds(tmp_path))


def test_an_upgrade_and_a_rollback_under_load_fail_no_call_and_lose_no_lease(site: Site) -> None:
    load = Load(site.stack)
    load.start()
    load.await_calls(__version__)
    upgrade(site, load)
    rollback(site, load)
    eventually(lambda: load.leases == MACHINES, "every lease is written")
    load.stop()
    assert load.failed == []
    eventually(lambda: all(run_id(number) in site.runs() for number in range(MACHINES)), "one run for each lease")
    eventually(lambda: all(run.closed_at for run in site.runs().values()), "every run is closed")
    runs = site.runs()
    assert len(runs) == MACHINES
    assert Counter(str(run.state) for run in runs.values()) == {"passed": MACHINES}
    lines = (site.stack.folder / "power.jsonl").read_text().splitlines()
    powered = Counter(json.loads(line)["run_id"] for line in lines)
    assert powered == dict.fromkeys(runs, 1)


def upgrade(site: Site, load: Load) -> None:
    """The API first: newer workers may send what an older one refuses."""
    site.take_over(__version__, NEXT)
    load.await_calls(NEXT)
    site.end(__version__)
    load.await_calls(NEXT)
    for service in ("work", "tail"):
        site.switch(service, __version__, NEXT)
    load.await_calls(NEXT)


def rollback(site: Site, load: Load) -> None:
    """The reverse order."""
    for service in ("tail", "work"):
        site.switch(service, NEXT, __version__)
    site.take_over(NEXT, __version__)
    load.await_calls(__version__)
    site.end(NEXT)
    load.await_calls(__version__)
