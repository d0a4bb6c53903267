"""The quadlets, plain and with mutual TLS: units that systemd starts, restarts, stops and boots on a Debian 13."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from bringup import __version__
from tests.e2e.containers import debian13
from tests.e2e.containers.site import IMAGE, PLAIN, SERVICES, TLS, USER, Site, lease
from tests.e2e.deploy.machines import Machine
from tests.e2e.site.network import Network

ROOT = Path(__file__).parents[3]
UNITS = [f"bringup-{service}" for service in SERVICES]
# Seconds: bounds a start on a busy computer.
DEADLINE_S = 120


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """Its podman has the image."""
    folder = Path(os.environ["BRINGUP_E2E_CONTAINERS"])
    scratch = folder / "debian13"
    scratch.mkdir()
    network = Network("q1")
    binds = [folder / "saved", ROOT / "deploy/containers"]
    machine = debian13.boot(Path(os.environ["BRINGUP_DEBIAN13"]), scratch, network, "q1", binds)
    machine.run("podman", "load", "--quiet", "--input", "/srv/saved/image.tar")
    machine.run("podman", "tag", IMAGE, f"localhost/bringup:{__version__}")
    yield machine
    machine.remove()
    network.remove()
    shutil.rmtree(scratch)


class Host(Site):
    """A site in /etc/bringup/site, and the units that run from it."""

    def __init__(self, machine: Machine, settings: dict[str, str]) -> None:
        self.machine, self.dhcp = machine, machine.root / "var/log/dhcp"
        self.dhcp.mkdir()
        (self.dhcp / "leases.jsonl").touch()
        (machine.root / "etc/bringup").mkdir()
        super().__init__(machine.root / "etc/bringup/site", "/etc/bringup/site", self.run_unit, settings)
        machine.run("sh", "-c", "cp /srv/containers/quadlet/* /etc/containers/systemd/")
        machine.run("systemctl", "daemon-reload")

    def run_unit(self, *command: str) -> CompletedProcess[str]:
        """Run a command as one that a person types there: in a control group of the machine."""
        return self.machine.try_to(
            "systemd-run", "--quiet", "--pipe", "--wait", "--collect", "-E", "HOME=/root", *command
        )

    def remove(self) -> None:
        """Stop it, and forget what it kept."""
        self.machine.run("systemctl", "stop", *UNITS)
        self.machine.run("podman", "volume", "rm", "--all", "--force")
        self.machine.run("rm", "-r", "/etc/bringup", "/var/log/dhcp")

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.machine.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def is_active(self, *units: str) -> bool:
        return self.machine.try_to("systemctl", "is-active", "--quiet", *units).returncode == 0

    def is_active_again(self, unit: str, invocation: str) -> bool:
        """Whether it is active by another start than the one named."""
        return self.shown(unit, "InvocationID") != invocation and self.is_active(unit)

    def is_healthy(self, unit: str) -> bool:
        """Whether its service answers now."""
        return self.podman("exec", f"systemd-{unit}", "/usr/lib/bringup/bin/healthcheck").returncode == 0

    def podman(self, *words: str) -> CompletedProcess[str]:
        return self.run_unit("podman", *words)

    def inspected(self, unit: str) -> Any:
        return json.loads(self.podman("inspect", f"systemd-{unit}").stdout)[0]

    def until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not is_so():
            assert time.monotonic() < deadline, self.machine.run("journalctl", "--no-pager", "-n", "100")
            time.sleep(1)


@pytest.fixture(scope="module", params=[PLAIN, TLS], ids=["plain", "tls"])
def host(request: pytest.FixtureRequest, machine: Machine) -> Iterator[Host]:
    """Every unit has been started, in one command."""
    found = Host(machine, request.param)
    started = machine.try_to("systemctl", "start", *UNITS)
    assert started.returncode == 0, machine.run("journalctl", "--no-pager", "-n", "100")
    yield found
    found.remove()


def test_a_started_service_serves_already(host: Host) -> None:
    for unit in UNITS:
        host.machine.run("systemctl", "restart", unit)
        assert host.is_healthy(unit), unit


def test_the_self_test_is_green_and_finds_worker_and_tailer(host: Host) -> None:
    host.assert_self_test_passes()


@pytest.mark.parametrize("unit", UNITS)
def test_a_service_is_not_root_and_can_neither_write_its_root_nor_use_a_capability(host: Host, unit: str) -> None:
    found = host.inspected(unit)
    status = host.machine.run("cat", f"/proc/{found['State']['Pid']}/status")
    assert re.search(rf"^Uid:\s+{USER}\s+{USER}\s", status, re.MULTILINE)
    assert set(re.findall(r"^Cap\w+:\s+(\w+)$", status, re.MULTILINE)) == {"0" * 16}
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert found["HostConfig"]["ReadonlyRootfs"]
    assert host.podman("exec", f"systemd-{unit}", "touch", "/usr/written").returncode != 0


def test_its_processes_are_in_the_control_group_of_its_unit(host: Host) -> None:
    for unit in UNITS:
        group = host.machine.run("cat", f"/proc/{host.inspected(unit)['State']['Pid']}/cgroup")
        assert f"/system.slice/{unit}.service/" in group


def test_a_lease_in_the_dhcp_file_becomes_a_run(host: Host) -> None:
    with (host.dhcp / "leases.jsonl").open("a") as file:
        file.write(lease())
    host.until(host.knows_machine)


def test_a_restarted_redis_has_what_it_held_and_the_others_go_on(host: Host) -> None:
    host.machine.run("systemctl", "restart", "bringup-redis")
    host.until(lambda: all(map(host.is_healthy, UNITS)))
    assert host.knows_machine()
    host.assert_self_test_passes()


def test_a_killed_service_is_started_again(host: Host) -> None:
    for unit in UNITS:
        before = host.shown(unit, "InvocationID")
        host.podman("kill", "--signal=KILL", f"systemd-{unit}")
        host.until(partial(host.is_active_again, unit, before))
    host.assert_self_test_passes()


def test_a_service_that_cannot_serve_is_not_started_and_comes_when_it_can(host: Host) -> None:
    """Eight attempts: without StartLimitIntervalSec=0 systemd gives up after five in ten seconds."""
    configuration = host.folder / "redis/redis.conf"
    host.machine.run("systemctl", "stop", "bringup-redis")
    configuration.rename(configuration.with_suffix(".away"))
    assert host.machine.try_to("systemctl", "start", "bringup-redis").returncode != 0
    host.until(lambda: int(host.shown("bringup-redis", "NRestarts")) >= 8)
    configuration.with_suffix(".away").rename(configuration)
    host.until(lambda: all(map(host.is_healthy, UNITS)))
    host.assert_self_test_passes()


def test_a_service_that_takes_longer_than_podman_waits_by_itself_ends_by_itself(host: Host) -> None:
    """Stopped by a signal that it only sees after 12 seconds: podman alone would have killed it after 10."""
    process = str(host.inspected("bringup-worker")["State"]["Pid"])
    host.machine.run("kill", "-STOP", process)
    host.machine.run("systemctl", "stop", "--no-block", "bringup-worker")
    time.sleep(12)
    host.machine.run("kill", "-CONT", process)
    host.until(lambda: host.shown("bringup-worker", "ActiveState") == "inactive")
    assert '"event": "stopped"' in host.machine.run("journalctl", "--no-pager", "-n", "20", "-u", "bringup-worker")
    host.machine.run("systemctl", "start", "bringup-worker")


def test_after_a_power_failure_everything_comes_back_by_itself(host: Host) -> None:
    host.machine.switch_off()
    host.machine.boot()
    host.until(lambda: host.is_active(*UNITS))
    host.assert_self_test_passes()
    assert host.knows_machine()
