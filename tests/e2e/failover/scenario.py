"""One site on a set of servers with Sentinel: leases flow, the master is killed, and everything is counted."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bringup.wire.run import Run
from tests.e2e.chaos import phases
from tests.e2e.chaos.record import Record
from tests.e2e.chaos.site import TLS, site, wait_for
from tests.e2e.chaos.table import Line, lines
from tests.sentinel_set import SentinelSet

RESUMES_WITHIN_S = 2.0  # from the moment at which a sentinel names the new master to the next run
_RATE = 0.7  # known machines per second; with strangers and repeats about two leases and a half
_SECONDS_EACH = 60  # at most, until the former master follows the new one
_FIRST_RUN_S = 90.0
_SETTLE_S = 240.0


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Args:
        resumed_s: for each failover, seconds from the new master to the first run that was opened after it.
    """

    table: Sequence[Line]
    resumed_s: Sequence[float]
    problems: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        late = [seconds for seconds in self.resumed_s if seconds > RESUMES_WITHIN_S]
        return all(line.holds for line in self.table) and not late and not self.problems


def play(folder: Path, failovers: int, *, use_tls: bool) -> Outcome:
    """Run a site through so many failovers.

    Args:
        folder: is made; holds the logs of everything.
    """
    folder.mkdir(parents=True)
    record = Record(phase=f"{failovers} failovers")
    tls = TLS if use_tls else {}
    machines = int(_RATE * (failovers * _SECONDS_EACH + _FIRST_RUN_S))
    with (
        _servers(folder, use_tls=use_tls) as servers,
        site(folder / "site", record, settings=tls | servers.redis_variables, machines=machines, rate=_RATE) as one,
    ):
        if not wait_for(lambda: any(run.closed_at for run in one.runs()), _FIRST_RUN_S):
            record.problem(f"no run was closed within {_FIRST_RUN_S} s, before any failover")
        phases.failover(one, servers, failovers)
        one.leases.stop()
        runs = one.settle(_SETTLE_S)
    table = lines(record, runs, folder / "site/power.jsonl")
    return Outcome(table, _resumed_s(record, runs), record.problems)


@contextmanager
def _servers(folder: Path, *, use_tls: bool) -> Iterator[SentinelSet]:
    """With the passwords of the roles where the services of the site read them."""
    with SentinelSet(folder / "redis", use_tls=use_tls) as servers:
        servers.copy_passwords(folder / "site/redis")
        yield servers


def _resumed_s(record: Record, runs: Iterable[Run]) -> list[float]:
    opened = sorted(run.created_at.timestamp() for run in runs)
    return [
        next((at - failover.ended for at in opened if at >= failover.ended), float("inf"))
        for failover in record.disturbances
    ]
