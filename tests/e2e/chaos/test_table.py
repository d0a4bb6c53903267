"""The table sees what it is there to see: each way of breaking a promise, and nothing where all went well."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bringup.model import Decision, RunState
from bringup.wire.run import Run
from tests.e2e.chaos.record import Disturbance, Lease, Record
from tests.e2e.chaos.table import Line, lines

RUN_ID = "02-00-00-00-00-01-1767225600"
T0 = 1767225600.0


def a_run(**changes: object) -> Run:
    made = datetime.fromtimestamp(T0 + 1, UTC)
    run = Run(
        run_id=RUN_ID,
        device="m1",
        mac="02:00:00:00:00:01",
        ip="10.0.0.1",
        decision=Decision.START,
        state=RunState.PASSED,
        created_at=made,
        updated_at=made,
        closed_at=datetime.fromtimestamp(T0 + 9, UTC),
    )
    return run.model_copy(update=changes)


@pytest.fixture
def line_of(tmp_path: Path) -> Callable[..., Line]:
    """The one line of a phase with one lease."""

    def make(*runs: Run, powered: int = 1, disturbances: tuple[Disturbance, ...] = ()) -> Line:
        record = Record(disturbances=list(disturbances))
        record.leases.append(Lease(RUN_ID, "m1", T0, "phase"))
        entry = json.dumps({"machine": "m1", "run_id": RUN_ID, "at": T0 + 2}) + "\n"
        (tmp_path / "power.jsonl").write_text(entry * powered)
        (line,) = lines(record, runs, tmp_path / "power.jsonl")
        return line

    return make


def test_a_lease_whose_run_passed_and_closed_holds(line_of: Callable[..., Line]) -> None:
    line = line_of(a_run())
    assert line.holds
    assert line.resume_s == pytest.approx(1.0)


def test_a_lease_without_a_run_is_lost(line_of: Callable[..., Line]) -> None:
    assert line_of().lost == 1
    assert not line_of().holds


def test_a_machine_that_one_run_switched_on_twice_is_counted(line_of: Callable[..., Line]) -> None:
    assert line_of(a_run(), powered=2).powered_twice == 1
    assert not line_of(a_run(), powered=2).holds


def test_a_run_that_never_closes_is_stuck(line_of: Callable[..., Line]) -> None:
    line = line_of(a_run(closed_at=None))
    assert line.stuck == 1
    assert not line.holds


def test_a_run_that_a_fault_of_the_site_ended_is_counted(line_of: Callable[..., Line]) -> None:
    redis = Disturbance("phase", "redis", T0 + 2, T0 + 3)
    line = line_of(a_run(state=RunState.TIMED_OUT), disturbances=(redis,))
    assert line.ended_by_fault == 1
    assert not line.holds


def test_a_run_whose_machine_was_killed_may_end_without_a_report(line_of: Callable[..., Line]) -> None:
    fleet = Disturbance("phase", "simulate", T0 + 2, T0 + 3)
    assert line_of(a_run(state=RunState.TIMED_OUT), disturbances=(fleet,)).holds


def test_the_time_to_resume_counts_from_the_end_of_the_disturbance(line_of: Callable[..., Line]) -> None:
    away = Disturbance("phase", "redis", T0 - 1, T0 + 0.75)
    assert line_of(a_run(), disturbances=(away,)).resume_s == pytest.approx(0.25)
