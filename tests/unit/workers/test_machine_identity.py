"""Which machine a run touches: the one on record, behind the BMC that the run began with, or none."""

import pytest

from bringup.errors import BmcUnavailable
from bringup.inventory import Device
from bringup.model import DeviceState, FailureReason, RunState
from bringup.wire.run import MachineIdentity
from bringup.wire.run_events import ARRIVAL_S, PERMIT_S, RunMedia
from tests.unit.workers.fakes import RUN_ID, Killed, World
from tests.unit.workers.test_killed_anywhere import boot_it, finish_it
from workers.bmc import ReportedIdentity
from workers.boot import boot

WRITES = {"insert_media", "eject_media", "set_boot_once", "restore_boot", "power_on", "power_off"}


def writes(world: World) -> list[str]:
    return [name for name in world.calls.names if name in WRITES]


def expect(world: World, **fields: object) -> None:
    """What the inventory has of the machine."""
    world.api.entry = Device.model_validate(world.api.entry.model_dump() | fields)
    world.api.device = type(world.api.device)(world.api.device.record, world.api.entry)


def kill_at(world: World, name: str, when: str = "before") -> None:
    """Boot, and be killed at the first call of this name."""
    probe = World(world.settings, machine_is_on=world.bmc.on)
    boot_it(probe)
    world.calls.kill(probe.calls.names.index(name), when)
    with pytest.raises(Killed):
        boot_it(world)


def test_another_machine_behind_the_address_is_not_touched(world: World) -> None:
    expect(world, serial="A1")
    world.bmc.is_machine = ReportedIdentity(serial="B2")
    boot_it(world)
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.WRONG_MACHINE)
    assert "A1" in world.api.state.detail
    assert "B2" in world.api.state.detail
    finish_it(world)
    assert writes(world) == []
    assert world.api.state.closed_at


def test_the_machine_of_the_first_contact_is_pinned_and_another_is_refused_later(world: World) -> None:
    world.bmc.is_machine = ReportedIdentity(serial="A1")
    boot_it(world)
    assert world.api.device.record.identity == MachineIdentity(serial="A1")
    again = World(world.settings)
    again.api.put_device(identity=world.api.device.record.identity)
    again.bmc.is_machine = ReportedIdentity(serial="B2")
    boot_it(again)
    assert again.api.state.reason is FailureReason.WRONG_MACHINE
    assert writes(again) == []


def test_a_machine_that_is_exchanged_during_its_boot_is_not_touched_by_who_takes_over(world: World) -> None:
    world.bmc.is_machine = ReportedIdentity(serial="A1")
    kill_at(world, "power_on")
    before = writes(world)
    world.bmc.is_machine = ReportedIdentity(serial="B2")
    boot_it(world)
    assert world.api.state.reason is FailureReason.WRONG_MACHINE
    assert writes(world) == before


def test_the_clean_up_touches_no_other_machine_than_the_run_began_with(world: World) -> None:
    world.bmc.is_machine = ReportedIdentity(serial="A1")
    boot_it(world)
    world.api.abort()
    before = writes(world)
    world.bmc.is_machine = ReportedIdentity(serial="B2")
    finish_it(world)
    assert writes(world) == before
    assert world.bmc.on
    detail = world.api.timeline[-1].detail
    assert "closed without full clean-up" in detail
    assert "A1" in detail
    assert "B2" in detail


def other_machine(**names: object) -> Device:
    return Device.model_validate({"name": "in-service", "bmc_mac": "02:00:00:00:00:99", "bmc": "https://b"} | names)


@pytest.mark.parametrize(
    "names", [{"serial": "B2"}, {"uuid": "4c4c4544-0058-4b10-8032-b7c04f4d3133"}, {"nic_macs": ["02:00:00:00:00:98"]}]
)
def test_a_machine_of_another_name_is_not_cleaned_up_where_the_run_began_with_an_unknown_one(
    world: World, names: dict[str, object]
) -> None:
    world.api.others = [other_machine(**names)]
    boot_it(world)
    world.api.abort()
    before = writes(world)
    shown = {"macs": tuple(names["nic_macs"])} if "nic_macs" in names else names  # type: ignore[arg-type]
    world.bmc.is_machine = ReportedIdentity(**shown)  # type: ignore[arg-type]
    finish_it(world)
    assert writes(world) == before
    assert world.bmc.on
    assert "in-service" in world.api.timeline[-1].detail


def test_what_a_bmc_shows_only_later_is_kept_for_the_run(world: World) -> None:
    kill_at(world, "power_on")
    world.bmc.is_machine = ReportedIdentity(serial="A1")
    boot_it(world)
    world.api.abort()
    before = writes(world)
    world.bmc.is_machine = ReportedIdentity(serial="B2")
    finish_it(world)
    assert writes(world) == before


@pytest.mark.parametrize("at", ["insert_media", "power_off", "set_boot_once", "power_on"])
@pytest.mark.parametrize("is_other_entry", [False, True])
def test_an_edit_that_gives_the_machine_to_another_name_ends_the_run_before_its_next_write(
    world: World, at: str, *, is_other_entry: bool
) -> None:
    probe = World(world.settings, machine_is_on=True)
    # An earlier execution has put it in: there is a permit before each of these writes.
    for one in (world, probe):
        one.bmc.media = RunMedia(run_id=RUN_ID, callback_url="http://api", epoch=0)
    boot_it(probe)

    def edit() -> None:
        if is_other_entry:
            world.api.others = [other_machine(serial="A1")]
        else:
            expect(world, serial="A2")

    world.bmc.on = True
    world.bmc.is_machine = ReportedIdentity(serial="A1")
    world.calls.step_in(probe.calls.names.index(at) - 1, "before", edit)
    boot_it(world)
    assert at not in world.calls.names
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.ABORTED)
    assert "A1" in world.api.state.detail
    finish_it(world)
    assert (world.bmc.media, world.bmc.override) == (None, None)


def test_a_corrected_serial_does_not_keep_the_machine_of_the_run_from_being_cleaned_up(world: World) -> None:
    world.bmc.is_machine = ReportedIdentity(serial="A1")
    boot_it(world)
    world.api.abort()
    expect(world, serial="A2")
    finish_it(world)
    assert world.bmc.media is None
    assert world.bmc.on, "the machine may be in another's use by now"


def test_an_identity_that_cannot_be_read_is_an_error_of_the_bmc_and_nothing_is_written(world: World) -> None:
    def refuse() -> None:
        raise BmcUnavailable("busy")

    world.calls.step_in(2, "before", refuse)
    with pytest.raises(BmcUnavailable):
        boot(world.context, world.task(), run_id=RUN_ID)
    assert writes(world) == []


@pytest.mark.parametrize("at", ["insert_media", "power_off", "set_boot_once", "power_on"])
@pytest.mark.parametrize("change", [{"state": DeviceState.ACTIVE}, {"maintenance": "disk"}, {"unapproved": True}])
def test_what_was_done_is_undone_when_the_machine_goes_out_of_reach_midway(
    world: World, change: dict[str, object], at: str
) -> None:
    """Before the permit for ``at``: the medium is in, or the override set, and the machine is in service."""
    world.bmc.on = True
    probe = World(world.settings, machine_is_on=True)
    boot_it(probe)
    permit = probe.calls.names.index(at) - 1
    world.calls.step_in(permit, "before", lambda: world.api.put_device(**change))
    boot_it(world)
    assert at not in world.calls.names
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.ABORTED)
    finish_it(world)
    assert world.api.state.closed_at
    assert (world.bmc.media, world.bmc.override) == (None, None)
    assert world.bmc.power_on_count == 0
    assert world.bmc.power_off_count <= (1 if at in {"set_boot_once", "power_on"} else 0)


def test_the_clean_up_switches_off_no_machine_that_this_run_did_not_start(world: World) -> None:
    world.bmc.on = True
    kill_at(world, "power_off")
    world.api.abort()
    finish_it(world)
    assert world.bmc.on
    assert world.bmc.media is None


def test_the_clean_up_takes_back_no_boot_override_that_this_run_has_not_set(world: World) -> None:
    kill_at(world, "power_state")
    world.bmc.override = "another user's"
    world.api.abort()
    finish_it(world)
    assert world.bmc.media is None
    assert world.bmc.override == "another user's"


def test_a_corrected_address_ends_the_run_and_redirects_nothing(world: World) -> None:
    kill_at(world, "power_on")
    expect(world, bmc="simulated://127.0.0.1:9/another")
    boot_it(world)
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.ABORTED)
    assert "simulated://127.0.0.1:9/another" in world.api.state.detail
    finish_it(world)
    assert world.bmc.media is None
    assert world.bmc.power_on_count == 0


def test_who_takes_over_waits_until_nothing_of_the_killed_worker_can_arrive(world: World) -> None:
    world.bmc.on = True
    kill_at(world, "power_off", "before")
    killed_at = world.clock.now
    boot_it(world)  # as the queue would: it comes back when it was too early
    assert world.clock.now - killed_at >= PERMIT_S + ARRIVAL_S
    assert (world.bmc.power_off_count, world.bmc.power_on_count) == (1, 1)


def test_a_permit_that_was_given_back_delays_no_other_worker(world: World) -> None:
    def refuse() -> None:
        raise BmcUnavailable("busy")

    probe = World(world.settings)
    boot_it(probe)
    world.calls.step_in(probe.calls.names.index("power_on"), "before", refuse)
    with pytest.raises(BmcUnavailable):
        boot(world.context, world.task(), run_id=RUN_ID)
    boot(world.context, world.task(), run_id=RUN_ID)
    assert world.api.state.state is RunState.WAITING
    assert world.clock.now == 0
