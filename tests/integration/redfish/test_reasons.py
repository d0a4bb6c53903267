"""Each failure reason by a cause that is as real as can be: real Redis, API, worker, Redfish over HTTPS, and agent."""

import signal
from collections.abc import Iterator

import pytest

from bringup.model import DeviceState, FailureReason, RunState
from tests.integration.redfish.cases import CASES, faults
from tests.integration.redfish.conftest import emulated
from tests.integration.redfish.playing import Outcome, play_all
from tests.integration.redfish.rack import Rack, prepare


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outcome]]:
    """Of all cases, which go on at the same time."""
    folder = tmp_path_factory.mktemp("reasons")
    with emulated(folder, len(CASES)) as emulator:
        prepare(folder, emulator)
        emulator.fail(**faults())
        rack = Rack(folder, "rack", {"API_USE_TLS": "true"})
        with rack.stack:
            rack.stack.start_redis()
            own = rack.stack.settings
            password = own.redis_password.get_secret_value() if own.redis_password else ""
            shared = {"REDIS_PORT": str(own.redis_port), "REDIS_PASSWORD": password, "REDIS_DB": "1"}
            times = {"BMC_READ_TIMEOUT_S": "60", "BOOT_TIMEOUT_S": "12", "RUN_TIMEOUT_S": "12"}
            doomed = Rack(folder, "doomed", shared | times)
            with doomed.stack:
                for one in (rack, doomed):
                    one.stack.start("api")
                    one.start_worker()
                yield play_all(folder, emulator, rack, doomed)
                for one in (rack, doomed):
                    one.stack.stop("work", signal.SIGKILL)  # nothing is left to wait for


def test_every_reason_of_the_closed_list_has_a_case() -> None:
    assert {case.reason for case in CASES.values()} == {None, *FailureReason}


@pytest.mark.parametrize("name", CASES)
def test_the_run_ends_with_its_reason_and_says_why(outcomes: dict[str, Outcome], name: str) -> None:
    case, run = CASES[name], outcomes[name].run
    assert (run.state, run.reason) == (case.state, case.reason), run.detail
    assert case.says in run.detail


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
