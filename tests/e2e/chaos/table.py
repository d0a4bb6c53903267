"""What came of it: one line for each phase, counted from the API's runs and the machines' own record of their power."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bringup.model import RunState
from bringup.wire.run import Run
from tests.e2e.chaos.record import Disturbance, Lease, Record


@dataclass(frozen=True)
class Line:
    """One phase. ``resume_s``: the longest time from a lease, or from the end of what kept it, to its run."""

    phase: str
    faults: int
    leases: int
    runs: int
    lost: int
    powered_twice: int
    stuck: int
    ended_by_fault: int
    resume_s: float

    @property
    def holds(self) -> bool:
        """Whether the promises were kept."""
        return not (self.lost or self.powered_twice or self.stuck or self.ended_by_fault)


def lines(record: Record, runs: Iterable[Run], power_log: Path) -> list[Line]:
    """The lines of the table, in the order of the phases."""
    known = {run.run_id: run for run in runs}
    powered = Counter(_powered(power_log))
    phases = dict.fromkeys(lease.phase for lease in record.leases)
    return [_line(phase, record, known, powered) for phase in phases]


def _line(phase: str, record: Record, runs: dict[str, Run], powered: Counter[str]) -> Line:
    leases = [lease for lease in record.leases if lease.phase == phase]
    own = [runs[lease.run_id] for lease in leases if lease.run_id in runs]
    fleet_kills = [d for d in record.disturbances if d.what == "simulate"]
    return Line(
        phase=phase,
        faults=sum(d.phase == phase for d in record.disturbances),
        leases=len(leases),
        runs=len(own),
        lost=sum(lease.run_id not in runs for lease in leases),
        powered_twice=sum(powered[run.run_id] > 1 for run in own),
        stuck=sum(run.closed_at is None for run in own),
        ended_by_fault=sum(_ended_by_fault(run, fleet_kills) for run in own),
        resume_s=max((_waited(lease, runs, record.disturbances) for lease in leases), default=0.0),
    )


def _ended_by_fault(run: Run, fleet_kills: Sequence[Disturbance]) -> bool:
    """A machine that was killed cannot report; every other one must have passed, or be a stranger's audit."""
    if run.closed_at is None or run.state in {RunState.PASSED, RunState.AUDITED}:
        return False
    return not any(run.created_at.timestamp() <= kill.ended <= run.closed_at.timestamp() for kill in fleet_kills)


def _waited(lease: Lease, runs: dict[str, Run], disturbances: Iterable[Disturbance]) -> float:
    run = runs.get(lease.run_id)
    if run is None:
        return float("inf")
    taken = run.created_at.timestamp()
    kept_until = max((d.ended for d in disturbances if d.began <= taken and d.ended >= lease.written), default=0.0)
    return max(0.0, taken - max(lease.written, min(kept_until, taken)))


def _powered(power_log: Path) -> list[str]:
    """The run of each time that a machine was switched on; a line that was cut by a kill is none."""
    entries = power_log.read_text().splitlines() if power_log.exists() else []
    return [str(json.loads(entry)["run_id"]) for entry in entries if entry.endswith("}")]


def show(title: str, table: Sequence[Line], problems: Sequence[str]) -> None:
    """Print the table, and what else must not have happened."""
    console = Console(width=120)
    shown = Table("phase", title=title)
    for heading in ("faults", "leases", "runs", "lost", "powered twice", "stuck", "ended by fault", "resumed, s"):
        shown.add_column(heading, justify="right")
    for line in table:
        numbers = (line.faults, line.leases, line.runs, line.lost, line.powered_twice, line.stuck, line.ended_by_fault)
        shown.add_row(line.phase, *map(str, numbers), f"{line.resume_s:.1f}")
    console.print(shown)
    for problem in problems:
        console.print(f"problem: {problem}", markup=False)
