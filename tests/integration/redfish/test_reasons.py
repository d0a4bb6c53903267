"""Each failure reason by a cause that is as real as can be: real Redis, API, worker, Redfish over HTTPS, and agent."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bringup.model import DeviceState, FailureReason, RunState
from bringup.settings import Settings
from tests.integration.redfish.cases import CASES, UUIDS, faults
from tests.integration.redfish.conftest import Emulator, emulated
from tests.integration.redfish.playing import Outcome, play_all
from tests.integration.redfish.rack import Rack, prepare
from tests.integration.redfish.recorder import permits_of, without_a_permit

_DOCS = Path(__file__).parents[3] / "docs"
_IMPATIENT = {"BMC_READ_TIMEOUT_S": "60", "BOOT_TIMEOUT_S": "12", "RUN_TIMEOUT_S": "12"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reasons")


@pytest.fixture(scope="module")
def bmcs(folder: Path) -> Iterator[Emulator]:
    """One system for each case, with its fault."""
    with emulated(folder, len(CASES)) as emulator:
        emulator.fail(**faults())
        yield emulator


@pytest.fixture(scope="module")
def outcomes(folder: Path, bmcs: Emulator) -> Iterator[dict[str, Outcome]]:
    """Of all cases, which run at the same time."""
    prepare(folder, bmcs)
    rack = Rack(folder, "rack", {"API_USE_TLS": "true"})
    with rack.stack as stack:
        stack.start_redis()
        doomed = Rack(folder, "doomed", _IMPATIENT | _redis_of(stack.settings))
        shutil.copytree(stack.folder / "redis", doomed.stack.folder / "redis", ignore=shutil.ignore_patterns("data"))
        with doomed.stack:
            for one in (rack, doomed):
                one.stack.start("api")
                one.start_worker()
            yield play_all(folder, bmcs, rack, doomed)
            for one in (rack, doomed):
                one.stack.stop("work", signal.SIGKILL)  # nothing is left to wait for


def _redis_of(settings: Settings) -> dict[str, str]:
    """The same server, and a database of its own."""
    return {"REDIS_PORT": str(settings.redis_port), "REDIS_DB": "1"}


def test_every_reason_of_the_closed_list_has_a_case() -> None:
    assert {case.reason for case in CASES.values()} == {None, *FailureReason}


@pytest.mark.parametrize("name", ["redfish.md", "running.md"])
def test_the_pages_for_people_tell_of_every_reason(name: str) -> None:
    page = (_DOCS / name).read_text()
    assert [reason for reason in FailureReason if f"| `{reason}` |" not in page] == []


@pytest.mark.parametrize("name", CASES)
def test_the_run_ends_with_its_reason_and_its_detail(outcomes: dict[str, Outcome], name: str) -> None:
    case, run = CASES[name], outcomes[name].run
    assert (run.state, run.reason) == (case.state, case.reason), run.detail
    assert case.detail in run.detail


@pytest.mark.parametrize("name", CASES)
def test_the_device_is_free_again(outcomes: dict[str, Outcome], name: str) -> None:
    device = outcomes[name].device
    is_fine = CASES[name].state is RunState.PASSED
    assert device.state is (DeviceState.VALIDATED if is_fine else DeviceState.FAILED)
    assert device.active_run is None


@pytest.mark.parametrize("name", CASES)
def test_the_machine_is_left_off_and_empty(outcomes: dict[str, Outcome], name: str) -> None:
    case, machine = CASES[name], outcomes[name].machine
    assert (outcomes[name].run.power_requested_at is not None) is case.is_powered
    assert machine["power"] == "Off"
    assert machine["inserted"] is case.holds_a_disc
    assert machine["override"]["BootSourceOverrideEnabled"] == "Disabled"


def test_every_write_to_a_bmc_had_a_permit_that_was_not_older_than_its_bound(
    outcomes: dict[str, Outcome], bmcs: Emulator
) -> None:
    writes = bmcs.writes
    assert len(writes) > len(CASES)
    for name, outcome in outcomes.items():
        own = [write for write in writes if UUIDS[name] in write.path and write.by_a_worker]
        assert without_a_permit(own, permits_of(outcome.run.timeline)) == [], name


@pytest.mark.usefixtures("outcomes")
def test_no_session_stays_open_but_that_of_the_worker_that_was_killed(bmcs: Emulator) -> None:
    assert bmcs.seen["sessions"] == 1
