"""A site goes to the next version and back while clients call: not green, killed and gone on with, rolled back."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from bringup.connections.api_client import ApiClient
from bringup.errors import BringupError
from bringup.wire.message import Health
from bringup.wire.operator import DeviceList
from tests.e2e.deploy.flips import IN_FLIGHT, Load
from tests.e2e.deploy.machines import Machine
from tests.e2e.deploy.site import Failed, require, say, shell

CALLERS, PAUSE_S = 4, 0.5
# When the command is killed: while it verifies, installs, and lets services run the new version.
KILLED_AFTER_S = (5, 60, 120)
# Where a command that reports on its standard output shows each action.
_SHOWN = "/root/shown"
# Lets no tailer of a version start: what the operator has added to a unit holds for every version.
_BREAKS = "[Service]\nExecStartPre=/bin/sh -c '! grep -q /{version}/ /etc/systemd/system/bringup-tail@.service'\n"


class Callers:
    """Clients that call the API all the time, some with a connection for all calls, some with one for each.

    Args:
        client: makes one.
    """

    def __init__(self, client: Callable[[], ApiClient]) -> None:
        self._client = client
        self._enough = Event()
        self._threads = [Thread(target=self._call, args=(number,), daemon=True) for number in range(CALLERS)]
        self.failed: list[str] = []
        self.versions: Counter[str] = Counter()

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def _call(self, number: int) -> None:
        api = self._client()
        while not self._enough.wait(PAUSE_S):
            try:
                self.versions[api.get("/health", Health).version] += 1
                api.get("/devices", DeviceList)
            except BringupError as error:
                self.failed.append(f"{time.strftime('%H:%M:%S')} {error}")
            api = api if number % 2 else self._client()


def upgraded(hosts: Sequence[Machine], loaded: Load, machines: range, release: Path) -> list[str]:
    """To the next version, which does not start at first, and back; the table's rows.

    Args:
        hosts: the first one and others, in production.
        loaded: their machines, and leases that come meanwhile.
        machines: those of the leases.
        release: of the next version; hosts have it as /srv/NAME.
    """
    with loaded.leases(machines) as leases, Callers(loaded.client) as callers:
        loaded.await_in_flight(min(IN_FLIGHT, len(machines) // 4))
        rows = list(_there_and_back(hosts, release))
    require(not callers.failed, f"calls have failed: {callers.failed[:5]}")
    calls = 2 * sum(callers.versions.values())
    return [*rows, f"| {calls} calls meanwhile, by {dict(callers.versions)} | - | - | 0 failed |", loaded.count(leases)]


def _there_and_back(hosts: Sequence[Machine], release: Path) -> Iterator[str]:
    ca = hosts[0]
    version = next(release.glob("bringup-*.whl")).name.split("-")[1]
    ssh = "--ssh 'ssh root@{host}'"
    upgrade = f"site upgrade /srv/{release.name}/bringup-*-debian12-amd64.tar {ssh}"
    with _broken_tailer(ca, version):
        report = _change(ca, upgrade, status=1)
    require(report["went_back"], json.dumps(report, indent=1))
    yield _row("to a version that does not start, and back by itself", report)
    for after_s in KILLED_AFTER_S:
        _kill(ca, upgrade, after_s)
    for command in (upgrade, f"site rollback {ssh}"):
        report = _change(ca, command)
        require(report["passed"], json.dumps(report, indent=1))
        yield _row(f"{report['before']} to {report['after']}", report)


def _row(what: str, report: dict[str, Any]) -> str:
    return f"| {what} | - | {report['api_outage_s']} s | {report['passed']} |"


def _change(ca: Machine, command: str, *, status: int = 0) -> dict[str, Any]:
    """The report of an upgrade or a rollback. Raises Failed: another exit status, with what it showed."""
    try:
        output = shell(ca, f"bringup {command} --output json 2>{_SHOWN}", status=status)
    except Failed as error:
        raise Failed(f"{error}\n{ca.run('cat', _SHOWN)}") from None
    report: dict[str, Any] = json.loads(output[output.index("{") : output.rindex("}") + 1])
    return report


def _kill(ca: Machine, command: str, after_s: int) -> None:
    """Run a command, and kill it and its children."""
    done = ca.try_to("sh", "-c", f"timeout --signal=KILL {after_s} bringup {command}")
    say(f"{ca.name}# bringup {command}    [{done.returncode}, killed after {after_s} s]\n{done.stdout}{done.stderr}")


@contextmanager
def _broken_tailer(ca: Machine, version: str) -> Iterator[None]:
    folder = ca.root / "etc/systemd/system/bringup-tail@.service.d"
    folder.mkdir()
    (folder / "breaks.conf").write_text(_BREAKS.format(version=version))
    try:
        yield
    finally:
        (folder / "breaks.conf").unlink()
        folder.rmdir()
        ca.run("systemctl", "daemon-reload")
