"""The power guard: when it switches, and when it must not."""

import pytest

from bringup.errors import ApiRejected, ApiUnavailable, BmcUnavailable
from bringup.model import DeviceState, FailureReason, RunState
from bringup.wire import EventType
from tests.unit.workers.fakes import RUN_ID, World
from workers.boot import boot
from workers.liveness import SILENT_AFTER_S
from workers.power import LEAVE_S, PowerGuard


class Clock:
    """Goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def guard_of(world: World, clock: Clock) -> PowerGuard:
    world.api.tell(RUN_ID, EventType.BOOT_STARTED, owner="me")
    run = world.api.run(RUN_ID)
    return PowerGuard(run, world.bmc, world.tools.callback, "me", sleep=clock.sleep, clock=clock)


def switches(world: World) -> list[str]:
    return [name for name in world.calls.names if name in {"power_on", "power_off"}]


def test_a_machine_that_is_off_is_switched_on_and_never_off(world: World) -> None:
    guard_of(world, Clock()).start()
    assert switches(world) == ["power_on"]
    assert world.api.state.state is RunState.WAITING


def test_a_machine_that_is_on_is_switched_off_and_then_on(world: World) -> None:
    world.bmc.on = True
    guard_of(world, Clock()).start()
    assert switches(world) == ["power_off", "power_on"]


def test_leave_is_asked_directly_before_every_switch(world: World) -> None:
    world.bmc.on = True
    guard_of(world, Clock()).start()
    names = world.calls.names
    assert [names[n - 1] for n, name in enumerate(names) if name in {"power_on", "power_off"}] == [
        "tell power_requested",
        "tell power_requested",
    ]


def test_stop_of_a_machine_that_is_off_switches_nothing(world: World) -> None:
    guard = guard_of(world, Clock())
    world.api.abort()
    guard.stop()
    assert switches(world) == []


@pytest.mark.parametrize(
    "change",
    [
        {"state": DeviceState.ACTIVE},
        {"maintenance": "disk replacement"},
        {"active_run": "02-00-00-00-00-01-99"},
    ],
    ids=["in service", "in maintenance", "owned by another run"],
)
@pytest.mark.parametrize("machine_is_on", [False, True])
def test_a_machine_that_is_not_ours_is_never_switched(
    world: World, change: dict[str, object], *, machine_is_on: bool
) -> None:
    world.bmc.on = machine_is_on
    guard = guard_of(world, Clock())
    world.api.put_device(**change)
    with pytest.raises(ApiRejected) as refused:
        guard.start()
    assert refused.value.kind == "power_refused"
    assert switches(world) == []


def test_a_machine_that_goes_into_service_during_its_run_is_not_switched_off_at_the_end(world: World) -> None:
    world.bmc.on = True
    guard = guard_of(world, Clock())
    world.api.abort()
    world.api.put_device(state=DeviceState.ACTIVE)
    with pytest.raises(ApiRejected):
        guard.stop()
    assert switches(world) == []


def test_a_refused_leave_ends_the_run_as_aborted(world: World) -> None:
    world.api.put_device(maintenance="disk replacement")
    boot(world.tools, world.task(), run_id=RUN_ID)
    assert switches(world) == []
    assert (world.api.state.state, world.api.state.reason) == (RunState.FAILED, FailureReason.ABORTED)


def test_a_worker_that_was_replaced_switches_nothing(world: World) -> None:
    guard = guard_of(world, Clock())
    world.api.tell(RUN_ID, EventType.BOOT_STARTED, owner="another")
    with pytest.raises(ApiRejected) as refused:
        guard.start()
    assert refused.value.kind == "stale"
    assert switches(world) == []


def test_leave_that_was_slept_over_is_not_used(world: World) -> None:
    clock = Clock()
    guard = guard_of(world, clock)
    leave = world.calls.names.index("run") + 4  # look off, tell it, look, leave to switch on
    world.calls.step_in(leave - len(world.calls.names), "after", lambda: clock.sleep(LEAVE_S + 1))
    with pytest.raises(ApiUnavailable):
        guard.start()
    assert world.calls.names[-1] == "tell power_requested"
    assert switches(world) == []


def test_leave_lapses_before_a_silent_worker_is_replaced() -> None:
    assert LEAVE_S < SILENT_AFTER_S


def test_a_slow_machine_is_waited_for_and_switched_once(world: World) -> None:
    world.bmc.on, world.bmc.delay = True, 10
    guard_of(world, Clock()).start()
    assert switches(world) == ["power_off", "power_on"]
    assert (world.bmc.power_off_count, world.bmc.power_on_count) == (1, 1)


def test_a_switch_that_was_accepted_but_not_done_is_an_error_of_the_bmc(world: World) -> None:
    world.bmc.ignores = True
    clock = Clock()
    with pytest.raises(BmcUnavailable, match="is not On"):
        guard_of(world, clock).start()
    assert 15 < clock.now < 60
    assert world.api.state.powered_on_at is None
