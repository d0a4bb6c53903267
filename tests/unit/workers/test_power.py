"""The power switch: when it switches, and when it must not."""

import pytest

from bringup.errors import ApiRejected, BmcUnavailable, PermitExpired
from bringup.model import DeviceState, FailureReason, RunState
from bringup.wire.run_events import PERMIT_S, EventType, RunMedia
from tests.unit.workers.fakes import RUN_ID, Killed, World
from workers.bmc import PowerState
from workers.boot import boot
from workers.guard import Guard, Power
from workers.in_flight import SILENT_AFTER_S
from workers.jobs import finish

# That an earlier execution of the job has inserted.
MEDIUM = RunMedia(run_id=RUN_ID, callback_url="http://api", epoch=0)


def boot_it(world: World) -> None:
    boot(world.context, world.task(), run_id=RUN_ID)


def finish_it(world: World) -> None:
    finish(world.context, world.task(), run_id=RUN_ID)


def power_of(world: World) -> Power:
    """The switch of one execution of the boot job."""
    task = world.task()
    world.api.post_event(RUN_ID, EventType.BOOT_STARTED, fencing_token=task.fencing_token)
    return Power(Guard(world.context, RUN_ID, world.bmc, task.fencing_token))


def switch_on(power: Power) -> None:
    power.switch(PowerState.ON, EventType.POWER_ON_REQUESTED)


def asked_by(world: World) -> list[str]:
    """The permits that were asked for, in order."""
    return [kind for name in world.calls.names if (kind := name.removeprefix("post_event ")).endswith("_requested")]


def switches(world: World) -> list[str]:
    return [name for name in world.calls.names if name in {"power_on", "power_off"}]


def test_a_machine_that_is_off_is_switched_on_and_never_off(world: World) -> None:
    boot_it(world)
    assert switches(world) == ["power_on"]
    assert world.api.state.state is RunState.WAITING


def test_a_machine_that_is_on_is_switched_off_and_then_on(world: World) -> None:
    world.bmc.on = True
    boot_it(world)
    assert switches(world) == ["power_off", "power_on"]


def test_the_order_of_a_boot_is_insert_off_override_on(world: World) -> None:
    world.bmc.on = True
    boot_it(world)
    steps = {"insert_media", "power_off", "set_boot_once", "power_on"}
    assert [name for name in world.calls.names if name in steps] == [
        "insert_media",
        "power_off",
        "set_boot_once",
        "power_on",
    ]


def booted_and_cleaned_up(world: World) -> list[str]:
    """The calls of a machine that was on, with a medium of ours in, and with an override that no start has used."""
    world.bmc.on, world.bmc.media = True, MEDIUM
    boot_it(world)
    world.bmc.override = "cd"
    world.api.abort()
    finish_it(world)
    return world.calls.names


def test_a_permit_is_asked_for_directly_before_every_write_where_the_api_names_nothing_that_it_covers(
    world: World,
) -> None:
    world.api.names_what_a_permit_covers = False
    names = booted_and_cleaned_up(world)
    before = {name: names[n - 1] for n, name in enumerate(names)}
    assert (before["insert_media"], before["set_boot_once"]) == (
        "post_event write_requested",
        "post_event override_requested",
    )
    assert (before["power_off"], before["power_on"]) == (
        "post_event power_off_requested",
        "post_event power_on_requested",
    )
    assert names[names.index("power_off") - 1] == "post_event power_requested"
    assert names[names.index("eject_media") - 1] == "post_event write_requested"
    assert before["eject_media"] == before["restore_boot"] == "post_event cleanup_requested"


def test_a_permit_is_asked_for_directly_before_every_switch(world: World) -> None:
    names = booted_and_cleaned_up(world)
    asked = {name: [names[n - 1] for n, one in enumerate(names) if one == name] for name in set(names)}
    assert asked["power_off"] == ["post_event power_requested", "post_event power_off_requested"]
    assert asked["power_on"] == ["post_event power_on_requested"]
    assert asked["insert_media"] == ["post_event write_requested"]
    assert asked["set_boot_once"] == ["post_event override_requested"]  # a switch lay between


def test_the_permit_to_switch_off_after_the_run_covers_the_rest_of_the_clean_up(world: World) -> None:
    names = booted_and_cleaned_up(world)
    assert "post_event cleanup_requested" not in names
    assert (world.bmc.media, world.bmc.override, world.bmc.on) == (None, None, False)


def test_the_permit_for_the_boot_override_of_a_machine_that_is_off_covers_its_medium(world: World) -> None:
    boot_it(world)
    assert asked_by(world) == ["override_requested", "power_on_requested"]
    assert world.bmc.booted


def test_no_permit_for_the_boot_override_is_asked_for_before_the_machine_is_off(world: World) -> None:
    world.bmc.on = True
    boot_it(world)
    assert asked_by(world) == ["write_requested", "power_requested", "override_requested", "power_on_requested"]
    names = world.calls.names
    assert names.index("power_off") < names.index("post_event override_requested")
    assert world.bmc.booted


@pytest.mark.parametrize(("passed_s", "asked"), [(PERMIT_S / 2, 0), (PERMIT_S / 2 + 0.1, 1), (PERMIT_S + 1, 1)])
def test_a_permit_that_ends_soon_is_not_used_for_the_next_write(world: World, passed_s: float, asked: int) -> None:
    probe = World(world.settings)
    boot_it(probe)
    world.calls.step_in(probe.calls.names.index("insert_media"), "after", lambda: world.clock.sleep(passed_s))
    boot_it(world)
    assert world.calls.names.count("post_event override_requested") == 1 + asked
    assert world.bmc.booted


def test_a_covered_write_that_finds_the_permit_run_out_is_done_with_one_of_its_own(world: World) -> None:
    probe = World(world.settings)
    boot_it(probe)
    at = probe.calls.names.index("set_boot_once")
    world.calls.step_in(at, "before", lambda: world.clock.sleep(PERMIT_S))
    boot_it(world)
    names = world.calls.names
    assert names[at : at + 3] == ["set_boot_once", "post_event override_requested", "set_boot_once"]
    assert world.bmc.power_on_count == 1


@pytest.mark.parametrize("end", ["killed", "aborted"])
@pytest.mark.parametrize("before", ["insert_media", "post_event power_requested", "power_off"])
def test_an_override_of_another_user_stays_where_the_run_has_asked_for_none(
    world: World, before: str, end: str
) -> None:
    world.bmc.on = True
    probe = World(world.settings, machine_is_on=True)
    boot_it(probe)
    at = probe.calls.names.index(before)
    if end == "killed":
        world.calls.kill(at, "before")
        with pytest.raises(Killed):
            boot_it(world)
        world.api.abort()
    else:
        world.calls.step_in(at, "before", world.api.abort)
        boot_it(world)
    assert world.api.state.write_permitted_at
    assert world.api.state.override_requested_at is None
    world.bmc.override = "cd"  # of another user, to the target that is ours, too
    world.clock.sleep(600)
    finish_it(world)
    assert (world.bmc.media, world.bmc.override) == (None, "cd")


def test_what_a_permit_covered_is_undone_when_the_machine_went_into_service_after_it(world: World) -> None:
    probe = World(world.settings)
    boot_it(probe)
    at = probe.calls.names.index("set_boot_once")
    world.calls.step_in(at, "before", lambda: world.api.put_device(state=DeviceState.ACTIVE))
    boot_it(world)
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.ABORTED)
    finish_it(world)
    assert switches(world) == []
    assert (world.bmc.media, world.bmc.override) == (None, None)


def test_no_permit_is_asked_for_where_there_is_nothing_to_write(world: World) -> None:
    world.api.names_what_a_permit_covers = False
    world.bmc.on = True
    boot_it(world)
    assert "eject_media" not in world.calls.names
    assert world.calls.names.count("post_event write_requested") == 1
    world.api.abort()
    finish_it(world)
    assert "restore_boot" not in world.calls.names
    assert world.calls.names.count("post_event cleanup_requested") == 1


def test_the_medium_is_made_once_however_many_permits_its_insertion_takes(world: World) -> None:
    world.bmc.on, world.bmc.busy = True, 3
    boot_it(world)
    assert world.calls.names.count("post_event write_requested") == 4
    assert world.api.tokens == 1
    assert world.bmc.booted
    assert [entry.type for entry in world.api.timeline].count("media_minted") == 1


def test_a_machine_that_is_off_after_its_run_is_not_switched(world: World) -> None:
    boot_it(world)
    world.bmc.on = False
    world.api.abort()
    finish_it(world)
    assert switches(world) == ["power_on"]


NOT_OURS = pytest.mark.parametrize(
    "change",
    [
        {"state": DeviceState.ACTIVE},
        {"maintenance": "disk replacement"},
        {"active_run": "02-00-00-00-00-01-99"},
    ],
    ids=["in service", "in maintenance", "owned by another run"],
)


@NOT_OURS
@pytest.mark.parametrize("machine_is_on", [False, True])
def test_a_machine_that_is_not_ours_is_never_switched(
    world: World, change: dict[str, object], *, machine_is_on: bool
) -> None:
    world.bmc.on = machine_is_on
    power = power_of(world)
    world.api.put_device(**change)
    with pytest.raises(ApiRejected) as refused:
        power.switch(PowerState.OFF if machine_is_on else PowerState.ON, EventType.POWER_REQUESTED)
    assert refused.value.kind == "power_refused"
    assert switches(world) == []


@NOT_OURS
def test_a_machine_that_is_not_ours_gets_no_medium_and_no_override(world: World, change: dict[str, object]) -> None:
    world.api.put_device(**change)
    boot_it(world)
    writes = {"insert_media", "eject_media", "set_boot_once", "restore_boot", "power_on", "power_off"}
    assert not writes & set(world.calls.names)


def test_a_machine_that_goes_into_service_during_its_run_is_not_switched_off_at_the_end(world: World) -> None:
    boot_it(world)
    world.api.abort()
    world.api.put_device(state=DeviceState.ACTIVE)
    finish_it(world)
    assert switches(world) == ["power_on"]
    assert "the machine is in service" in world.api.timeline[-1].detail
    assert world.api.state.closed_at


def test_a_refused_permit_ends_the_run_as_aborted(world: World) -> None:
    world.api.put_device(maintenance="disk replacement")
    boot_it(world)
    assert switches(world) == []
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.ABORTED)


def test_a_worker_that_was_replaced_switches_nothing(world: World) -> None:
    power = power_of(world)
    world.api.post_event(RUN_ID, EventType.BOOT_STARTED, fencing_token="another")
    with pytest.raises(ApiRejected) as refused:
        switch_on(power)
    assert refused.value.kind == "stale"
    assert switches(world) == []


def test_a_permit_that_was_slept_over_is_not_used(world: World) -> None:
    power = power_of(world)
    for ask in (1, 3, 5):  # after a look: ask, and the write that finds the permit run out; three times
        world.calls.step_in(ask, "after", lambda: world.clock.sleep(PERMIT_S + 1))
    with pytest.raises(PermitExpired):
        switch_on(power)
    assert not world.bmc.on


def test_a_permit_that_was_slept_over_once_is_asked_for_again(world: World) -> None:
    power = power_of(world)
    world.calls.step_in(1, "after", lambda: world.clock.sleep(PERMIT_S + 1))
    switch_on(power)
    assert world.calls.names.count("post_event power_on_requested") == 2
    assert world.bmc.power_on_count == 1


def test_a_permit_ends_before_a_silent_worker_is_replaced() -> None:
    assert PERMIT_S < SILENT_AFTER_S


def test_a_slow_machine_is_waited_for_and_switched_once(world: World) -> None:
    world.bmc.on, world.bmc.delay = True, 10
    boot_it(world)
    assert switches(world) == ["power_off", "power_on"]
    assert (world.bmc.power_off_count, world.bmc.power_on_count) == (1, 1)


def test_a_switch_that_was_accepted_but_not_done_is_an_error_of_the_bmc(world: World) -> None:
    world.bmc.ignores = True
    with pytest.raises(BmcUnavailable, match="is not On"):
        switch_on(power_of(world))
    assert 15 < world.clock.now < 60
    assert world.api.state.powered_on_at is None
