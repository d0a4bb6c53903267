"""A site that loses one host after the other while leases flow, and what came of each lease."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bringup.wire.run import Run
from tests.e2e.chaos.leases import Leases
from tests.e2e.chaos.record import Record
from tests.e2e.chaos.site import TIMES, TLS, Site, inventory, wait_for
from tests.e2e.chaos.table import Line, lines
from tests.e2e.ha.hosts import BMC_PORT, HOSTS, LAB, LOSABLE, HostStack, HostSupervisor
from tests.e2e.site.network import Network

_RATE = 0.5  # known machines per second; with strangers and repeats nearly two leases
_FIRST_RUN_S = 120.0
_SECONDS_EACH = 90
_OFF_S = 15.0  # at least: longer than the sentinels take to promote a replica
_GOES_ON_S = 120.0  # at most, until a lease that was written after the loss has its run, on a busy machine
_CALM_S = 5.0
_SETTLE_S = 240.0


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Args:
        resumed_s: by host, seconds from its loss to the end of a run that was opened after it.
    """

    table: Sequence[Line]
    resumed_s: Sequence[tuple[str, float]]
    problems: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, nothing was done twice, and every run has ended."""
        return not self.problems and not any(line.lost or line.powered_twice or line.stuck for line in self.table)


def play(folder: Path, losses: Sequence[str] = LOSABLE, *, use_tls: bool, log: Callable[[str], None]) -> Outcome:
    """Run a site through the loss of these hosts, one after the other.

    Args:
        folder: is made; holds the logs of everything.
        losses: names of hosts.
        use_tls: mutual TLS on all connections.
        log: is given a line for each host.
    """
    folder.mkdir(parents=True)
    network = Network(*HOSTS)
    assert network.is_real, "this system permits no network namespaces"
    record = Record(phase="all hosts")
    try:
        return _play(folder, network, record, losses, use_tls=use_tls, log=log)
    finally:
        network.remove()


def _play(
    folder: Path, network: Network, record: Record, losses: Sequence[str], *, use_tls: bool, log: Callable[[str], None]
) -> Outcome:
    machines = int(_RATE * (len(losses) * _SECONDS_EACH + _FIRST_RUN_S))
    (folder / "devices.toml").write_text(inventory(machines, BMC_PORT, host=network.address(LAB)))
    path = folder / "leases.jsonl"
    path.touch()
    more = {"DHCP_SOURCE": "jsonl", "DHCP_PATH": str(path), "API_WORKERS": "1", **(TLS if use_tls else {})}
    resumed_s = []
    with HostStack(folder, network, {**TIMES, **more}) as stack:
        stack.configure_redis()
        services = HostSupervisor(stack, network, record)
        leases = Leases(path, machines, _RATE, record)
        site = Site(stack, services, leases, record)
        services.start()
        stack.await_redis()
        leases.start()
        if not wait_for(lambda: any(run.closed_at for run in site.runs()), _FIRST_RUN_S):
            record.problem(f"no run was closed within {_FIRST_RUN_S} s, before any loss")
        for host in losses:
            record.phase = f"{host} off, and on again"
            resumed_s.append((host, _lose(site, services, stack, host)))
            log(f"{host}: the site went on after {resumed_s[-1][1]:.1f} s, and is whole again")
        leases.stop()
        runs = site.settle(_SETTLE_S)
        services.stop()
    return Outcome(lines(record, runs, folder / "power.jsonl"), resumed_s, record.problems)


def _lose(site: Site, services: HostSupervisor, stack: HostStack, host: str) -> float:
    """Seconds from the loss to the end of a run that was opened after it."""
    with site.record.disturbance(f"{host} off"):
        lost = time.time()
        services.switch_off(host)
        ended: list[Run] = []

        def goes_on() -> bool:
            ended[:] = [run for run in site.runs() if run.closed_at and run.created_at.timestamp() > lost]
            return bool(ended)

        if not wait_for(goes_on, _GOES_ON_S):
            site.record.problem(f"no run was opened and closed within {_GOES_ON_S} s")
        after = min((run.closed_at.timestamp() - lost for run in ended if run.closed_at), default=float("inf"))
        time.sleep(max(0.0, lost + _OFF_S - time.time()))
        services.switch_on(host)
        stack.await_redis()
    time.sleep(_CALM_S)
    return after
