"""Flips under load: leases that come all the time, runs that are in flight, and what became of each."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bringup.connections.api_client import ApiClient
from bringup.wire.run import Run, RunList
from tests.e2e.deploy import load
from tests.e2e.deploy.machines import Machine
from tests.e2e.deploy.site import LEASES, Failed, flip, require, say, shell

MOST_OUTAGE_S = 15.0
IN_FLIGHT = 20
# Machines of the upgrade, and of the part that loses a host, after those of the flips.
UPGRADE_MACHINES = LOST_HOST_MACHINES = 60
# Seconds until that many machines are in a run, and until every run has ended: 20 boot at a time, on a busy computer.
_IN_FLIGHT_S, _ENDED_S = 600, 2400


class Load:
    """A site with an inventory of simulated machines, and what their power log and leases show.

    Args:
        ca: the first host.
        address: of the simulated BMCs.
        scratch: a folder for the power log.
        machines: how many.
    """

    def __init__(self, ca: Machine, address: str, scratch: Path, machines: int) -> None:
        inventory = ca.root / "etc/bringup/devices.toml"
        inventory.write_text(load.inventory_text(machines, address))
        self.machines = machines
        self._ca = ca
        self._api, self._power = load.Api(ca, scratch), scratch / "power.jsonl"
        self._fleet = load.LoadedFleet(self._api, inventory, boot_s=15, check_s=15, power_log=self._power)

    def client(self) -> ApiClient:
        """A client of the API, without a connection yet."""
        return self._api.client()

    def close(self) -> None:
        """No BMC answers any more."""
        self._fleet.close()

    @contextmanager
    def leases(self, machines: range) -> Iterator[load.Leases]:
        """Ten leases a second meanwhile, half of them of these machines."""
        leases = load.Leases(self._ca.root / LEASES, machines)
        leases.start()
        try:
            yield leases
        finally:
            leases.stop()

    def await_in_flight(self, wanted: int) -> int:
        """How many machines are in a run, once they are as many as wanted. Raises Failed: they were not."""
        deadline = time.monotonic() + _IN_FLIGHT_S
        while True:
            states = Counter(str(run.state) for run in self._runs().values())
            number = sum(states[state] for state in ("booting", "waiting", "running"))
            if number >= wanted:
                say(f"{number} runs in flight; {dict(states)}")
                return number
            require(time.monotonic() < deadline, f"{number} runs in flight, not {wanted}; {dict(states)}")
            time.sleep(1)

    def count(self, leases: load.Leases) -> str:
        """Every lease led to one run, every run of a known machine passed, and none was powered twice: in one line."""
        runs = self._ended(leases)
        still_open = [run for run in runs.values() if run.closed_at is None]
        lost = set(leases.all) - set(runs)
        ended = Counter(str(runs[run_id].state) for run_id in leases.known if run_id in runs)
        powered = Counter(json.loads(line)["run_id"] for line in self._power.read_text().splitlines())
        twice = [run_id for run_id, times in powered.items() if times > 1]
        row = (
            f"{len(leases.all)} leases, {len(leases.known)} of known machines: {len(lost)} lost, "
            f"{len(twice)} powered twice, {len(still_open)} still open; ended: {dict(ended)}"
        )
        say(row)
        for run in (runs[run_id] for run_id in leases.known if run_id in runs):
            if run.state != "passed":
                say(f"{run.run_id}: {run.state}, {run.reason}: {run.detail}")
        require(not (lost or twice or still_open or set(ended) - {"passed"}), row)
        return row

    def _ended(self, leases: load.Leases) -> dict[str, Run]:
        """All runs, when each lease has one and all are closed, or after a time in which they should be."""
        deadline = time.monotonic() + _ENDED_S
        while True:
            runs = self._runs()
            if set(leases.all) <= set(runs) and all(run.closed_at for run in runs.values()):
                return runs
            if time.monotonic() > deadline:
                return runs
            time.sleep(3)

    def _runs(self) -> dict[str, Run]:
        found: RunList = load.answer(lambda: self._api.client().get("/runs?limit=10000", RunList))
        return {run.run_id: run for run in found.runs}


def flips_under_load(ca: Machine, loaded: Load, machines: range) -> list[str]:
    """Development, production, development, with ten leases a second and 20 runs in flight; the table's rows."""
    rows = []
    with loaded.leases(machines) as leases:
        for mode in ("development", "production", "development"):
            in_flight = loaded.await_in_flight(min(IN_FLIGHT, len(machines) // 4))
            report = flip(ca, mode)
            rows.append(f"| flip to {mode} | {in_flight} | {report['api_outage_s']} s | {report['passed']} |")
            kept = report["passed"] and float(str(report["api_outage_s"])) < MOST_OUTAGE_S
            require(kept, json.dumps(report, indent=1))
    return [*rows, loaded.count(leases)]


def goes_back(ca: Machine) -> None:
    """A tailer that cannot read its file fails in production, and is a warning in development."""
    shell(ca, f"mv /{LEASES} /var/log/elsewhere.jsonl")
    report = flip(ca, "production", status=1)
    shell(ca, f"mv /var/log/elsewhere.jsonl /{LEASES}")
    if report["passed"] or not report["went_back"]:
        raise Failed(json.dumps(report, indent=1))
    require("REDIS_USE_TLS=false" in (ca.root / "etc/bringup/worker.env").read_text(), "the files did not go back")
