"""The jobs on the emulated machine, with the API's real rules: what the run gets for what the BMC did."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bringup.errors import BmcUnavailable
from bringup.model import FailureReason, RunState
from bringup.settings import Settings
from tests.integration.redfish.conftest import NEVER_COMES_S, PERMIT, Emulator, MakeBmc, write_credential
from tests.integration.redfish.emulator import SESSIONS, SYSTEM
from tests.unit.workers.fakes import RUN_ID, World
from workers.boot import boot
from workers.jobs import finish

RESET = "ComputerSystem.Reset"


@pytest.fixture
def world(make_settings: Callable[..., Settings], emulator: Emulator, make_bmc: MakeBmc) -> World:
    """A run that waits for its boot, on a BMC that is the emulator."""
    made = World(make_settings(bmc_tries=2))
    made.api.image_url = emulator.image_of("{secret}")
    made.use(lambda _run, _settings: make_bmc())
    return made


def boot_it(world: World) -> None:
    boot(world.context, world.task(), run_id=RUN_ID)


def outcome(world: World) -> tuple[RunState, str | None]:
    """Where the run ends when the boot job is tried as often as it may be."""
    while world.api.state.state in {RunState.QUEUED, RunState.BOOTING}:
        try:
            boot_it(world)
        except BmcUnavailable:
            continue
    return world.api.state.state, world.api.state.reason


def switches(emulator: Emulator) -> int:
    return len([line for line in emulator.seen["log"] if line.endswith(RESET)])


def test_boot_and_finish_leave_the_machine_as_it_was(world: World, emulator: Emulator) -> None:
    assert outcome(world) == (RunState.WAITING, None)
    assert emulator.ask("/VirtualMedia/Cd")["Image"] == emulator.image_of(world.api.secret)
    assert emulator.seen["override"]["BootSourceOverrideEnabled"] == "Once"
    assert emulator.ask()["PowerState"] == "On"
    world.api.abort()
    finish(world.context, world.task(), run_id=RUN_ID)
    assert not emulator.ask("/VirtualMedia/Cd")["Inserted"]
    assert emulator.seen["override"]["BootSourceOverrideEnabled"] == "Disabled"
    assert emulator.ask()["PowerState"] == "Off"
    assert emulator.seen["sessions"] == 0
    assert world.api.timeline[-1].detail == "medium ejected"


def test_a_machine_that_is_on_is_switched_off_and_on_once(world: World, emulator: Emulator, make_bmc: MakeBmc) -> None:
    make_bmc().power_on(PERMIT)
    emulator.fail(power_lag_s=1)
    assert outcome(world) == (RunState.WAITING, None)
    assert switches(emulator) == 2


def test_a_switch_whose_answer_is_lost_is_not_made_twice(world: World, emulator: Emulator, make_bmc: MakeBmc) -> None:
    world.use(lambda _run, _settings: make_bmc(timeout_s=NEVER_COMES_S))
    emulator.fail(slow=[RESET])
    with pytest.raises(BmcUnavailable):
        boot_it(world)
    assert switches(emulator) == 1
    assert emulator.ask()["PowerState"] == "On"
    emulator.fail()
    assert outcome(world) == (RunState.WAITING, None)
    assert switches(emulator) == 0


def test_a_reset_that_is_accepted_and_not_done_is_an_error_of_the_bmc(world: World, emulator: Emulator) -> None:
    emulator.fail(power_lag_s=3600)
    with pytest.raises(BmcUnavailable, match="is not On"):
        boot_it(world)
    assert switches(emulator) == 1


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (("GET", SYSTEM, 503, "GeneralError"), FailureReason.BMC_UNREACHABLE),
        (("POST", SESSIONS, 503, "GeneralError"), FailureReason.BMC_UNREACHABLE),
        (("POST", SESSIONS, 401, "ResourceAtUriUnauthorized"), FailureReason.BMC_AUTH),
        (("POST", "VirtualMedia.InsertMedia", 403, "InsufficientPrivilege"), FailureReason.BMC_AUTH),
        (("POST", "VirtualMedia.InsertMedia", 400, "ActionParameterValueError"), FailureReason.MEDIA_REJECTED),
        (("POST", "VirtualMedia.InsertMedia", 500, "GeneralError"), FailureReason.MEDIA_REJECTED),
        (("PATCH", SYSTEM, 400, "PropertyNotWritable"), FailureReason.NO_BOOT),
        (("POST", RESET, 400, "ActionNotSupported"), FailureReason.NO_BOOT),
    ],
    ids=lambda value: value if isinstance(value, FailureReason) else f"{value[1].rpartition('/')[2]}-{value[2]}",
)
def test_each_refusal_ends_the_run_with_its_reason(
    world: World, emulator: Emulator, refusal: tuple[str, str, int, str], reason: FailureReason
) -> None:
    emulator.refuse(*refusal, times=99)
    assert outcome(world) == (RunState.FAILED, reason)
    emulator.fail()
    assert emulator.ask()["PowerState"] == "Off"
    assert emulator.seen["sessions"] == 0


def test_stuck_media_end_the_run_as_media_rejected(world: World, emulator: Emulator) -> None:
    assert outcome(world) == (RunState.WAITING, None)
    emulator.fail(stuck=True)
    again = World(world.settings)
    again.api.image_url = world.api.image_url
    again.use(world.context.make_bmc)
    assert outcome(again) == (RunState.FAILED, FailureReason.MEDIA_REJECTED)


def test_a_passing_fault_is_passed_over(world: World, emulator: Emulator) -> None:
    emulator.refuse("POST", "VirtualMedia.InsertMedia", 503, "ServiceTemporarilyUnavailable", times=1)
    assert outcome(world) == (RunState.WAITING, None)


def test_a_lost_credential_ends_the_run_and_names_its_file(world: World, credentials: Path) -> None:
    path = write_credential(credentials)
    path.chmod(0o644)
    assert outcome(world) == (RunState.FAILED, FailureReason.BMC_AUTH)
    assert str(path) in world.api.state.detail


def test_without_an_image_the_run_ends_and_names_the_setting(world: World) -> None:
    world.api.image_url = None
    assert outcome(world) == (RunState.FAILED, FailureReason.MEDIA_REJECTED)
    assert "VALIDATION_IMAGE" in world.api.state.detail


def test_a_medium_that_stays_stuck_does_not_keep_the_device(world: World, emulator: Emulator) -> None:
    outcome(world)
    world.api.abort()
    emulator.fail(stuck=True)
    with pytest.raises(BmcUnavailable):
        finish(world.context, world.task(), run_id=RUN_ID)
    finish(world.context, world.task(), run_id=RUN_ID)
    assert world.api.state.closed_at
    assert "stuck" in world.api.timeline[-1].detail
